from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import seewhy as package
from cli.nets import TOY
from seewhy.cli import main


def test_the_version_is_data(seewhy):
    run = seewhy("--version")
    assert (run.code, run.out, run.err) == (0, f"seewhy {package.__version__}\n", "")


def test_the_installed_command_is_main():
    (command,) = entry_points(group="console_scripts", name="seewhy")
    assert command.load() is main


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["predict", "explain", "list"]),
        (["list"], ["models", "layers", "methods"]),
        (["explain"], ["--method", "--target", "--set", "--background", "--json"]),
        (["predict"], ["--model", "--top", "--device"]),
    ],
)
def test_help_names_what_there_is(seewhy, command, words):
    run = seewhy(*command, "--help")
    assert run.code == 0
    assert not run.err
    assert all(word in run.out for word in words)


@pytest.mark.parametrize("command", [[], ["list"]])
def test_nothing_asked_is_answered_with_help(seewhy, command):
    run = seewhy(*command)
    assert run.code == 2
    assert "Usage" in run.out + run.err


def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["seewhy", "--version"])
    for given, kept in ((None, "0"), ("7", "7")):
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
        if given:
            monkeypatch.setenv("GOMP_SPINCOUNT", given)
        with pytest.raises(SystemExit):
            main()
        assert os.environ["GOMP_SPINCOUNT"] == kept
        monkeypatch.delenv("GOMP_SPINCOUNT")


HEAVY = {"torch", "timm", "PIL", "scipy", "numpy", "polars", "sqlalchemy", "confusable_homoglyphs"}


def test_help_does_not_wait_for_heavy_libraries():
    code = (
        "import sys, seewhy.cli\n"
        "try: seewhy.cli.main()\n"
        f"finally: print(*({HEAVY} & set(sys.modules)), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", "--help"], env=environment, capture_output=True, text=True, check=True
    )
    assert "--method" in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["explian", "a.png"], "explian"),
        (["explain"], "IMAGE"),
        (["explain", "a.png", "--frobnicate"], "--frobnicate"),
        (["explain", "a.png", "--top", "0"], "--top"),
        (["explain", "a.png", "--top", "many"], "--top"),
        (["predict", "a.png", "--top", "0"], "--top"),
    ],
)
def test_wrong_usage_is_2_and_told_on_stderr(seewhy, arguments, word):
    run = seewhy(*arguments)
    assert (run.code, run.out) == (2, "")
    assert word in run.err


def test_errors_are_one_sentence_and_no_traceback(seewhy, photos):
    wrong = seewhy("explain", photos, "--model", TOY, "--target", "tabbi")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.strip() == "seewhy: the classifier has no class 'tabbi'; nearest: 'tabby'"
    failed = seewhy("predict", photos, "--model", "py:cli.nets:seven")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.strip() == ("seewhy: py:cli.nets:seven returned int; expected a torch.nn.Module or a Classifier")


def test_a_stop_from_the_keyboard_is_130(seewhy, photos):
    run = seewhy("explain", photos, "--model", "py:cli.nets:interrupted")
    assert (run.code, run.out) == (130, "")
    assert "Traceback" not in run.err


def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(seewhy, photos):
    run = seewhy("explain", photos / "a.png", "--model", TOY, "--out", photos / "b.png")
    assert (run.code, run.out) == (2, "")
    assert str(photos / "b.png") in run.err
    assert "Traceback" not in run.err


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_file_name_that_is_no_text_can_be_printed(seewhy, photos, form):
    path = photos / os.fsdecode(b"caf\xe9.png")
    try:
        (photos / "a.png").rename(path)
    except OSError:
        pytest.skip("this file system takes text only")
    run = seewhy("predict", path, "--model", TOY, "--top", "1", *form)
    assert run.code == 0
    assert r"caf\udce9.png" in run.out

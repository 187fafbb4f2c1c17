from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.nets import TOY
from seewhy.errors import Cancelled
from study.stamped import MODEL, photo, write_stamp

QUICK = ("--models", TOY, "--methods", "grad-cam,control:random", "--metrics", "average-drop-hard,sparseness")
ALONE = (*QUICK, "--workers", "1")


@pytest.fixture
def asked(monkeypatch, seewhy):
    """What a command asks of the job."""

    def ask(*arguments):
        given = {}

        def study(folder, models, methods, metrics, out, **options):
            given.update(options, folder=folder, models=models, methods=methods, metrics=metrics, out=out)
            raise Cancelled("enough")

        monkeypatch.setattr("seewhy.verbs.study.study", study)
        assert seewhy("study", *arguments).code == 1
        return given

    return ask


def told(run):
    return [line for line in run.err.splitlines() if line.startswith("seewhy:")]


def test_a_row_for_each_model_and_method_and_the_files(seewhy, photos, tmp_path):
    run = seewhy("study", photos, *ALONE, "--out", "out")
    assert run.code == 0, run.err
    assert [row[:2] for row in run.rows] == [[TOY, "Grad-CAM"], [TOY, "Random map"]]
    assert all(len(row) == 4 and float(row[2]) >= 0 for row in run.rows)
    assert "report: out" in run.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    results = {"ledger.sqlite", "ledger.lock", "results.parquet", "maps.parquet", "failures.jsonl", "source.json"}
    assert names == {*results, "report.html", "tables.md", "tables.tex"}
    assert "A study of 2 photos" in (tmp_path / "out/report.html").read_text("utf-8")


def test_how_a_study_stands_and_what_it_says_so_far(seewhy, photos, tmp_path):
    assert seewhy("study", photos, *ALONE, "--out", "out").code == 0
    run = seewhy("study", "out", "--status")
    assert dict(run.rows) == {"units": "4", "done": "4 (100.0%)", "failed": "0", "running": "no",
                              "time left": "about 1 minute"}  # fmt: skip
    found = seewhy("study", "out", "--status", "--so-far", "--json").json
    assert (found["units"], found["done"], found["running"]) == (4, 4, False)
    assert "A study of 2 photos" in (tmp_path / "out/so-far/report.html").read_text("utf-8")
    assert "give that" in seewhy("study", photos, "--so-far").err


def test_json_has_every_mean_and_a_second_run_says_the_same(seewhy, photos):
    first = seewhy("study", photos, *ALONE, "--json")
    assert first.code == 0, first.err
    keys = [(row["model"], row["method"], row["metric"]) for row in first.json]
    assert keys == [
        (TOY, method, metric)
        for method in ("grad-cam", "control:random")
        for metric in ("average-drop-hard", "sparseness")
    ]
    assert all(row["low"] is row["high"] is None and row["pictures"] == 2 for row in first.json), "of two photos"
    assert seewhy("study", photos, *QUICK, "--workers", "2", "--json").json == first.json


def test_a_bad_picture_is_told_once_and_the_rest_is_done(seewhy, photos, broken, alone):
    run = seewhy("study", photos, *ALONE)
    assert run.code == 3
    assert len(told(run)) == 1
    assert "broken.png" in told(run)[0]
    assert len(run.rows) == 2


def test_nothing_done_is_a_failure(seewhy, photos, broken, alone):
    for name in "ab":
        (photos / f"{name}.png").unlink()
    assert seewhy("study", photos, *ALONE).code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--methods", "grad-camm"), "nearest: grad-cam"),
        (("--methods", "control:chance"), "control:random"),
        (("--metrics", "pointing-game"), "--masks"),
        (("--executor", "slurm"), "local and ray"),
        (("--ray-address", "127.0.0.1:1"), "--executor ray"),
        (("--weights", "a.pth", "--weights", "b.pth"), "1 models and 2 files"),
        (("--models", "resnet"), "source of models"),
        (("--masks", "nowhere"), "no folder"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(seewhy, photos, tmp_path, arguments, words):
    run = seewhy("study", photos, *ALONE, *arguments)
    assert run.code == 2
    assert words in run.err
    assert not (tmp_path / "seewhy-study").exists()


def test_the_first_failure_can_end_it(seewhy, photos, broken, alone):
    run = seewhy("study", photos, *ALONE, "--fail-fast")
    assert run.code == 1
    assert "failed on broken.png" in run.err
    assert run.rows == []


def test_another_study_in_the_same_folder_is_refused(seewhy, photos, alone):
    assert seewhy("study", photos, *ALONE).code == 0
    run = seewhy("study", photos, *ALONE, "--seed", "1")
    assert run.code == 2
    assert "seed: was 0, now 1" in run.err


def test_ray_that_is_not_installed_is_told(seewhy, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    run = seewhy("study", photos, *ALONE, "--executor", "ray")
    assert run.code == 2
    assert "seewhy[ray]" in run.err


def test_what_is_not_given_has_sensible_defaults(asked):
    given = asked("photos")
    assert given["models"] == ["bundled:efficientnet-lite0"]
    assert given["methods"] == (
        "grad-cam",
        "expected-gradients",
        "lime",
        *(f"control:{name}" for name in ("random", "gaussian", "sobel")),
    )
    assert given["metrics"] == []
    assert (given["workers"], given["threads"], given["cells"], given["limit"]) == (None, 1, 14, None)
    assert given["out"] == Path("seewhy-study")


def test_everything_given_arrives(asked):
    given = asked(
        *("photos", "--models", "timm:a, timm:b", "--weights", "a.pth", "--weights", "b.pth", "--limit", "5"),
        *("--executor", "ray", "--ray-address", "auto", "--workers", "3", "--masks", "drawn", "--seed", "9"),
        *("--batch-size", "4", "--cells", "0", "--device", "cpu", "--threads", "2"),
    )
    assert given["weights"] == {"timm:a": Path("a.pth"), "timm:b": Path("b.pth")}
    assert (given["executor"], given["ray_address"], given["workers"]) == ("ray", "auto", 3)
    assert (given["masks"], given["seed"], given["limit"]) == (Path("drawn"), 9, 5)
    assert (given["batch_size"], given["cells"], given["device"], given["threads"]) == (4, 0, "cpu", 2)


def test_an_overlay_makes_it_a_truth_test(seewhy, tmp_path):
    (tmp_path / "turned").mkdir()
    for number in range(5):
        photo(number).to_pil().save(tmp_path / "turned" / f"{number}.png")
    command = ("study", tmp_path / "turned", "--overlay", write_stamp(tmp_path), "--model", MODEL)
    run = seewhy(*command, "--methods", "eigen-cam,gradient", "--workers", "1")
    assert run.code == 0, run.err
    assert {row[1] for row in run.rows} == {"Eigen-CAM (class-blind)", "Gradient"}
    assert "turns the answer to 5 of 5 photos, to stamp 5 times" in " ".join(run.err.split())
    assert seewhy(*command, "--metrics", "road").code == 2
    assert seewhy("study", tmp_path / "turned", "--control", "red").code == 2
    assert seewhy("study", "seewhy-study", "--status", "--so-far").code == 0
    page = (tmp_path / "seewhy-study/so-far/report.html").read_text("utf-8")
    assert "turns the answer to 5 of 5 photos" in page
    assert "stamp.png" in page

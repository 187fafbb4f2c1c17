"""The notebooks of `examples/` run from top to bottom, and come to what they say."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.py"))
PAGE = ROOT / "docs/notebooks.md"

Ran = Callable[[str], tuple[dict[str, Any], str]]


@pytest.fixture
def ran(monkeypatch, tmp_path) -> Ran:
    """What the names of a notebook stand for after it was run somewhere else, and what it printed."""

    def run(name: str) -> tuple[dict[str, Any], str]:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        path, names = ROOT / f"examples/{name}.py", {"__name__": name}
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(path.read_text("utf-8"), path, "exec"), names)  # noqa: S102
        return names, said.getvalue()

    return run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_cells_and_on_the_page(path):
    text = path.read_text("utf-8")
    cells = re.findall(r"^# %%( \[markdown\])?$", text, re.MULTILINE)
    assert len(cells) >= 4
    assert cells[0] == " [markdown]"
    assert re.search(r"^# # \w", text, re.MULTILINE), "a heading"
    assert f"examples/{path.name}" in PAGE.read_text("utf-8")


def test_my_model(ran):
    names, said = ran("my_model")
    share = float(re.search(r"([\d.]+)% right", said)[1])
    assert share > 85
    assert [each.method for each in names["found"]] == ["grad-cam", "integrated-gradients", "occlusion"]
    assert names["maps"].values.shape == (64, 8, 8)


@pytest.mark.heavy
def test_which_explanation(ran):
    names, said = ran("which_explanation")
    assert "2 photos" in said
    assert {*names["methods"], "control:random"} <= {row["method"] for row in names["compared"].rows()}


@pytest.mark.heavy
def test_my_classes(ran):
    names, _ = ran("my_classes")
    accuracy = names["judged"].to_dict()["accuracy"]
    assert accuracy["high"] - accuracy["low"] > 0.1, "the interval is wide"
    assert {twin.case.path.split("/")[0] for twin in names["twins"].twins} == {"cat"}


@pytest.mark.heavy
def test_the_network_in_words(ran):
    names, said = ran("network_in_words")
    assert names["drawn"].svg.startswith("<svg")
    assert names["given"] > 0
    assert re.search(r"\d+ rounds, \d+ answers", said)


@pytest.mark.heavy
def test_audit_and_repair(ran):
    names, said = ran("audit_and_repair")
    assert "bottom right" in said
    assert "“cross”" in said
    assert names["mended"].after.worst > names["mended"].before.worst
    assert names["mended"].usable

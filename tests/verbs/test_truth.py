"""The truth test from end to end: by Python and by command, with a network that a stamp turns."""

from __future__ import annotations

import json
import sys

import pytest

from seewhy.errors import UnknownName, UsageError
from seewhy.verbs.study import open_study
from seewhy.verbs.truth import is_overlay_study, overlay_so_far, overlay_study
from study.stamped import MODEL, photo, write_stamp

METHODS = ("integrated-gradients", "eigen-cam", "control:gaussian")


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study of eight photos; the path of photos, stamp and results."""
    root = tmp_path_factory.mktemp("truth")
    (root / "photos").mkdir()
    for number in range(8):
        photo(number).to_pil().save(root / "photos" / f"{number}.png")
    before = [*sys.path]
    found = asked(root)
    sys.path[:] = before
    return root, found


def asked(root, **changes):
    return overlay_study(root / "photos", write_stamp(root), [MODEL], METHODS, root / "out", workers=1, **changes)


def test_the_stamp_turns_the_answers_and_the_faithful_method_shows_it(studied):
    _, found = studied
    (truth,) = found.truths
    assert (truth.photos, truth.turned, truth.turned_to) == (8, 8, "stamp")
    assert truth.rows[0].method == "integrated-gradients"
    assert truth.rows[0].asks is True
    assert truth.rows[0].difference.value > 0.5
    assert {each.method for each in truth.rows if not each.asks} == {"eigen-cam", "control:gaussian"}
    verdict = found.to_dict()["verdict"]
    assert "turns the answer to 8 of 8 photos, to stamp 8 times" in verdict
    assert "These mark it more for that class than for another, the most first: Integrated gradients." in verdict
    assert "Of these it cannot be told that they do: Eigen-CAM (class-blind) and Centred Gaussian." in verdict


def test_what_is_finished_is_told_at_any_moment(studied):
    root, found = studied
    assert is_overlay_study(root / "out")
    so_far = overlay_so_far(root / "out", root / "so far")
    assert so_far.to_dict() == found.to_dict()
    assert so_far.page() == found.page()


def test_report_tables_and_json_say_the_same(studied):
    root, found = studied
    out = found.save(root / "out")
    page, tables = (out / "report.html").read_text("utf-8"), (out / "tables.md").read_text("utf-8")
    assert "why stamp?" in page
    assert "stamp.png" in page
    assert "| Integrated gradients | 8 |" in tables
    assert r"\begin{table}" in (out / "tables.tex").read_text("utf-8")
    saved = json.loads((out / "result.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert saved["models"][0]["methods"][0]["method"] == "integrated-gradients"
    assert [each["method"] for each in found.rows()] == [each.method for each in found.truths[0].rows]


def test_what_is_done_is_not_done_again(studied):
    root, found = studied
    told = []
    again = asked(root, progress=lambda *now: told.append(now))
    assert [now for now in told if now[2] == "units"] == [(24, 24, "units")]
    assert again.to_dict() == found.to_dict()
    with pytest.raises(UsageError, match="another"):
        asked(root, seed=1)


def test_it_is_no_study_of_metrics(studied):
    root, _ = studied
    with pytest.raises(UsageError, match=r"tells of the metric .* not known here; see its report"):
        open_study(root / "out")


def test_a_control_class_that_no_model_knows_is_refused(studied):
    root, _ = studied
    with pytest.raises(UsageError, match="zebra"):
        asked(root, control="zebra")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": {"another": "a.pth"}}, "another, which is none of the models"),
        ({"executor": "slurm"}, "there are local and ray"),
    ],
)
def test_what_no_study_takes_is_refused(studied, changes, words):
    root, _ = studied
    with pytest.raises((UsageError, UnknownName), match=words):
        asked(root, **changes)

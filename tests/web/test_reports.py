from __future__ import annotations

import io
import zipfile

import numpy as np

from seewhy.draw import Colors
from seewhy.web.services.hub import Request
from seewhy.web.services.reports import explanation_files, report_of, result_files, zipped

from .conftest import TOY


def explained(at, photo, *methods):
    job = at.explain(photo, Request(TOY, methods), visitor="anna")
    assert job.wait(30)
    return job.result


def test_an_explanation_leaves_what_the_command_line_writes(at, photo):
    found = explained(at, photo, "grad-cam", "fam")
    files = explanation_files(found)
    assert {"report.html", "squares/grad-cam/manifest.json", "squares/grad-cam/values.npy"} <= files.keys()
    values = np.load(io.BytesIO(files["squares/grad-cam/values.npy"]))
    assert np.array_equal(values, found.explanations[0].values)
    assert b"squares, fam" in report_of(files)  # which failed, and is listed


def test_what_is_taken_away_has_the_chosen_colours(at, photo):
    found = explained(at, photo, "grad-cam")
    own, other = explanation_files(found), explanation_files(found, Colors(cmap="viridis"))
    changed = {name for name in own if own[name] != other[name]}
    assert changed == {"report.html", *(f"squares/grad-cam/{name}" for name in ("picture.png", "manifest.json"))}


def test_a_comparison_too(at, photo):
    job = at.compare(photo, Request(TOY, ("grad-cam", "occlusion"), ("sparseness",)), visitor="anna")
    assert job.wait(30)
    assert {"report.html", "scores.json", "squares/occlusion/picture.png"} <= result_files(job.result).keys()


def test_the_same_files_give_the_same_archive():
    files = {"b/c.txt": b"two", "a.txt": b"one"}
    with zipfile.ZipFile(io.BytesIO(zipped(files))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
    assert zipped(files) == zipped(dict(reversed(files.items())))

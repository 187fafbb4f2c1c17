"""Studies opened again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from seewhy.errors import UsageError
from seewhy.images import Folder
from seewhy.study import Failure, Plan, Result, Unit
from seewhy.study.ledger import open_ledger, standing
from seewhy.study.results import write
from seewhy.verbs.study import SOURCE, find_studies, note_source, open_study, study_so_far

PLAN = Plan(
    models={"toy": "f" * 64},
    methods={"grad-cam": {}, "control:random": {}},
    metrics={"sparseness": {}},
    images={"a.png": "0" * 64, "b.png": "1" * 64},
    batch_size=4,
)


def rows(value: float) -> tuple[dict, ...]:
    about = {"target": 1, "label": "cat", "probability": 0.5, "layer": None, "checks": "{}"}
    return ({"metric": "sparseness", "value": value, "reason": None, **about},)


@pytest.fixture
def done(tmp_path) -> Path:
    """A study with one unit that failed."""
    out, pictures = tmp_path / "studies" / "first", tmp_path / "pictures"
    pictures.mkdir()
    for name, image in zip(("a", "b"), zoo.photos(2), strict=True):
        image.to_pil().save(pictures / f"{name}.png")
    with open_ledger(out, PLAN) as ledger:
        for place, unit in enumerate(PLAN.units[:-1]):
            ledger.record([Result(unit, rows(place / 10))])
        ledger.record([Result(PLAN.units[-1], failure=Failure("ExplainError", "no luck"))])
        write(ledger.results(), ledger.maps(), out)
    note_source(out, Folder.open(pictures))
    return out


def test_a_study_comes_back_as_it_was(done):
    found = open_study(done)
    assert found.plan == PLAN
    assert found.means["toy", "sparseness", "grad-cam"].value == pytest.approx(0.1)  # of 0.0 and 0.2
    assert [each.unit for each in found.failures] == [Unit("toy", "control:random", "b.png")]
    assert found.failures[0].failure == Failure("ExplainError", "no luck")
    assert found.folder.image(found.folder.entries[0]).sha256 == zoo.photos(2)[0].sha256


def test_it_opens_also_where_nothing_may_be_written(done):
    done.chmod(0o555)
    try:
        assert open_study(done).plan == PLAN
    finally:
        done.chmod(0o755)


@pytest.mark.parametrize("content", [None, "{}", "[]", "no json"])
def test_without_a_note_pictures_are_looked_for_beside_the_results(done, content):
    (done / SOURCE).unlink()
    if content:
        (done / SOURCE).write_text(content)
    assert open_study(done).folder.root == done / "pictures"


def test_a_study_can_be_read_while_a_run_writes_to_it(done, tmp_path):
    with open_ledger(done, PLAN) as ledger:
        assert open_study(done).plan == PLAN
        ledger.record([Result(PLAN.units[-1], rows(0.3))])
        far = standing(done)
        assert (far.units, far.done, far.failed, far.running) == (4, 4, 0, True)
        found = study_so_far(done, tmp_path / "so far")
        assert found.table.height == 4
        assert not found.failures
    assert not standing(done).running
    assert open_study(done).table.height == 3, "its own tables are written at its end"


def test_a_folder_without_a_study_says_so(tmp_path):
    with pytest.raises(UsageError, match="holds no study"):
        open_study(tmp_path)


@pytest.mark.parametrize(("part", "name"), [("method", "somebodys-own"), ("metric", "py:os:getcwd")])
def test_a_study_of_what_is_not_known_says_so(tmp_path, part, name):
    plan = replace(PLAN, **{f"{part}s": {name: {}}})
    with open_ledger(tmp_path, plan):
        pass
    with pytest.raises(UsageError, match=f"tells of the {part} {name}, which is not known here; see its"):
        open_study(tmp_path)


def test_studies_are_found_by_name(done, tmp_path):
    assert find_studies(tmp_path / "studies") == {"first": done}
    assert find_studies(tmp_path / "nowhere") == {}


def test_the_note_is_about_the_pictures(tmp_path):
    folder = Folder(tmp_path / "photos", ())
    note_source(tmp_path / "out", folder)
    assert json.loads((tmp_path / "out" / SOURCE).read_text()) == {"pictures": str(tmp_path / "photos"), "classes": []}

"""What benchmarks make of their measurements: numbers that can be printed, however few there are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import _photos, _timing, shap


@pytest.mark.parametrize("values", [[2.0], [1.0, 3.0], [1.0, 2.0, 3.0]])
def test_quartiles_of_however_few_values_lie_among_them(values: list[float]):
    low, middle, high = _timing.quartiles(values)
    assert min(values) <= low <= middle == np.median(values) <= high <= max(values)


def test_a_trial_takes_fewer_photos(monkeypatch: pytest.MonkeyPatch):
    assert len(_photos.photos(4)) == 4
    monkeypatch.setenv(_photos.MOST, "2")
    assert len(_photos.photos(4)) == 2
    assert len(_photos.photos(1)) == 1


def test_results_go_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv(_timing.OUT, str(tmp_path / "trial.md"))
    _timing.write_section("one", "first")
    _timing.write_section("two", "second")
    _timing.write_section("one", "third")
    text = (tmp_path / "trial.md").read_text()
    assert "first" not in text
    assert text.index("third") < text.index("second")


def test_the_fewest_evaluations_are_those_from_which_on_no_error_is_larger():
    ours = np.linspace(1, 0, len(shap.RUNGS))
    ours[-3] = 0.9  # by chance
    found = shap.enough(ours, np.array([2.0, ours[2], ours[-2], 0.0]))
    assert found == [shap.RUNGS[0], shap.RUNGS[-2], shap.RUNGS[-2], shap.RUNGS[-1]]


def test_what_is_exact_but_for_rounding_is_as_good_as_exact():
    ours = np.full(len(shap.RUNGS), 1e-8)
    assert shap.enough(ours, np.array([1e-12])) == [shap.RUNGS[0]]
    assert shap.enough(ours + 1, np.array([1e-12])) == [np.inf]


@pytest.mark.parametrize("needed", [[48.0, 200.0, np.inf], [np.inf] * 3, [48.0] * 3])
def test_a_row_holds_numbers_even_where_we_are_never_as_near(needed: list[float], monkeypatch: pytest.MonkeyPatch):
    theirs = {shap.OURS: [1.0] * len(shap.RUNGS), "shap": [0.5] * len(shap.EVALUATIONS)}
    monkeypatch.setattr(shap, "photos", lambda count: ["one", "two", "three"])
    monkeypatch.setattr(shap, "classifier_of", lambda *_: None)
    monkeypatch.setattr(shap.Task, "of", lambda *_: None)
    monkeypatch.setattr(shap, "ERRORS", {shap.PARTITION: lambda task: theirs})
    each = iter(needed)
    monkeypatch.setattr(shap, "enough", lambda *_: [next(each)] * len(shap.EVALUATIONS))
    seconds = {"shap": 6.0, shap.OURS: lambda count: 0.01 * count}
    monkeypatch.setattr(shap, "_seconds", lambda *_: seconds)
    (row,) = shap._rows(shap.PARTITION, shap.MODELS[0], shap.torch.device("cpu"), 0.0, ["one", "two", "three"])
    assert "inf" not in row
    assert "nan" not in row

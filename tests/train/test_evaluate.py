"""Figures of an evaluation, by hand and beside scikit-learn and scipy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.core.statistics import wilson
from seewhy.errors import UsageError
from seewhy.train.evaluate import Evaluation

NAMES = ("cat", "dog", "owl", "yak")


def said(*pairs: tuple[int, int], sure: float = 0.7) -> Evaluation:
    """True and predicted classes, each predicted with the same confidence."""
    truth, predicted = zip(*pairs, strict=True)
    rest = (1 - sure) / (len(NAMES) - 1)
    return Evaluation.of(NAMES, truth, [[sure if k == p else rest for k in range(len(NAMES))] for p in predicted])


def test_a_case_by_hand():
    found = said((0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (1, 1), (1, 3))
    assert found.present == [0, 1, 3]
    assert found.confusion.tolist() == [[2, 1, 0], [1, 2, 1], [0, 0, 0]]
    assert found.accuracy.value == 4 / 7
    assert found.commonest.value == 4 / 7
    cat, dog, yak = found.classes
    assert (cat.precision, cat.recall, cat.f1) == (2 / 3, 2 / 3, pytest.approx(2 / 3))
    assert (dog.precision, dog.recall, dog.f1) == (2 / 3, 2 / 4, pytest.approx(4 / 7))
    assert (yak.precision, yak.recall, yak.f1) == (0, None, None)
    assert found.macro_f1 == pytest.approx((2 / 3 + 4 / 7) / 2)
    (only,) = found.bins
    assert (only.low, only.high, only.pictures) == (0.7, 0.8, 7)
    assert found.calibration_error == pytest.approx(abs(0.7 - 4 / 7))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["classes"][2]["recall"] is None


@pytest.mark.filterwarnings("ignore:A single label")
@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_scikit_learn_says_the_same(pairs):
    from sklearn import metrics

    found = said(*pairs)
    truth, predicted = zip(*pairs, strict=True)
    table = metrics.confusion_matrix(truth, predicted, labels=found.present)
    assert found.confusion.tolist() == table.tolist()
    precision, recall, f1, count = metrics.precision_recall_fscore_support(
        truth, predicted, labels=found.present, zero_division=0
    )
    for place, mine in enumerate(found.classes):
        assert mine.pictures == count[place]
        assert (mine.precision or 0) == pytest.approx(precision[place])
        assert (mine.recall or 0) == pytest.approx(recall[place])
        assert (mine.f1 or 0) == pytest.approx(f1[place])


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_scipy_gives_the_same_interval(case):
    from scipy import stats

    right, count = case
    theirs = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right, count) == pytest.approx((right / count, theirs.low, theirs.high), abs=1e-12)


def test_calibration_by_a_loop_written_out():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.full(4, 0.5), 500)
    truth = draw.integers(0, 4, 500)
    found = Evaluation.of(NAMES, truth, probabilities)
    total = 0.0
    for step in range(10):
        mine = [i for i in range(500) if step / 10 <= probabilities[i].max() < (step + 1) / 10 + (step == 9)]
        if mine:
            right = np.mean([probabilities[i].argmax() == truth[i] for i in mine])
            total += len(mine) * abs(right - np.mean([probabilities[i].max() for i in mine]))
    assert found.calibration_error == pytest.approx(total / 500)
    assert sum(each.pictures for each in found.bins) == 500


def test_a_perfect_oracle_is_calibrated():
    found = said((0, 0), (1, 1), sure=1.0)
    assert found.calibration_error == 0
    assert found.accuracy.value == 1
    assert found.accuracy.low < 0.4


def test_nothing_is_refused():
    with pytest.raises(UsageError):
        Evaluation.of(NAMES, [], np.zeros((0, 4)))
    with pytest.raises(UsageError):
        wilson(0, 0)

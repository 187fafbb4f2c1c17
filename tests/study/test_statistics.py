"""Statistics against closed forms and SciPy."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from seewhy.errors import UsageError
from seewhy.study import statistics
from seewhy.study.statistics import (
    bootstrap_interval,
    holm,
    kendall_w,
    mean_ranks,
    pairwise_wilcoxon,
    rank_agreement,
    wilcoxon,
)

few_levels = arrays(float, st.tuples(st.integers(1, 12), st.integers(2, 6)), elements=st.integers(0, 4).map(float))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_of_two_values_is_a_binomial():
    # The mean of two draws from {0, 1} is 0, ½ or 1 with chances ¼, ½, ¼.
    found = bootstrap_interval([0.0, 1.0], rng())
    assert (*found.mean, *found.low, *found.high) == (0.5, 0, 1)
    found = bootstrap_interval([0.0, 1.0], rng(), level=0.4)
    assert (*found.low, *found.high) == (0.5, 0.5)


def test_the_interval_of_many_values_is_the_normal_one():
    values = rng(1).normal(3, 2, 400)
    found = bootstrap_interval(values, rng())
    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.02 * half * 3)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02 * half * 3)


def test_the_interval_is_scipys(monkeypatch):
    values = rng(2).exponential(size=30)
    theirs = stats.bootstrap([values], np.mean, n_resamples=20_000, method="percentile", rng=rng(3)).confidence_interval
    monkeypatch.setattr(statistics, "BLOCK", 1000)  # in many blocks
    ours = bootstrap_interval(values, rng(4), draws=20_000)
    assert (*ours.low, *ours.high) == pytest.approx(tuple(theirs), rel=0.02)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    held = [bootstrap_interval(rng(seed).uniform(size=60), rng(seed + 1), draws=400) for seed in range(300)]
    share = np.mean([interval.low[0] <= 0.5 <= interval.high[0] for interval in held])
    assert 0.90 <= share <= 0.985


def test_columns_are_drawn_together():
    values = rng().normal(size=(50, 1))
    found = bootstrap_interval(np.hstack([values, values + 1, -values]), rng(5))
    assert found.low[1] == pytest.approx(found.low[0] + 1)
    assert found.low[2] == pytest.approx(-found.high[0])


def test_the_same_generator_gives_the_same_interval():
    values = rng().normal(size=20)
    first, second, other = (bootstrap_interval(values, rng(seed)) for seed in (1, 1, 2))
    assert first == second
    assert first.low != other.low


@pytest.mark.parametrize("scores", [[], [[]], [np.nan, 1.0], [np.inf], np.zeros((2, 2, 2))])
def test_no_scores_and_broken_scores_are_refused(scores):
    with pytest.raises(UsageError, match="finite"):
        bootstrap_interval(scores, rng())


def test_wilcoxon_by_hand():
    # All five differences positive: one of 2⁵ ways of giving them signs, on either side.
    better, worse = [2.0, 4.0, 6.0, 8.0, 10.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    assert wilcoxon(better, worse) == pytest.approx(2 / 32)
    assert wilcoxon(better, worse, "greater") == pytest.approx(1 / 32)
    assert wilcoxon(better, worse, "less") == pytest.approx(1)
    assert wilcoxon(better, better) == 1


@pytest.mark.parametrize("count", [1, 4, 5, 6, 20])
def test_of_zeros_and_ones_wilcoxon_is_the_sign_test(count):
    better, worse = [1.0] * count + [0.0] * 30, [0.0] * (count + 30)
    assert wilcoxon(better, worse, "greater") == pytest.approx(0.5**count)
    assert wilcoxon(better, worse) == pytest.approx(min(2 * 0.5**count, 1))
    assert wilcoxon([*better, 0.0], [*worse, 1.0], "greater") == pytest.approx(
        stats.binomtest(count, count + 1, alternative="greater").pvalue
    )


@given(arrays(float, st.integers(1, 9), elements=st.integers(-3, 3).map(float)))
def test_wilcoxon_counts_all_signs(differences):
    known = differences[differences != 0]
    if not len(known):
        assert wilcoxon(differences, 0 * differences) == 1
        return
    ranks = stats.rankdata(np.abs(known))
    signs = np.array(list(product([0, 1], repeat=len(known))))
    sums, found = signs @ ranks, ranks[known > 0].sum()
    above, below = (sums >= found - 1e-9).mean(), (sums <= found + 1e-9).mean()
    assert wilcoxon(differences, 0 * differences, "greater") == pytest.approx(above)
    assert wilcoxon(differences, 0 * differences, "less") == pytest.approx(below)
    assert wilcoxon(differences, 0 * differences) == pytest.approx(min(1, 2 * min(above, below)))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_stepping_down_rejects(p_values):
    corrected = holm(p_values)
    for alpha in (0.01, 0.05, 0.2):
        rejected, left = set(), sorted(range(len(p_values)), key=p_values.__getitem__)
        while left and p_values[left[0]] * len(left) <= alpha:
            rejected.add(left.pop(0))
        assert {k for k, p in enumerate(corrected) if p <= alpha} == rejected


def test_pairs_are_tested_and_corrected_together():
    scores = rng().normal([0, 0, 1.5], size=(30, 3))
    found = pairwise_wilcoxon(scores)
    raw = [stats.wilcoxon(scores[:, i], scores[:, j]).pvalue for i, j in combinations(range(3), 2)]
    assert [found[0, 1], found[0, 2], found[1, 2]] == pytest.approx(list(holm(raw)))
    assert (found == found.T).all()
    assert (found.diagonal() == 1).all()
    assert found[0, 1] > 0.05 > found[1, 2]


def test_mean_ranks_by_hand():
    scores = [[0.9, 0.1, 0.5], [0.8, 0.8, 0.1]]
    assert mean_ranks(scores, higher_is_better=True) == pytest.approx([1.25, 2.25, 2.5])
    assert mean_ranks(scores, higher_is_better=False) == pytest.approx([2.75, 1.75, 1.5])


def test_agreement_of_rows_by_hand():
    assert kendall_w([[1, 2, 3], [10, 20, 30], [0, 5, 6]]) == pytest.approx(1)
    assert kendall_w([[1, 2, 3], [3, 2, 1]]) == pytest.approx(0)
    assert kendall_w([[1, 2, 3], [1, 3, 2]]) == pytest.approx(0.75)  # rank sums 2, 5, 5; S = 6; 12·6 / (4·24)
    assert kendall_w([[1, 1, 1], [2, 2, 2]]) == 0


@given(few_levels)
def test_agreement_of_rows_is_friedmans_statistic_also_with_ties(scores):
    n, m = scores.shape
    if m < 3 or (scores == scores[:, :1]).all():
        return
    chi2 = stats.friedmanchisquare(*scores.T).statistic
    assert kendall_w(scores) == pytest.approx(chi2 / (n * (m - 1)), abs=1e-9)


def test_metrics_that_order_alike_agree_whatever_their_direction():
    scores = np.array([[0.1, 0.5, 0.9], [9.0, 5.0, 1.0], [3.0, 3.0, 3.0]])
    found = rank_agreement(scores, [True, False, True])
    assert found == pytest.approx(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]]))
    assert rank_agreement(scores, [True, True, True])[0, 1] == pytest.approx(-1)


@given(few_levels)
def test_agreement_of_metrics_is_scipys_tau(scores):
    found = rank_agreement(scores, [True] * len(scores))
    for i, j in combinations(range(len(scores)), 2):
        theirs = stats.kendalltau(scores[i], scores[j]).statistic
        assert found[i, j] == pytest.approx(0 if np.isnan(theirs) else theirs, abs=1e-9)

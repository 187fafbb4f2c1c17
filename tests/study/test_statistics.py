"""Statistics against closed forms and SciPy."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from seewhy.core.statistics import holm
from seewhy.errors import UsageError
from seewhy.study.statistics import (
    FEWEST,
    better_than,
    complete_block,
    kendall_w,
    mean_interval,
    needed,
    pairwise_wilcoxon,
    rank_agreement,
    wilcoxon,
)

few_levels = arrays(float, st.tuples(st.integers(1, 12), st.integers(2, 6)), elements=st.integers(0, 4).map(float))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interval_is_students_without_skewness():
    values = np.concatenate([each := rng(1).normal(3, 2, 40), 6 - each])  # its own mirror image
    found = mean_interval(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert found == pytest.approx((values.mean(), theirs.low, theirs.high))


def test_the_interval_of_skewed_scores_leans_to_their_tail():
    values = rng(2).exponential(size=30)
    found = mean_interval(values)
    assert found.high - found.mean > found.mean - found.low
    assert mean_interval(-values) == pytest.approx((-found.mean, -found.high, -found.low))


@pytest.mark.parametrize(("ones", "count"), [(0, 4), (3, 3), (5, 8), (20, 20)])
def test_of_zeros_and_ones_the_interval_is_wilsons(ones, count):
    theirs = stats.binomtest(ones, count).proportion_ci(0.95, method="wilson")
    found = mean_interval([1.0] * ones + [0.0] * (count - ones))
    assert found == pytest.approx((ones / count, theirs.low, theirs.high), abs=1e-12)


def test_what_is_all_the_same_or_few_has_no_interval():
    assert np.isnan(mean_interval([0.5] * 40).low)
    assert np.isnan(mean_interval(rng().normal(size=FEWEST - 1)).low)
    assert np.isfinite(mean_interval(rng().normal(size=FEWEST)).low)


@pytest.mark.parametrize("scores", [[], [[]], [np.nan, 1.0], [np.inf], np.zeros((2, 2))])
def test_no_scores_and_broken_scores_are_refused(scores):
    with pytest.raises(UsageError, match="finite"):
        mean_interval(scores)


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


@pytest.mark.parametrize(("ups", "downs"), [(4, 0), (60, 30), (300, 260)])
def test_of_differences_of_one_size_it_is_mcnemars_whatever_the_number(ups, downs):
    better, worse = [1.0] * ups + [0.0] * downs, [0.0] * ups + [1.0] * downs
    for alternative in ("two-sided", "greater", "less"):
        theirs = stats.binomtest(ups, ups + downs, alternative=alternative).pvalue
        assert wilcoxon(better, worse, alternative) == pytest.approx(theirs)


def test_few_pairs_cannot_tell():
    assert [needed(questions) for questions in (1, 2, 7)] == [5, 6, 8]
    assert better_than([np.ones(5), np.ones(5)]) == [None, None]
    assert better_than([np.ones(6), np.ones(5), -np.ones(9)]) == [True, None, False]
    assert better_than([np.ones(6), np.ones(6)]) == [True, True]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]) == []


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


def test_pairs_are_tested_on_the_rows_that_both_have():
    scores = rng().normal([0, 1.5, 0], size=(30, 3))
    scores[10:, 2] = np.nan
    found = pairwise_wilcoxon(scores)
    raw = [wilcoxon(scores[:, 0], scores[:, 1]), wilcoxon(scores[:10, 0], scores[:10, 2]),
           wilcoxon(scores[:10, 1], scores[:10, 2])]  # fmt: skip
    assert [found[0, 1], found[0, 2], found[1, 2]] == pytest.approx(holm(raw))


def test_the_largest_complete_part_of_a_table():
    table = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, np.nan], [5.0, 6.0, 7.0]])
    assert complete_block(table).tolist() == [[1, 2], [3, 4], [5, 6]]
    table[0, 0] = np.nan
    assert complete_block(table).shape == (2, 2)


def test_metrics_agree_by_the_columns_that_both_have():
    found = rank_agreement([[1.0, 2.0, 3.0], [1.0, 2.0, np.nan], [3.0, np.nan, 1.0]], [True] * 3)
    assert found == pytest.approx(np.array([[1, 1, -1], [1, 1, np.nan], [-1, np.nan, 1]]), nan_ok=True)


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

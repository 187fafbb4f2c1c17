from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from seewhy.study.difference import alone, apart, chance, distances


def maps(count: int, seed: int, like: np.ndarray | None = None, noise: float = 1.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    base = np.zeros((6, 6)) if like is None else like
    return [base + noise * rng.normal(size=(6, 6)) for _ in range(count)]


def test_distances_are_one_less_rank_correlation():
    given = maps(3, 0)
    found = distances(given)
    for one in range(3):
        for two in range(3):
            expected = 1 - float(spearmanr(given[one].ravel(), given[two].ravel()).statistic)
            assert found[one, two] == pytest.approx(expected, abs=1e-12)


def test_between_and_within_by_hand():
    table = np.array([[0, 1, 5, 6], [1, 0, 7, 8], [5, 7, 0, 3], [6, 8, 3, 0]], float)
    found = apart(table, [0, 1])
    assert found.between == pytest.approx((5 + 6 + 7 + 8) / 4)
    assert found.within == pytest.approx((1 + 3) / 2)
    assert found.gap == pytest.approx(4.5)
    assert apart(np.array([[0, 0.4], [0.4, 0]]), [0]) == (0.4, 0.0)


def test_one_classifier_twice_is_told_from_two():
    common = np.random.default_rng(9).normal(size=(6, 6))
    same = [distances(maps(6, seed, common)) for seed in range(10)]
    other = [distances([*maps(3, seed, common), *maps(3, seed + 99, -common)]) for seed in range(10)]
    assert chance(other, 0) == pytest.approx(0.001)
    assert chance(same, 0) > 0.01


def test_chance_is_a_p_value():
    """Of one classifier twice it is uniform: as often below 0.1 as it says."""
    common = np.random.default_rng(9).normal(size=(6, 6))
    found = [chance([distances(maps(6, 100 * run + photo, common)) for photo in range(4)], run) for run in range(60)]
    assert 0 < np.mean(np.array(found) <= 0.1) <= 0.22
    assert 0.35 < np.mean(found) < 0.65


def test_without_other_seeds_nothing_can_be_told():
    assert chance([np.array([[0, 0.9], [0.9, 0]])], 0) == 1


def test_parts_that_one_alone_looks_at():
    one, other = np.arange(16.0).reshape(4, 4), np.arange(16.0)[::-1].reshape(4, 4)
    mine, theirs = alone(one, other, 0.25)
    assert mine.sum() == theirs.sum() == 4
    assert mine[3].all()
    assert theirs[0].all()
    assert not alone(one, one, 0.25)[0].any()

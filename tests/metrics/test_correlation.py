"""Correlations against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from seewhy.metrics.context import is_flat, pearson, ranks, spearman


@pytest.mark.parametrize("seed", range(5))
def test_they_are_scipys(seed):
    generator = np.random.default_rng(seed)
    one = generator.integers(0, 5, (7, 8)).astype(float)
    other = one + generator.normal(size=one.shape) * seed
    assert pearson(one, other) == pytest.approx(stats.pearsonr(one.ravel(), other.ravel()).statistic)
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one.ravel(), other.ravel()).statistic)


@pytest.mark.parametrize("shape", [(1,), (9,), (3, 8), (0, 4), (2, 3, 5)])
def test_ranks_are_scipys(shape):
    values = np.random.default_rng(0).integers(0, 4, shape).astype(float)
    assert np.array_equal(ranks(values), stats.rankdata(values, axis=-1))


def test_a_map_is_like_itself_and_unlike_its_negative():
    values = np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)
    for scale in (1e-30, 1, 1e30):
        assert pearson(values, values * scale) == pytest.approx(1)
        assert spearman(values, -values * scale) == pytest.approx(-1)


def test_a_flat_map_is_like_nothing():
    flat, other = np.full((3, 3), 2.0), np.arange(9.0).reshape(3, 3)
    assert is_flat(flat)
    assert not is_flat(other)
    assert pearson(flat, other) == spearman(other, flat) == spearman(flat, flat) == 0

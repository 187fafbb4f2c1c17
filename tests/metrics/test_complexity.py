"""Complexity: closed forms and literal sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metrics.samples import planted_subject, scores, values
from seewhy.errors import UsageError
from seewhy.metrics import list_metrics
from seewhy.metrics.complexity import effective_complexity, entropy, mean_area, sparseness

MAPS = arrays.arrays(np.float32, (4, 5), elements=st.floats(-8, 8, width=16))


def test_an_even_map():
    even = np.full((4, 5), -3.0)
    assert sparseness(even) == pytest.approx(0)
    assert entropy(even) == pytest.approx(1)
    assert effective_complexity(even, 0.01) == 1
    assert mean_area(-even) == 1
    assert mean_area(even) == 0, "what speaks against the class lights nothing up"


def test_a_single_pixel():
    single = np.zeros((4, 5))
    single[1, 2] = 7
    assert sparseness(single) == pytest.approx(19 / 20)
    assert entropy(single) == 0
    assert effective_complexity(single, 0.01) == mean_area(single) == pytest.approx(1 / 20)


def test_by_hand():
    quarter = np.array([[3.0, -1.0], [0.0, 0.0]])
    assert sparseness(quarter) == pytest.approx((1 * 1 + 3 * 3) / (4 * 4))
    assert entropy(quarter) == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(4))
    assert effective_complexity(quarter, 0.33) == pytest.approx(2 / 4)
    assert effective_complexity(np.array([[2.0, -1.0], [0.0, 0.0]]), 0.5) == pytest.approx(1 / 4), "above, not at"
    assert mean_area(quarter) == pytest.approx(1 / 4)


@given(MAPS)
def test_sparseness_is_half_the_mean_difference(found):
    """The Gini index as it is defined first: mean absolute difference of all pairs over twice the mean."""
    sizes = np.abs(found).ravel().astype(float)
    assume(sizes.any())
    pairs = np.abs(sizes[:, None] - sizes).mean()
    assert sparseness(found) == pytest.approx(pairs / (2 * sizes.mean()), abs=1e-9)


@given(MAPS, st.sampled_from([0.01, 3, 1000]))
def test_scale_and_place_do_not_matter(found, scale):
    assume(found.any())
    moved = scale * found[::-1, ::-1]
    for measure in (sparseness, entropy, mean_area):
        assert measure(moved) == pytest.approx(measure(found), abs=1e-5)


def test_a_spread_map_is_more_complex():
    grid = np.linspace(-3, 3, 64)
    maps = [np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * width**2)) for width in (0.3, 1, 3)]
    for info in list_metrics():
        if info.family == "complexity":
            sign = -1 if info.higher_is_better else 1
            small, middle, large = values(info.name, planted_subject(), maps)
            assert sign * small < sign * middle < sign * large


@pytest.mark.parametrize("name", [info.name for info in list_metrics() if info.family == "complexity"])
def test_an_empty_map_has_none(name):
    (found,) = scores(name, planted_subject(), [np.zeros((64, 64))])
    assert found.value is None
    assert found.reason == "the map is empty"


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(UsageError, match="largest value"):
        values("effective-complexity", planted_subject(), [], threshold=1)

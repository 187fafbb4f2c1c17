"""Orders and masks: exact counts whatever the ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seewhy.images import top_area
from seewhy.metrics.context import TopK, draw_ties, evidence, keep_of, pixel_ranks, soft_mask

SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))
# Few different values, so that there are many ties.
MAPS = SIDES.flatmap(lambda size: arrays.arrays(np.float32, size, elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])))


@given(MAPS, st.integers(0, 9))
@settings(max_examples=100)
def test_ranks_are_an_order_that_respects_the_values(values, seed):
    ranks = pixel_ranks(values, draw_ties(values.shape, seed))
    assert sorted(ranks.ravel()) == list(range(values.size))
    assert (np.diff(values.ravel()[np.argsort(ranks.ravel())]) >= 0).all()


@given(MAPS, st.data())
@settings(max_examples=100)
def test_exactly_so_many_pixels_are_hidden_from_the_right_end(values, data):
    count = data.draw(st.integers(0, values.size))
    ranks = pixel_ranks(values, draw_ties(values.shape, 0))
    for end, sign in (("highest", 1), ("lowest", -1)):
        kept = keep_of(ranks, TopK(end, count))
        assert (~kept).sum() == count
        if 0 < count < values.size:
            assert (sign * values[~kept]).min() >= (sign * values[kept]).max()
    together = keep_of(ranks, TopK("highest", count)) ^ keep_of(ranks, TopK("lowest", values.size - count))
    assert together.all(), "what one end hides, the other shows"


def test_ties_stand_in_random_order_that_the_seed_gives():
    flat, size = np.zeros((20, 20)), (20, 20)
    orders = [pixel_ranks(flat, draw_ties(size, seed)) for seed in (0, 0, 1)]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    halves = top_area(flat, 0.5, draw_ties(size, 0))
    assert 60 < halves[:10].sum() < 140, "not the first pixels in memory"


def test_a_map_of_zeros_all_but_five_percent_gives_the_asked_area():
    values = np.zeros((20, 20))
    values.flat[:20] = 1
    for share in (0.01, 0.05, 0.2, 0.5, 0.8):
        found = top_area(values, share, draw_ties((20, 20), 3))
        assert found.sum() == round(share * 400)
        assert found.flat[:20].sum() == min(20, round(share * 400))


@given(MAPS)
@settings(max_examples=100)
def test_a_soft_mask_is_the_evidence_from_0_to_1(values):
    mask = soft_mask(values)
    positive = evidence(values)
    assert mask.min() >= 0
    assert mask.max() <= 1
    if positive.min() < positive.max():
        assert (mask.min(), mask.max()) == (0, 1)
        assert np.allclose(mask * (positive.max() - positive.min()), positive - positive.min())
    else:
        assert (mask == (positive.max() > 0)).all()


@pytest.mark.parametrize(("shade", "shown"), [(0.0, 0), (-3.0, 0), (0.2, 1), (7.0, 1)])
def test_a_flat_map_shows_everything_or_nothing(shade, shown):
    assert (soft_mask(np.full((3, 4), shade)) == shown).all()

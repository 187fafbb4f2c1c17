"""What a stage shows: exact shares by rank, nested, with soft edges."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from seewhy.people.reveal import SHARES, STAGES, reveal, shown, smoothed, visible


def ranks(values, height, width):
    """The place of each pixel, all of them sorted: by its cell, between the cells, by what is around."""
    rows, columns = ((np.arange(side) + 0.5) for side in (height, width))
    cells = np.ix_((rows * values.shape[0] / height).astype(int), (columns * values.shape[1] / width).astype(int))
    around = gaussian_filter(values.astype(np.float64), [side / 4 for side in values.shape])
    keys = (between(around, height, width), between(values, height, width), values[cells])  # the last decides first
    return np.argsort(np.lexsort([-key.ravel() for key in keys])).reshape(height, width)


def between(values, height, width):
    weights = [np.zeros((side, cells)) for side, cells in zip((height, width), values.shape, strict=True)]
    for table in weights:
        side, cells = table.shape
        for pixel in range(side):
            place = np.clip((pixel + 0.5) * cells / side - 0.5, 0, cells - 1)
            table[pixel] = np.maximum(0, 1 - np.abs(place - np.arange(cells)))
    return weights[0] @ values @ weights[1].T


@settings(max_examples=60)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(5, 60), st.integers(5, 60), st.integers(1, 4))
def test_it_shows_the_first_of_all_pixels_sorted(rows, columns, height, width, levels):
    values = np.random.default_rng(rows * columns).integers(0, levels, (rows, columns)).astype(np.float32)
    for stage, share in enumerate(SHARES):
        first = ranks(values, height, width) < max(1, round(share * height * width))
        assert np.array_equal(shown(values, height, width, stage), first)


def test_the_shares_are_those_of_the_source():
    assert SHARES == (0.02, 0.045, 0.08, 0.13, 0.2, 0.3)


@settings(max_examples=60)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 60), st.integers(1, 60), st.integers(0, 5), st.integers(1, 4)
)
def test_each_stage_shows_exactly_its_share_whatever_ties(rows, columns, height, width, stage, levels):
    values = np.random.default_rng(rows * columns).integers(0, levels, (rows, columns)).astype(np.float32)
    assert shown(values, height, width, stage).sum() == max(1, round(SHARES[stage] * height * width))


def test_the_share_is_taken_by_rank():
    values = np.random.default_rng(0).permutation(50 * 40).reshape(50, 40).astype(np.float32)
    for stage, share in enumerate(SHARES):
        assert np.array_equal(shown(values, 50, 40, stage), values >= 2000 * (1 - share))


def test_each_stage_holds_the_one_before():
    values = np.random.default_rng(1).random((7, 7), dtype=np.float32)
    stages = [shown(values, 100, 130, stage) for stage in range(STAGES)]
    assert all((less <= more).all() for less, more in pairwise(stages))


def test_a_strong_cell_comes_before_a_weak_one_and_within_it_the_side_of_the_stronger_neighbour():
    order = ranks(np.array([[3.0, 1.0, 2.0]], np.float32), 4, 30)
    first, second, third = order[:, :10], order[:, 20:], order[:, 10:20]
    assert first.max() < second.min() <= second.max() < third.min()
    assert (np.diff(first[0, 5:]) > 0).all()  # away from the first cell's middle
    assert (np.diff(second[0, :6]) < 0).all()  # from the weak neighbour towards the middle


def test_a_map_as_fine_as_the_picture_ranks_its_values():
    values = np.random.default_rng(2).random((5, 6), dtype=np.float32)
    assert np.array_equal(ranks(values, 5, 6).ravel(), np.argsort(np.argsort(-values.ravel())))


@pytest.mark.parametrize(("cells", "sigma"), [(128, 3), (64, 6), (32, 12), (16, 16), (8, 24), (4, 24)])
def test_edges_are_as_soft_as_in_the_source(cells, sigma):
    mask = shown(np.random.default_rng(3).random((cells, cells), dtype=np.float32), 256, 256, 2)
    expected = gaussian_filter(mask.astype(np.float32), sigma, truncate=1.5)
    assert np.abs(smoothed(mask, (cells, cells)) - expected).max() < 1e-6


def test_softness_grows_with_the_picture():
    small, large = np.zeros((64, 64), bool), np.zeros((128, 128), bool)
    small[24:40, 24:40] = large[48:80, 48:80] = True
    shrunk = smoothed(large, (8, 8)).reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.abs(smoothed(small, (8, 8)) - shrunk).max() < 0.03


def test_the_rest_is_black_and_what_is_shown_is_the_picture():
    pixels = np.full((200, 200, 3), 200, np.uint8)
    values = np.zeros((20, 20), np.float32)
    values[10, 10] = 1
    seen = reveal(pixels, values, 0)
    assert seen.dtype == np.uint8
    assert seen[0, 0].tolist() == [0, 0, 0]
    assert seen[105, 105].min() > 20
    rows, columns = np.nonzero(seen[..., 0])
    assert max(abs(rows.mean() - 105), abs(columns.mean() - 105)) < 2  # what ties lies around what is strong
    everything = reveal(pixels, np.ones((20, 20), np.float32), 5)
    assert 0.28 < (everything / 200).mean() < 0.32  # smoothing moves light, it makes none


@settings(max_examples=30)
@given(st.integers(1, 32), st.integers(1, 32), st.integers(12, 80), st.integers(12, 80))
def test_something_is_seen_in_full_and_nothing_is_taken_back(rows, columns, height, width):
    values = np.random.default_rng(rows * columns).random((rows, columns), dtype=np.float32)
    stages = [visible(values, height, width, stage) for stage in range(STAGES)]
    assert all(each.max() == pytest.approx(1) for each in stages)
    assert all((less <= more).all() for less, more in pairwise(stages))

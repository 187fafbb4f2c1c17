from __future__ import annotations

import numpy as np
import pytest

from seewhy.draw import crop, cut, spotlight
from seewhy.errors import ExplainError

RED = np.full((40, 60, 3), (200, 30, 30), np.uint8)


def test_the_photo_where_the_map_is_strong_and_a_pale_trace_elsewhere():
    values = np.zeros((4, 6), np.float32)
    values[:, 4:] = 7
    lit = spotlight(RED, values)
    assert lit.shape == RED.shape
    assert (lit[:, 52:] == RED[:, 52:]).all()
    assert (lit[:, :30] == lit[0, 0]).all()
    assert np.ptp(lit[0, 0]) == 0
    assert lit[0, 0, 0] > 160


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.full((3, 1), -4.0)])
def test_a_flat_map_leaves_all_pale(values):
    assert np.ptp(spotlight(RED, values), axis=2).max() == 0


def test_only_the_order_of_values_counts_not_their_scale():
    values = np.random.default_rng(0).random((5, 5)).astype(np.float32)
    assert np.abs(spotlight(RED, values).astype(int) - spotlight(RED, 30 * values - 9)).max() <= 1


@pytest.mark.parametrize("values", [np.ones(4), np.array([[1.0, np.nan]])])
def test_what_is_no_map_is_refused(values):
    with pytest.raises(ExplainError, match="finite"):
        spotlight(RED, values)


def test_a_photo_is_cut_to_what_was_seen():
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 10:50] = 255
    part = cut(pixels, (10, 0, 50, 40), 80)
    assert part.shape == (80, 80, 3)
    assert part[8:-8, 8:-8].min() == 255
    assert cut(pixels, (-20, 0, 60, 40), 30).shape == (20, 30, 3)  # what lies beyond the photo is no part of it


@pytest.mark.parametrize(
    ("view", "shape", "there"),
    [
        ((10, 0, 50, 40), (40, 40), (0, 0, 40, 40)),
        ((9.75, 0.25, 49.75, 39.75), (40, 40), (-0.25, 0.25, 39.75, 39.75)),
        ((-5, -5, 30, 30), (30, 30), (-5, -5, 30, 30)),
        ((20.1, 20.1, 20.2, 20.2), (1, 1), (0.1, 0.1, 0.2, 0.2)),
    ],
)
def test_a_photo_is_cropped_to_pixels_and_the_view_goes_with_it(view, shape, there):
    pixels = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
    part, box = crop(pixels, view)
    assert part.shape[:2] == shape
    assert box == pytest.approx(there)
    top, left = max(round(view[1]), 0), max(round(view[0]), 0)
    assert (part == pixels[top : top + shape[0], left : left + shape[1]]).all()

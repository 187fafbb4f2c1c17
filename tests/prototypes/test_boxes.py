"""Boxes on pictures."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.models import Box
from seewhy.prototypes.explaining import on_picture, peak_box


def test_the_box_lies_round_the_best_cell():
    similarity = np.zeros((7, 7), np.float32)
    similarity[2, 5] = 1
    left, top, right, bottom = peak_box(similarity, (224, 224))
    assert left <= 5 * 32 + 16 <= right
    assert top <= 2 * 32 + 16 <= bottom
    # The 5 % highest pixels of the picture are about 50 × 50.
    assert 40 < right - left < 60
    assert 40 < bottom - top < 60


def test_of_two_islands_the_best_has_the_box():
    similarity = np.zeros((8, 8), np.float32)
    similarity[1, 1], similarity[6, 6] = 0.9, 1.0
    left, top, *_ = peak_box(similarity, (64, 64))
    assert min(left, top) > 32


def test_the_best_cell_is_in_the_box_though_its_neighbours_are_as_good():
    similarity = np.zeros((8, 8), np.float32)
    similarity[1:4, 1:4] = 0.9999
    similarity[1, 3] = 1.0
    left, top, right, bottom = peak_box(similarity, (64, 64))
    assert left <= 28 <= right
    assert top <= 12 <= bottom


def test_a_map_without_a_peak_has_the_whole_picture():
    assert peak_box(np.ones((4, 4), np.float32), (40, 60)) == Box(0, 0, 60, 40)


def test_boxes_move_from_the_view_to_the_picture():
    # The network sees the middle 200 × 100 of a picture, as 100 × 100.
    view = Box(50, 20, 250, 120)
    assert on_picture(Box(0, 0, 100, 100), (100, 100), view) == view
    assert on_picture(Box(25, 50, 75, 60), (100, 100), view) == pytest.approx((100, 70, 200, 80))

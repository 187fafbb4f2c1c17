"""A box on its photo."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.draw import boxed

GREY = np.full((60, 80, 3), 128, np.uint8)


@pytest.mark.parametrize("box", [(10, 20, 40, 50), (0, 0, 80, 60), (-5, -5, 30, 30), (70, 50, 95, 75)])
def test_the_line_stays_inside_the_box(box):
    shown = boxed(GREY, box, longest=80)
    rows, columns = np.nonzero((shown != GREY).any(2))
    assert (columns.min(), rows.min()) == (max(box[0], 0), max(box[1], 0))
    assert (columns.max(), rows.max()) == (min(box[2], 80) - 1, min(box[3], 60) - 1)


def test_what_is_in_the_box_can_be_seen():
    shown = boxed(GREY, (10, 20, 40, 50), longest=80)
    assert (shown[26:44, 16:34] == 128).all()


def test_the_box_grows_with_the_picture():
    shown = boxed(GREY, (20, 15, 40, 30), longest=320)
    rows, columns = np.nonzero((shown != 128).any(2))
    scale = shown.shape[1] / 80
    assert (columns.min(), columns.max() + 1) == (20 * scale, 40 * scale)
    assert (rows.min(), rows.max() + 1) == (15 * scale, 30 * scale)


def test_a_tiny_box_is_drawn_too():
    assert (boxed(GREY, (10, 10, 13, 13), longest=80) != GREY).any()

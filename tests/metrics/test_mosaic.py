"""The grid pointing game."""

from __future__ import annotations

import numpy as np
import pytest

from metrics.samples import noisy, white
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.metrics.mosaic import cell_masks, grid_pointing_game, mosaic
from seewhy.models import Preprocessing


def shades(count: int) -> list[Image]:
    return [Image(np.full((10, 13, 3), 20 * number, np.uint8), f"shade {number}") for number in range(count)]


@pytest.mark.parametrize(("count", "size"), [(4, (64, 64)), (9, (31, 50)), (1, (5, 5))])
@pytest.mark.parametrize("cropped", [False, True])
def test_each_picture_lies_in_its_cell(count, size, cropped):
    picture = mosaic(shades(count), size)
    assert picture.pixels.shape == (*size, 3)
    sees = Preprocessing((24, 24), resize=30 if cropped else None, interpolation="nearest")
    seen = (sees.pixels([picture])[0, 0] * 255).round().numpy()
    cells = cell_masks(count, picture, sees)
    assert (cells.sum(0) == 1).all()
    for number, cell in enumerate(cells):
        inner = cell & np.roll(cell, 1, 0) & np.roll(cell, 1, 1) & np.roll(cell, -1, 0) & np.roll(cell, -1, 1)
        assert (seen[inner] == 20 * number).mean() > 0.95


def test_cells_are_the_mosaics_own_where_it_is_seen_as_it_is():
    picture = mosaic(shades(9), (31, 50))
    cells = cell_masks(9, picture, Preprocessing((31, 50)))
    assert np.array_equal((picture.pixels[..., 0] // 20)[None] == np.arange(9)[:, None, None], cells)


def test_a_map_in_its_own_cell_wins():
    picture = mosaic([white((8, 8)), *[noisy((8, 8), seed) for seed in range(3)]], (32, 32))
    cells = cell_masks(4, picture, Preprocessing((32, 32)))
    inside = [np.where(cell, 2.0, -1.0) for cell in cells]
    assert grid_pointing_game(inside, cells) == [1, 1, 1, 1]
    assert grid_pointing_game(inside[::-1], cells) == [0, 0, 0, 0]
    assert grid_pointing_game([np.ones((32, 32))] * 4, cells) == [0.25] * 4
    assert grid_pointing_game([np.zeros((32, 32))] * 4, cells) == [0] * 4


@pytest.mark.parametrize("count", [0, 2, 5])
def test_a_mosaic_is_square(count):
    with pytest.raises(UsageError, match=f"not {count}"):
        mosaic(shades(count))

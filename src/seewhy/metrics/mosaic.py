"""The grid pointing game: in a mosaic of pictures of different classes, does each class's map lie in its own cell?"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
import PIL.Image

from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.metrics.localisation import energy_in_mask
from seewhy.metrics.patches import grid
from seewhy.models import Preprocessing


def mosaic(images: Sequence[Image], size: tuple[int, int] = (448, 448)) -> Image:
    """k² pictures, each scaled whole into a cell of k × k, row by row, as one picture of `size` (height, width)."""
    cells = _cells(len(images))
    pixels = np.empty((*size, 3), np.uint8)
    for image, mask in zip(images, grid(size, cells), strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        scaled = image.to_pil().resize((len(columns), len(rows)), PIL.Image.Resampling.BILINEAR)
        pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = np.asarray(scaled)
    return Image(pixels, " + ".join(image.name for image in images))


def cell_masks(count: int, image: Image, preprocessing: Preprocessing) -> np.ndarray:
    """Bool `(count, h, w)`: where each cell of a mosaic lies in what a network sees of it."""
    cells, box, (height, width) = _cells(count), preprocessing.view(image), preprocessing.size
    down = box.top + (np.arange(height) + 0.5) / height * (box.bottom - box.top)
    across = box.left + (np.arange(width) + 0.5) / width * (box.right - box.left)
    rows, columns = (down * cells // image.height).astype(int), (across * cells // image.width).astype(int)
    return (rows[:, None] * cells + columns) == np.arange(count)[:, None, None]


def grid_pointing_game(maps: Sequence[np.ndarray], cells: np.ndarray) -> list[float]:
    """For each cell's class the share of its map's evidence that lies there; 0 where there is none at all.

    `maps` are those of the classes in the cells' order. Chance gives 1 / k². Source: Böhle 2021; mosaics
    should be made of pictures that the network is sure about.
    """
    return [
        energy_in_mask(values, cell) if (values > 0).any() else 0.0 for values, cell in zip(maps, cells, strict=True)
    ]


def _cells(count: int) -> int:
    """Cells in a row."""
    if count < 1 or isqrt(count) ** 2 != count:
        raise UsageError(f"a mosaic takes 4, 9, 16 … pictures, not {count}")
    return isqrt(count)

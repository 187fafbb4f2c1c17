"""How much of a picture a player sees at each stage of Deep Reveal.

Source: Bianchi et al. 2024 (Interpretable Network Visualizations), its game: six stages show the strongest 2 to 30 % of
the pixels through a mask that a Gaussian smooths. We stretch that mask, so that something is seen in full, and order
pixels that tie there, as those of one cell do, by the map between the cells, then by what is strong around, so that
each share is exact and each stage holds the one before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seewhy.images import Mask

SHARES = (0.02, 0.045, 0.08, 0.13, 0.2, 0.3)
STAGES = len(SHARES)

# Widths of the Gaussian that the source gives for pictures of 256 pixels, by how many pixels a cell is wide.
_SIDE = 256
_CELLS = (2, 4, 8, 16, 32)
_SIGMAS = (3, 6, 12, 16, 24)
_TRUNCATE = 1.5


def shown(values: NDArray[np.float32], height: int, width: int, stage: int) -> Mask:
    """Bool `(height, width)`: the strongest `SHARES[stage]` of the pixels, to the nearest whole one, at least 1.

    A map `(h, w)` is laid over the picture as it is, cell by cell.
    """
    from scipy.ndimage import gaussian_filter

    left = max(1, round(SHARES[stage] * height * width))
    tiled = values[np.ix_(_cells(values.shape[0], height), _cells(values.shape[1], width))]
    last = np.partition(tiled, -left, axis=None)[-left]  # the weakest value that is still shown
    seen = tiled > last
    ties = np.nonzero(tiled == last)
    around = gaussian_filter(values.astype(np.float64), [side / 4 for side in values.shape])
    down, across = _weights(values.shape[0], height), _weights(values.shape[1], width)
    keys = [-(down @ each @ across.T)[ties] for each in (around, values)]  # the last decides first
    first = np.lexsort(keys)[: left - np.count_nonzero(seen)]
    seen[tuple(places[first] for places in ties)] = True
    return seen


def smoothed(mask: Mask, grid: tuple[int, int]) -> NDArray[np.float32]:
    """The mask in [0, 1] with soft edges, as wide as suits the `grid` it was read from."""
    from scipy.ndimage import gaussian_filter

    # The source's width for a picture of its size, scaled to this one.
    sigmas = [
        float(np.interp(np.log2(_SIDE / cells), np.log2(_CELLS), _SIGMAS)) * side / _SIDE
        for side, cells in zip(mask.shape, grid, strict=True)
    ]
    return gaussian_filter(mask.astype(np.float32), sigmas, truncate=_TRUNCATE).clip(0, 1)


def reveal(pixels: NDArray[np.uint8], values: NDArray[np.float32], stage: int) -> NDArray[np.uint8]:
    """The picture `(H, W, 3)` as it is seen at `stage`, 0 to 5; the rest is black."""
    seen = visible(values, pixels.shape[0], pixels.shape[1], stage)
    return np.rint(pixels * seen[..., None]).astype(np.uint8)


def visible(values: NDArray[np.float32], height: int, width: int, stage: int) -> NDArray[np.float32]:
    """How much of each pixel is seen at `stage`, in [0, 1]: somewhere all of it, nowhere less than the stage before.

    The source does not stretch the smoothed mask: of few pixels it leaves a shadow, at which nobody can guess.
    """
    seen = np.zeros((height, width), np.float32)
    for each in range(stage + 1):
        soft = smoothed(shown(values, height, width, each), (values.shape[0], values.shape[1]))
        seen = np.maximum(seen, soft / max(float(soft.max()), np.finfo(np.float32).tiny))
    return seen


def _cells(cells: int, side: int) -> NDArray[np.intp]:
    """The cell in which each pixel's centre lies."""
    return ((np.arange(side) + 0.5) * cells / side).astype(np.intp)


def _weights(cells: int, side: int) -> NDArray[np.float64]:
    """`(side, cells)`: the share of each cell in each pixel, between the cells' centres; rows sum to 1."""
    place = np.clip((np.arange(side) + 0.5) * cells / side - 0.5, 0, cells - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells)))

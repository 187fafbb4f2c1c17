"""From a map of likeness to a box on the picture."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import find_objects, label
from torch.nn import functional

from seewhy.models import Box

TOP = 0.95  # of all pixels, those above this share


def peak_box(similarity: np.ndarray, size: tuple[int, int]) -> Box:
    """Where a map `(h, w)` is highest, as a box in pixels of an input of `size` (height, width).

    Source: Chen et al.'s code, helpers.py: the bounding box of the 5 % highest pixels of the map, enlarged bicubically.
    We differ: of several islands only that of the best cell counts, since a box round all may hold nothing alike.
    """
    grid = torch.from_numpy(np.ascontiguousarray(similarity, np.float32))[None, None]
    large = functional.interpolate(grid, size, mode="bicubic", align_corners=False)[0, 0].numpy()
    # Between two high cells the enlarged map may rise above the best one.
    middle = tuple(
        int((at + 0.5) * side / cells)
        for at, side, cells in zip(
            np.unravel_index(similarity.argmax(), similarity.shape), size, similarity.shape, strict=True
        )
    )
    islands: np.ndarray = label(large >= min(np.quantile(large, TOP), large[middle]))[0]  # pyright: ignore[reportIndexIssue]
    rows, columns = find_objects(islands)[islands[middle] - 1]
    return Box(float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))


def on_picture(box: Box, size: tuple[int, int], view: Box) -> Box:
    """A box in pixels of the input in pixels of the upright picture, of which the input shows `view`."""
    across, down = (view.right - view.left) / size[1], (view.bottom - view.top) / size[0]
    return Box(
        view.left + box.left * across,
        view.top + box.top * down,
        view.left + box.right * across,
        view.top + box.bottom * down,
    )

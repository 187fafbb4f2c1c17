"""Cut what the network saw into regions that people recognise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seewhy.core.names import unknown
from seewhy.errors import UsageError


def segment(pixels: np.ndarray, how: str | np.ndarray = "quickshift", **options: Any) -> np.ndarray:
    """The region of each pixel, int32 `(h, w)`, numbered from 0 without gaps.

    Args:
        pixels: `(h, w, 3)`, uint8 or float in [0, 1].
        how: a segmenter's name, or a label map `(h, w)` of one's own with any integers.
        options: of the named segmenter, such as `n_segments` for slic or `cells` for grid.

    Raises:
        UnknownName: no such segmenter; the nearest names are listed.
        UsageError: the label map has another size than the pixels, or the segmenter refuses an option.
    """
    if isinstance(how, np.ndarray):
        if how.shape != pixels.shape[:2] or not np.issubdtype(how.dtype, np.integer):
            raise UsageError(f"a label map holds integers of shape {pixels.shape[:2]}, not {how.dtype} {how.shape}")
        return _numbered(how)
    if how not in SEGMENTERS:
        raise unknown("segmentation", how, SEGMENTERS)
    floats = pixels / 255 if pixels.dtype == np.uint8 else pixels
    try:
        return _numbered(SEGMENTERS[how](np.ascontiguousarray(floats, dtype=np.float64), **options))
    except (TypeError, ValueError) as error:  # how scikit-image refuses an option
        raise UsageError(f"{how} cannot cut a picture like that: {error}") from error


def _cutting(name: str, **settings: Any) -> Callable[..., np.ndarray]:
    """The function of scikit-image called `name`, with settings other than its own by default."""

    def cut(pixels: np.ndarray, **options: Any) -> np.ndarray:
        from skimage import segmentation

        return getattr(segmentation, name)(pixels, **{**settings, **options})

    return cut


def _watershed(pixels: np.ndarray, **options: Any) -> np.ndarray:
    from skimage.color import rgb2gray
    from skimage.filters import sobel

    return _cutting("watershed", markers=50, compactness=0.001)(sobel(rgb2gray(pixels)), **options)


def _grid(pixels: np.ndarray, cells: int = 7) -> np.ndarray:
    height, width = pixels.shape[:2]
    if not 1 <= cells <= min(height, width):
        raise UsageError(f"a grid of {cells} × {cells} cells does not fit into {height} × {width} pixels")
    rows, columns = (np.arange(side) * cells // side for side in (height, width))
    return rows[:, None] * cells + columns


SEGMENTERS: dict[str, Callable[..., np.ndarray]] = {
    # LIME's settings; ties are broken at random, so the seed is part of the segmentation.
    "quickshift": _cutting("quickshift", kernel_size=4, max_dist=200, ratio=0.2, rng=0),
    "slic": _cutting("slic", n_segments=50, compactness=10, sigma=0.5, start_label=0),
    "felzenszwalb": _cutting("felzenszwalb", scale=200, sigma=0.8, min_size=300),
    "watershed": _watershed,
    "grid": _grid,
}


def _numbered(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)

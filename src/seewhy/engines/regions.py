"""Cut what the network saw into regions that people recognise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seewhy.core.names import unknown
from seewhy.errors import UsageError

SIZED = ":"  # between a segmenter's name and its size, as in slic:80
NETWORK = "network"
FINE = 200  # pieces, where regions are put together of such


@dataclass(frozen=True)
class Segmenter:
    """Cuts float64 pixels `(h, w, 3)`, by options of its own; `size` is the one that makes regions large or small.

    `least` and `most` are the sizes that it can be asked for, `usual` the one that it takes by itself, and `about` says
    what they count; `counts` where that is regions. None cuts where it is the network that says what belongs together:
    see `network_regions`.
    """

    cut: Callable[..., np.ndarray] | None
    size: str
    least: int
    most: int
    usual: int
    about: str
    counts: bool = False


def segment(pixels: np.ndarray, how: str | np.ndarray = "quickshift", **options: Any) -> np.ndarray:
    """The region of each pixel, int32 `(h, w)`, numbered from 0 without gaps.

    Args:
        pixels: `(h, w, 3)`, uint8 or float in [0, 1].
        how: a segmenter's name, also with a size, as `slic:80`, or a label map `(h, w)` of one's own with any integers.
        options: of the named segmenter, such as `n_segments` for slic or `cells` for grid.

    Raises:
        UnknownName: no such segmenter; the nearest names are listed.
        UsageError: the label map has another size than the pixels, or the segmenter refuses an option.
    """
    if isinstance(how, np.ndarray):
        if how.shape != pixels.shape[:2] or not np.issubdtype(how.dtype, np.integer):
            raise UsageError(f"a label map holds integers of shape {pixels.shape[:2]}, not {how.dtype} {how.shape}")
        return numbered(how)
    name, size = segmenter(how)
    known = SEGMENTERS[name]
    if known.cut is None:
        raise UsageError(f"{name} regions are what a network sees alike, which pixels alone do not tell")
    sized = {} if size is None else {known.size: size}
    floats = pixels / 255 if pixels.dtype == np.uint8 else pixels
    try:
        return numbered(known.cut(np.ascontiguousarray(floats, dtype=np.float64), **{**sized, **options}))
    except (TypeError, ValueError) as error:  # how scikit-image refuses an option
        raise UsageError(f"{name} cannot cut a picture like that: {error}") from error


def segmenter(how: str) -> tuple[str, int | None]:
    """The name of a segmenter and the size asked of it, None where none was: `slic:80` is slic and 80.

    Raises:
        UnknownName: no such segmenter; the nearest names are listed.
        UsageError: the size is no whole number, or out of the segmenter's range.
    """
    name, colon, text = how.partition(SIZED)
    if name not in SEGMENTERS:
        raise unknown("segmentation", name, SEGMENTERS)
    if not colon:
        return name, None
    known = SEGMENTERS[name]
    if not (text.isascii() and text.isdigit() and known.least <= int(text) <= known.most):
        wanted = f"a whole number from {known.least} to {known.most:,}, {known.about}"
        raise UsageError(f"after {name}: comes {wanted}, not '{text}'; as in {name}:{known.usual}")
    return name, int(text)


def of_network(how: object) -> int | None:
    """How many regions of the network are asked for; None where others are."""
    if not isinstance(how, str) or how.partition(SIZED)[0] != NETWORK:
        return None
    return segmenter(how)[1] or SEGMENTERS[NETWORK].usual


def seen_pixels(picture: Tensor) -> np.ndarray:
    """What the network saw, `(C, h, w)`, as a picture to cut: float32 `(h, w, 3)` in [0, 1].

    Values outside [0, 1] are stretched to it; of one channel all three colours are made, of others the first three.
    """
    pixels = picture.detach().float().cpu()
    low, high = pixels.min(), pixels.max()
    if low < 0 or high > 1:
        pixels = (pixels - low) / (high - low)
    channels = [0, 0, 0] if len(pixels) == 1 else [0, 1, min(2, len(pixels) - 1)]
    return pixels[channels].permute(1, 2, 0).contiguous().numpy()


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


SEGMENTERS: dict[str, Segmenter] = {
    # LIME's settings; ties are broken at random, so the seed is part of the segmentation.
    "quickshift": Segmenter(
        _cutting("quickshift", kernel_size=4, max_dist=200, ratio=0.2, rng=0),
        "kernel_size", 1, 20, 4, "the width of its kernel in pixels",
    ),
    "slic": Segmenter(
        _cutting("slic", n_segments=50, compactness=10, sigma=0.5, start_label=0),
        "n_segments", 2, 1000, 50, "about how many regions to cut", counts=True,
    ),
    "felzenszwalb": Segmenter(
        _cutting("felzenszwalb", scale=200, sigma=0.8, min_size=300),
        "min_size", 1, 100_000, 300, "the pixels of the smallest region",
    ),
    "watershed": Segmenter(_watershed, "markers", 2, 1000, 50, "about how many regions to cut", counts=True),
    "grid": Segmenter(_grid, "cells", 1, 50, 7, "how many cells a side"),
    NETWORK: Segmenter(None, "groups", 2, FINE, 12, "how many groups to make of what it sees alike"),
}  # fmt: skip


def numbered(labels: np.ndarray) -> np.ndarray:
    """The same regions, int32, numbered from 0 without gaps."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)


def spread(values: Tensor, labels: Tensor, axis: int = -1) -> Tensor:
    """Numbers of regions spread over their pixels: `axis` `(d,)` becomes the two of `labels`, int64 `(h, w)`."""
    if values.device.type != "cpu":
        return values.index_select(axis, labels.flatten()).unflatten(axis, labels.shape)
    # NumPy picks along the last axis up to ten times as fast as PyTorch, and knows no bfloat16.
    plain = values.view(torch.int16) if values.dtype == torch.bfloat16 else values
    return torch.from_numpy(np.take(plain.numpy(), labels.numpy(), axis)).view(values.dtype)

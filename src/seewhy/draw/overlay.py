"""A map over its photo: colour where there is evidence, the photo where there is none, grey off the view."""

from __future__ import annotations

from math import ceil, isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.sparse import csr_array

from seewhy.draw.colors import OURS, Colors, Map, blend, grey, pale, rounded, scale
from seewhy.draw.text import label
from seewhy.errors import BadImage, ExplainError, UsageError
from seewhy.images.image import Pixels

View: TypeAlias = tuple[float, float, float, float]
LONGEST = 900
NOTHING = "no evidence found"
DUSK, DAWN = 0.25, 0.8  # of a spotlight's range: all pale below, fully lit above
THIN, SHARE = 2, 80  # a box's line in pixels at least, and in parts of the picture's shorter side


def overlay(
    pixels: Pixels,
    values: Map,
    view: View,
    *,
    signed: bool = False,
    colors: Colors = OURS,
    limit: float | None = None,
    longest: int = LONGEST,
) -> Pixels:
    """Map `values` `(h, w)` in colour over the upright RGB photo `(H, W, 3)`, at display size (see `fit`).

    `view` is (left, top, right, bottom) in photo pixels: what the model saw, over which the map is spread.
    No evidence is clear, and a map without any gives `blank`.
    """
    scaled, _ = scale(values, signed=signed, limit=limit)
    if not scaled.any():
        return blank(pixels, view, longest=longest)
    shown, box = displayed(pixels, view, longest)
    spread = resample(scaled, box, shown.shape[:2])
    return frame(blend(shown, spread, signed=signed, colors=colors), shown, box)


def photo(pixels: Pixels, view: View, *, longest: int = LONGEST) -> Pixels:
    """The photo itself at display size, with the crop marked."""
    shown, box = displayed(pixels, view, longest)
    return frame(shown, shown, box)


def blank(pixels: Pixels, view: View, words: str = NOTHING, *, longest: int = LONGEST) -> Pixels:
    """The photo in neutral grey under `words`: the picture of a map that found nothing."""
    shown, box = displayed(pixels, view, longest)
    return label(frame(rounded(pale(shown)), shown, box), words)


def spotlight(pixels: Pixels, values: Map) -> Pixels:
    """RGB `(h, w, 3)` lit by a map of any grid over it, which is stretched to [0, 1]; a flat one leaves all pale.

    Raises:
        ExplainError: the map is not finite or 2-D.
    """
    checked = np.asarray(values, np.float32)
    if checked.ndim != 2 or not np.isfinite(checked).all():
        raise ExplainError(f"a map to light a photo by is (h, w) and finite, not {checked.shape}")
    low, high = float(checked.min()), float(checked.max())
    unit = (checked - low) / (high - low) if high > low else np.zeros_like(checked)
    height, width = pixels.shape[:2]
    spread = resample(unit, (0, 0, width, height), (height, width))[..., None]
    rise = ((spread - DUSK) / (DAWN - DUSK)).clip(0, 1)
    light = rise * rise * (3 - 2 * rise)
    unlit = pale(pixels)
    return (unlit + light * (pixels - unlit)).round().astype(np.uint8)


def boxed(pixels: Pixels, box: View, *, longest: int = LONGEST) -> Pixels:
    """The RGB photo at display size with `box`, (left, top, right, bottom) in its pixels, outlined."""
    shown = fit(pixels, longest)
    across, down = shown.shape[1] / pixels.shape[1], shown.shape[0] / pixels.shape[0]
    left, top = max(round(box[0] * across), 0), max(round(box[1] * down), 0)
    right, bottom = min(round(box[2] * across), shown.shape[1]) - 1, min(round(box[3] * down), shown.shape[0]) - 1
    canvas = Image.fromarray(shown)
    pen = ImageDraw.Draw(canvas)
    width = max(THIN, min(shown.shape[:2]) // SHARE)
    # White between black, so that it shows on any photo; all of it inside the box.
    for inset, colour in enumerate(["black", *["white"] * width, "black"]):
        if right - inset > left + inset and bottom - inset > top + inset:
            pen.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=colour)
    return np.asarray(canvas)


def crop(pixels: Pixels, view: View) -> tuple[Pixels, View]:
    """What the model saw of an RGB photo, to the nearest pixel and one at least; and the view in pixels of that.

    >>> crop(np.zeros((40, 60, 3), np.uint8), (10.25, 0, 50.25, 40))[1]
    (0.25, 0, 40.25, 40)
    """
    left, top = max(round(view[0]), 0), max(round(view[1]), 0)
    part = pixels[top : max(round(view[3]), top + 1), left : max(round(view[2]), left + 1)]
    return np.ascontiguousarray(part), (view[0] - left, view[1] - top, view[2] - left, view[3] - top)


def cut(pixels: Pixels, view: View, longest: int) -> Pixels:
    """What the model saw of an RGB photo, its long side brought to `longest` pixels."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = view
    box = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    factor = longest / max(box[2] - box[0], box[3] - box[1])
    size = (max(1, round((box[2] - box[0]) * factor)), max(1, round((box[3] - box[1]) * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box))


def fit(pixels: Pixels, longest: int = LONGEST) -> Pixels:
    """The photo at display size: its long side is brought between `longest / 2` and `longest`."""
    height, width = pixels.shape[:2]
    side = min(max(height, width, longest // 2), longest)
    if side == max(height, width):
        return pixels
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    kernel = Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(pixels).resize(size, kernel))


def resample(values: Map, box: View, shape: tuple[int, int]) -> NDArray[np.float32]:
    """`values` `(h, w)` spread bilinearly over `box` of a canvas `shape`, to a fraction of a pixel.

    Each cell owns an equal part of the box and has its value at the middle of it. Many cells to a pixel are
    averaged, never skipped. Beyond the box the outermost cells go on.
    """
    left, top, right, bottom = box
    down = _weights(values.shape[0], shape[0], top, bottom)
    across = _weights(values.shape[1], shape[1], left, right)
    return (across @ (down @ values).T).T.astype(np.float32)


def displayed(pixels: Pixels, view: View, longest: int) -> tuple[Pixels, View]:
    """Photo and view at display size."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise BadImage("bad_array", f"the photo is {pixels.dtype} {pixels.shape}, but must be uint8 (height, width, 3)")
    height, width = pixels.shape[:2]
    left, top, right, bottom = view
    if not all(map(isfinite, view)) or min(right, width) <= max(left, 0) or min(bottom, height) <= max(top, 0):
        raise UsageError(
            f"view {view} shows nothing of a photo of {width} x {height}; it is (left, top, right, bottom)"
        )
    shown = fit(pixels, longest)
    across, down = shown.shape[1] / width, shown.shape[0] / height
    return shown, (left * across, top * down, right * across, bottom * down)


def frame(inner: Pixels, shown: Pixels, box: View) -> Pixels:
    """`inner` in the box, the dimmed photo round it, a thin line between; all `inner` if nothing was cut off."""
    height, width = shown.shape[:2]
    left, right = _pixel_range(box[0], box[2], width)
    top, bottom = _pixel_range(box[1], box[3], height)
    if (left, top, right, bottom) == (0, 0, width, height):
        return inner
    picture = rounded(40 + 0.45 * grey(shown))
    picture[top:bottom, left:right] = inner[top:bottom, left:right]
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    # Dark round light: one of the two shows on any photo. Both lie outside the view, whose pixels all stay.
    for grow, colour in ((2, "black"), (1, "white")):
        pen.rectangle((left - grow, top - grow, right + grow - 1, bottom + grow - 1), outline=colour)
    return np.asarray(canvas)


def _pixel_range(start: float, stop: float, size: int) -> tuple[int, int]:
    """First and one-past-last pixel whose middle lies in [start, stop), at least one of them."""
    first = min(max(ceil(start - 0.5), 0), size - 1)
    return first, min(max(ceil(stop - 0.5), first + 1), size)


def _weights(cells: int, pixels: int, start: float, stop: float) -> csr_array:
    cells_per_pixel = cells / (stop - start)
    at = ((np.arange(pixels) + 0.5 - start) * cells_per_pixel - 0.5).clip(0, cells - 1)
    tent = (1 - np.abs(at[:, None] - np.arange(cells)) / max(1.0, cells_per_pixel)).clip(min=0)
    return csr_array((tent / tent.sum(axis=1, keepdims=True)).astype(np.float32))

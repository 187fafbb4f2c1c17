"""A map over its photo: colour where there is evidence, the photo where there is none, grey off the view."""

from __future__ import annotations

from math import ceil, isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.sparse import csr_array

from seewhy.draw.colors import OURS, Colors, Map, Pixels, colorize, grey, scale
from seewhy.draw.text import label
from seewhy.errors import BadImage, UsageError

View: TypeAlias = tuple[float, float, float, float]
LONGEST = 900
NOTHING = "no evidence found"


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
    return label(frame(_bytes(pale(shown)), shown, box), words)


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


def blend(pixels: Pixels, scaled: Map, *, signed: bool, colors: Colors = OURS) -> Pixels:
    """A scaled map over pixels of the same size: the opacity grows with the value, from clear at zero."""
    colour = colorize(scaled, signed=signed, cmap=colors.cmap).astype(np.float32)
    # The roots lift weak evidence to where an eye can see it; legends are blended alike and stay true.
    strength = np.abs(scaled)[..., None]
    if signed:
        # Inked, not painted over: white, the middle of the palette, leaves no ring where the sign changes.
        under, alpha = pale(pixels), colors.opacity * strength**0.4
        return _bytes(under + alpha * under * (colour / 255 - 1))
    under, alpha = _muted(pixels), colors.opacity * strength**0.7
    return _bytes(under + alpha * (colour - under))


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
    picture = _bytes(40 + 0.45 * grey(shown))
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


def _muted(pixels: Pixels) -> NDArray[np.float32]:
    """A darker photo with a fifth of its colour left, so that colour is read as evidence."""
    return (grey(pixels) * 4 + pixels) * 0.17


def pale(pixels: Pixels) -> NDArray[np.float32]:
    """A light-grey photo, on which dark blue and dark orange both stand out."""
    return grey(pixels) * 0.36 + 160


def _bytes(values: NDArray[np.floating[Any]]) -> Pixels:
    return values.clip(0, 255).round().astype(np.uint8)

"""Numbers of any kind to the uint8 RGB of an `Image`."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Image as Picture

from seewhy.errors import BadImage
from seewhy.images.image import Pixels

Colour: TypeAlias = tuple[int, int, int]

_CHANNELS = (1, 3, 4)


def with_channels(array: NDArray[Any], name: str, *, first: bool = False) -> NDArray[Any]:
    """The array as `(H, W, C)` with one, three or four channels; `(C, H, W)` is turned round.

    A picture so small that both ends may be channels follows the convention of its kind: last in NumPy, `first` in
    PyTorch.

    Raises:
        BadImage: `bad_array` for any other shape.
    """
    if array.ndim == 2:
        return array[..., np.newaxis]
    if array.ndim == 3:
        starts, ends = array.shape[0] in _CHANNELS, array.shape[2] in _CHANNELS
        if starts and (first or not ends):
            return np.moveaxis(array, 0, 2)
        if ends:
            return array
    cure = (
        "give one picture at a time: array[0]"
        if array.ndim == 4
        else "a picture is (H, W), (H, W, C) or (C, H, W), where C is 1, 3 or 4"
    )
    raise BadImage("bad_array", f"{name} has the shape {array.shape}; {cure}.")


def values_to_rgb(values: NDArray[Any], background: Colour, name: str) -> Pixels:
    """A uint8 `(H, W, 3)` of its own from grey, RGB, or RGB and alpha `(H, W, C)`.

    bool is black and white; uint8 stays; of uint16 the high byte stays; floats must lie in [0, 1].

    Raises:
        BadImage: `bad_array` for other types and ranges; `nonfinite` for NaN and infinity.
    """
    levels = _to_bytes(values, name)
    if levels.shape[2] == 4:
        return on_background(PIL.Image.fromarray(levels), background)
    return np.array(np.broadcast_to(levels, (*levels.shape[:2], 3)), order="C")


def _to_bytes(array: NDArray[Any], name: str) -> Pixels:
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return high_byte(array)
    if array.dtype.kind == "f":
        return _unit_to_bytes(array, name)
    raise BadImage(
        "bad_array",
        f"{name} holds {array.dtype}; give uint8 (0 to 255), uint16, bool, or floats from 0 to 1 "
        "(of whole numbers up to 255: array.astype(np.uint8)).",
    )


def _unit_to_bytes(array: NDArray[np.floating[Any]], name: str) -> Pixels:
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise BadImage("nonfinite", f"{name} holds NaN or infinity; np.nan_to_num(array) replaces them.")
    if low < 0 or high > 1:
        raise BadImage(
            "bad_array",
            f"{name} has floats from {low:g} to {high:g}; they must lie in [0, 1]. "
            "Divide by 255, undo the normalisation, or clip; seewhy.attribute takes inputs of the network as they are.",
        )
    return stretch(array, 0, 1)


def high_byte(values: NDArray[np.uint16]) -> Pixels:
    """16 bits to 8 as Pillow does it for colours: 65535 becomes 255, and nothing wraps."""
    return (values >> 8).astype(np.uint8)


def stretch(values: NDArray[Any], black: float, white: float) -> Pixels:
    """Finite `values` from `black` to `white` to 0..255, rounded; all 0 where the two are one."""
    levels = values.astype(np.float64)
    levels -= black
    levels *= 255 / ((white - black) or 1)
    return np.rint(levels, out=levels).astype(np.uint8)


def on_background(rgba: Picture, background: Colour) -> Pixels:
    """The colours of an RGBA picture laid over a plain background, rounded to nearest."""
    canvas = PIL.Image.new("RGB", rgba.size, background)
    canvas.paste(rgba, mask=rgba)
    return np.array(canvas)

"""The picture as every other room knows it, and how arrays become one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from seewhy.errors import BadImage

Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

_CHANNELS = (1, 3, 4)  # of arrays


class Box(NamedTuple):
    """A rectangle in pixels of a picture; fractions of a pixel are kept."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From the left edge to the right one."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From the top edge to the bottom one."""
        return self.bottom - self.top


@dataclass(frozen=True, eq=False)
class Image:
    """An upright RGB picture that nobody can change.

    Attributes:
        pixels: uint8 `(H, W, 3)`, C-contiguous and read-only; a writable array is copied.
        name: What people call it, mostly its file name. Never used as a path.
        notes: What was done to the picture so that it became this one, in words.

    Raises:
        BadImage: `bad_array` where the pixels are not uint8 `(H, W, 3)`.
    """

    pixels: Pixels = field(repr=False)
    name: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
            raise BadImage(
                "bad_array",
                f"an Image takes uint8 pixels of shape (H, W, 3), not {pixels.dtype} {pixels.shape}; "
                "open_image converts other arrays.",
            )
        if pixels.flags.writeable or not pixels.flags.c_contiguous:
            pixels = np.array(pixels, order="C")
            pixels.setflags(write=False)
            object.__setattr__(self, "pixels", pixels)

    def __reduce__(self) -> tuple[type[Image], tuple[Pixels, str, tuple[str, ...]]]:
        # NumPy forgets on its way through pickle that an array is read-only; the constructor remembers.
        return Image, (self.pixels, self.name, self.notes)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.pixels.shape[1]

    @cached_property
    def sha256(self) -> str:
        """Hash of what is seen, shape and pixels: the same whatever the file was called or packed as."""
        digest = sha256(f"{self.height}x{self.width}x3:".encode())
        digest.update(self.pixels.data)
        return digest.hexdigest()

    def to_pil(self) -> PIL.Image.Image:
        """The picture as a Pillow image of its own, mode RGB."""
        return PIL.Image.fromarray(self.pixels)


def with_channels(array: NDArray[Any], name: str, *, first: bool = False) -> NDArray[Any]:
    """The array as `(H, W, C)` with one, three or four channels; `(C, H, W)` is turned round.

    A picture so small that both ends may be channels follows the convention of its kind: last in NumPy, `first` in
    PyTorch. Other shapes are refused.
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


def on_background(rgba: PIL.Image.Image, background: Colour) -> Pixels:
    """The colours of an RGBA picture laid over a plain background, rounded to nearest."""
    canvas = PIL.Image.new("RGB", rgba.size, background)
    canvas.paste(rgba, mask=rgba)
    return np.array(canvas)

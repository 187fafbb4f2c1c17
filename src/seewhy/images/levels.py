"""Arrays of any kind to channels of 8 bits, and channels to a picture.

How the numbers become levels from black to white:

- bool is black and white, uint8 stays, and floats of arrays lie in [0, 1].
- 16 bits: white is the most that the bits in use can hold. Scanners, cameras and DICOM exports put 12 or 14 bits into
  16; by the largest number of the whole picture, colours and alpha apart, the bits in use are 8, 12, 14 or 16. All but
  16 are told in a note.
- 32-bit integers and floats of files have no agreed white. It is 1 for floats from 0 to 1, else the most that 8, 12,
  14 or 16 bits hold, whichever is the first to hold all values; beyond those, the smallest value becomes black and the
  largest white.

What the channels are: one is grey, three are red, green and blue. Two or four whose last is alpha, by declaration or,
in arrays of four, by custom, are laid over a plain background and kept as they are beside it. All others are bands, of
which some are drawn.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from seewhy.errors import BadImage
from seewhy.images.image import OPAQUE, PLAIN, Image, Pixels, drawn

Colour: TypeAlias = tuple[int, int, int]
Notes: TypeAlias = tuple[str, ...]

WHITE: Colour = (255, 255, 255)
BITS = (8, 12, 14, 16)  # that may be in use of 16
WHITES = tuple(2**bits - 1 for bits in BITS)

_USUAL = (1, 3, 4)  # channels
_MOST_BANDS = 512  # of an array; more are no picture
_STRIP_PIXELS = 1 << 18


def check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    """Refuse a picture without pixels (`too_small`) or with more than `max_pixels` (`too_large`)."""
    if min(width, height) < 1:
        raise BadImage("too_small", f"{name} is {width}x{height}: it holds no pixels. Save it again.")
    if width * height > max_pixels:
        raise BadImage(
            "too_large",
            f"{name} is {width}x{height}, {width * height:,} pixels; the limit is {max_pixels:,}. Make it smaller.",
        )


def with_channels(array: NDArray[Any], name: str, *, first: bool = False) -> NDArray[Any]:
    """The array as `(H, W, C)`; `(C, H, W)` is turned round.

    One, three or four at an end are the channels, else the shorter end is. Where both may be, the convention of its
    kind decides: last in NumPy, `first` in PyTorch.
    """
    if array.ndim == 2:
        return array[..., np.newaxis]
    cure = "a picture is (H, W), (H, W, C) or (C, H, W), where C is its channels"
    if array.ndim == 3:
        turned = np.moveaxis(array, 0, 2) if _starts_with_channels(array.shape, first=first) else array
        if 0 < turned.shape[2] <= _MOST_BANDS:
            return turned
    if array.ndim == 4:
        cure = "give one picture at a time: array[0]"
    raise BadImage("bad_array", f"{name} has the shape {array.shape}; {cure}.")


def _starts_with_channels(shape: tuple[int, ...], *, first: bool) -> bool:
    starts, ends = shape[0] in _USUAL, shape[2] in _USUAL
    if starts or ends:
        return starts and (first or not ends)
    return shape[0] < shape[2] or (first and shape[0] == shape[2])


def from_values(
    values: NDArray[Any], name: str, background: Colour = WHITE, *, alpha: bool | None = None, notes: Notes = ()
) -> Image:
    """A picture of channels `(H, W, C)` of any type.

    Args:
        values: the numbers of an array, upright.
        name: what to call the picture.
        background: shown where it is transparent.
        alpha: whether the last channel is known to be transparency, or known not to be; None where nobody said.
        notes: what was done before.

    Raises:
        BadImage: these are no numbers of a picture.
    """
    count = values.shape[2]
    transparent = count == 4 if alpha is None else alpha and count in (2, 4)
    levels, told = to_levels(values, name, alpha=transparent)
    if count in PLAIN:
        pixels = np.array(np.broadcast_to(levels, (*levels.shape[:2], 3)), order="C")
        return Image(_locked(pixels), name, (*notes, *told))
    if transparent:
        return _over(levels, name, background, (*notes, *told), presumed=alpha is None)
    own = levels is not values and levels.base is None
    stored = _locked(levels if own else np.array(levels, order="C"))
    return Image(drawn(stored, (1, 2, 3) if count > 2 else (1,)), name, (*notes, *told), stored, composite=True)


def _over(levels: Pixels, name: str, background: Colour, notes: Notes, *, presumed: bool) -> Image:
    """Grey or colour whose last channel is alpha, laid over a plain background."""
    pixels = np.empty((*levels.shape[:2], 3), np.uint8)
    mode = "LA" if levels.shape[2] == 2 else "RGBA"
    rows = max(1, _STRIP_PIXELS // levels.shape[1])
    for top in range(0, len(levels), rows):
        strip = PIL.Image.fromarray(np.ascontiguousarray(levels[top : top + rows]), mode)
        pixels[top : top + rows] = on_background(strip.convert("RGBA"), background)
    if bool((levels[..., -1] < OPAQUE).any()):
        notes = (*notes, transparency_note(background, presumed=presumed))
    return Image(_locked(pixels), name, notes, _locked(np.array(levels, order="C")))


def transparency_note(background: Colour, *, presumed: bool = False) -> str:
    """What is told where a picture is seen through."""
    plain = {WHITE: "white", (0, 0, 0): "black"}.get(background, f"rgb{background}")
    return f"{'the fourth channel is taken for transparency, ' if presumed else 'transparency '}shown on {plain}"


def to_levels(values: NDArray[Any], name: str, *, alpha: bool = False) -> tuple[Pixels, Notes]:
    """Numbers of any type `(H, W, C)` to uint8, and what is to be told about it; the last channel may be alpha."""
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255), ()
    if values.dtype == np.uint8:
        return values, ()
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return _of_16_bits(values, alpha=alpha)
    if values.dtype.kind == "f":
        return _unit_to_bytes(values, name), ()
    raise BadImage(
        "bad_array",
        f"{name} holds {values.dtype}; give uint8 (0 to 255), uint16, bool, or floats from 0 to 1 "
        "(of whole numbers up to 255: array.astype(np.uint8)).",
    )


def _of_16_bits(values: NDArray[np.uint16], *, alpha: bool) -> tuple[Pixels, Notes]:
    if not values.size:
        return values.astype(np.uint8), ()
    colours = values[..., :-1] if alpha else values
    top = int(colours.max())
    bits = used_bits(top)
    if not alpha:
        return (values >> (bits - 8)).astype(np.uint8), bits_note(top, bits)
    clear = int(values[..., -1].max())
    own = bits if clear < 2**bits else used_bits(clear)  # an alpha may use all 16 where the colours do not
    shifts = np.array([bits - 8] * (values.shape[2] - 1) + [own - 8], np.uint16)
    return (values >> shifts).astype(np.uint8), bits_note(top, bits)


def used_bits(top: int) -> int:
    """How many bits of 16 are in use where `top` is the largest number: 8, 12, 14 or 16.

    >>> [used_bits(top) for top in (255, 256, 4095, 16383, 16384)]
    [8, 12, 12, 14, 16]
    """
    return next(bits for bits in BITS if top < 2**bits)


def bits_note(top: int, bits: int, allocated: int = 16) -> Notes:
    """What is told where not all bits are in use; nothing of a picture that is black throughout."""
    told = top > 0 and bits < allocated
    return (f"{bits} of {allocated} bits in use (values up to {top}), so white is {2**bits - 1}",) if told else ()


def _unit_to_bytes(array: NDArray[np.floating[Any]], name: str) -> Pixels:
    if not array.size:
        return array.astype(np.uint8)
    low, high = span(array, name, "np.nan_to_num(array) replaces them")
    if low < 0 or high > 1:
        raise BadImage(
            "bad_array",
            f"{name} has floats from {low:g} to {high:g}; they must lie in [0, 1]. "
            "Divide by 255, undo the normalisation, or clip; seewhy.attribute takes inputs of the network as they are.",
        )
    return stretch(array, 0, 1)


def span(values: NDArray[Any], name: str, cure: str) -> tuple[float, float]:
    """The smallest and the largest number; refused where some are none."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise BadImage("nonfinite", f"{name} holds NaN or infinity. {cure}.")
    return low, high


def black_and_white(low: float, high: float, *, fractions: bool) -> tuple[float, float]:
    """What is black and what is white in 32-bit numbers from `low` to `high`."""
    whites = (1, *WHITES) if fractions else WHITES
    return next(((0, white) for white in whites if low >= 0 and high <= white), (low, high))


def span_note(black: float, white: float) -> str:
    """What is told where numbers without an agreed white are shown."""
    return f"values from {black:g} to {white:g} shown as black to white"


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


def _locked(levels: Pixels) -> Pixels:
    """The same array, which nobody writes to any more, so that an `Image` takes it without a copy."""
    levels.setflags(write=False)
    return levels

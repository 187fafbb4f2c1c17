"""A Pillow picture of any mode to upright RGB pixels.

The rules, mode by mode:

- 1-bit, grey, palette, RGB, YCbCr, HSV, LAB: as Pillow converts them. Colour profiles are not applied, as in the
  loaders that networks are trained with.
- CMYK: the inks are taken away from white. A JPEG holds them inverted when it bears Adobe's mark.
- Alpha, also that of palettes: laid over a plain background.
- 16 bits: the high byte, so that 65535 becomes 255.
- 32-bit integers and floats have no agreed white. It is 1 for floats from 0 to 1, else 255, else 65535, whichever
  is the first to hold all values; beyond those, the smallest value becomes black and the largest white.

Work goes on in strips of rows, so that beside the decoded picture and the result little memory is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from PIL import ExifTags, ImageChops
from PIL.Image import Image as Picture

from seewhy.errors import BadImage
from seewhy.images.arrays import Colour, high_byte, on_background, stretch
from seewhy.images.image import Pixels

_Notes: TypeAlias = tuple[str, ...]
_Convert: TypeAlias = Callable[[Picture], Pixels]

_STRIP_PIXELS = 1 << 18
_EXIF_BYTES = 1 << 20

# How an upright array looks when it is seen as it was stored, by EXIF orientation. Views all, so writing the stored
# pixels into the view turns them.
_AS_STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: upright.swapaxes(0, 1)[::-1],
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],
}


def picture_to_rgb(picture: Picture, background: Colour, name: str) -> tuple[Pixels, _Notes]:
    """Upright uint8 `(H, W, 3)`, read-only, and what was done to get there.

    Raises:
        BadImage: `nonfinite` where a float picture holds NaN or infinity.
        Exception: Whatever Pillow raises at pixels that cannot be decoded.
    """
    picture.load()
    turn, turn_notes = _orientation(picture)
    convert, colour_notes = _conversion(picture, background, name)
    width, height = picture.size
    upright = np.empty((width, height, 3) if turn >= 5 else (height, width, 3), np.uint8)
    stored = _AS_STORED[turn](upright)
    for rows, strip in _strips(picture):
        stored[rows] = convert(strip)
    upright.setflags(write=False)
    return upright, turn_notes + colour_notes


def _strips(picture: Picture) -> Iterator[tuple[slice, Picture]]:
    rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        yield slice(top, bottom), picture.crop((0, top, picture.width, bottom))


def _orientation(picture: Picture) -> tuple[int, _Notes]:
    """The EXIF orientation, 1 where there is none to be believed. Pillow turns a TIFF by itself, then forgets it."""
    value = _exif_orientation(picture)
    if value == 1:
        return 1, ()
    if value in _AS_STORED:
        return int(value), ("turned upright as its EXIF says",)
    return 1, (f"its EXIF orientation ({value}) was ignored",)


def _exif_orientation(picture: Picture) -> Any:
    """What stands there, of whatever type: 1 without EXIF, and "unreadable" where it is broken or too long."""
    with suppress(Exception):  # Pillow raises whatever it likes at broken EXIF, and the picture is good without it
        exif = picture.info.get("exif", b"")
        tags = picture.getexif() if len(exif) <= _EXIF_BYTES else {}
        if tags or not exif:
            return tags.get(ExifTags.Base.Orientation, 1)
    return "unreadable"


def _conversion(picture: Picture, background: Colour, name: str) -> tuple[_Convert, _Notes]:
    """How a strip of this picture becomes RGB, and what to tell people about it."""
    if picture.mode.startswith("I;16"):
        return _sixteen_bits, ()
    if picture.mode in ("I", "F"):
        black, white = _span(picture, name)
        note = f"values from {black:g} to {white:g} shown as black to white"
        return partial(_stretched, black=black, white=white), (note,)
    if _is_see_through(picture):
        return partial(_composed, background=background), (f"transparency shown on {_in_words(background)}",)
    if picture.mode == "CMYK" and picture.format == "JPEG" and "adobe" not in picture.info:
        return _upright_inks, ()
    return _plain, ()


def _plain(strip: Picture) -> Pixels:
    return np.asarray(_unmultiplied(strip).convert("RGB"))


def _upright_inks(strip: Picture) -> Pixels:
    # Pillow takes every CMYK JPEG for an inverted one, also those without the mark.
    return _plain(ImageChops.invert(strip))


def _sixteen_bits(strip: Picture) -> Pixels:
    return high_byte(np.asarray(strip))[..., np.newaxis]


def _stretched(strip: Picture, black: float, white: float) -> Pixels:
    return stretch(np.asarray(strip), black, white)[..., np.newaxis]


def _composed(strip: Picture, background: Colour) -> Pixels:
    return on_background(_unmultiplied(strip).convert("RGBA"), background)


def _unmultiplied(strip: Picture) -> Picture:
    return strip.convert("LA") if strip.mode == "La" else strip  # the one mode from which Pillow knows one way only


def _is_see_through(picture: Picture) -> bool:
    if not picture.has_transparency_data:
        return False
    alphas = (_unmultiplied(strip).convert("RGBA").getchannel("A") for _, strip in _strips(picture))
    return any(alpha.getextrema() != (255, 255) for alpha in alphas)


def _span(picture: Picture, name: str) -> tuple[float, float]:
    """What is black and what is white in a picture of 32-bit numbers."""
    parts = (np.asarray(strip) for _, strip in _strips(picture))
    extremes = np.array([(part.min(), part.max()) for part in parts])
    low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())
    if not np.isfinite([low, high]).all():
        raise BadImage("nonfinite", f"{name} holds NaN or infinity. Replace them and save it again.")
    whites = (1, 255, 65535) if picture.mode == "F" else (255, 65535)
    return next(((0, white) for white in whites if low >= 0 and high <= white), (low, high))


def _in_words(colour: Colour) -> str:
    return {(255, 255, 255): "white", (0, 0, 0): "black"}.get(colour, f"rgb{colour}")

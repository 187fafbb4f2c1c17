"""Picture files, Pillow pictures and arrays to upright RGB; whatever fails on the way becomes one `BadImage`.

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

import re
import struct
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import PurePath
from typing import Any, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ExifTags, ImageChops
from PIL.Image import DecompressionBombError
from PIL.Image import Image as Picture
from PIL.TiffImagePlugin import TiffImageFile

from seewhy.errors import BadImage
from seewhy.images.formats import (
    Kind,
    PatientFile,
    check_bytes,
    check_jpeg,
    check_size,
    check_tiff,
    count_tiff_pages,
    kind_of,
    picture_suffixes,
)
from seewhy.images.image import Image, Pixels

Colour: TypeAlias = tuple[int, int, int]
_Notes: TypeAlias = tuple[str, ...]
_Convert: TypeAlias = Callable[[Picture], Pixels]

# Seconds of computing allowed for a header, for the pixels beside so many a pixel, and for counting frames.
_HEADER_SECONDS = 1.0
_PIXEL_SECONDS = 1e-7
_COUNT_SECONDS = 0.3

_CHANNELS = (1, 3, 4)  # of arrays
_STRIP_PIXELS = 1 << 18
_EXIF_BYTES = 1 << 20

_MOST_CHANNELS = 4
_TILE_PIXELS = 1 << 22  # a tile may be larger than a small picture
_SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 277, 322, 323  # TIFF tags

# Warning filters belong to the whole process: threads that change them at once may leave them changed for good.
_ONE_AT_A_TIME = threading.Lock()


def from_picture(picture: Picture, name: str, max_pixels: int, background: Colour) -> Image:
    """A Pillow picture as an `Image`; of an animation the frame that it stands at."""
    check_size(*picture.size, max_pixels, name)
    with _failures_named(name):
        pixels, notes = picture_to_rgb(picture, background, name)
    return Image(pixels, name, notes)


def from_bytes(data: bytes, name: str, max_pixels: int, background: Colour) -> Image:
    """The first frame of a picture file as an `Image`.

    Raises:
        BadImage: For everything but a whole picture of an allowed kind and size.
    """
    if not data:
        raise BadImage("empty", f"{name} holds no bytes at all. Copy or download it again.")
    check_bytes(len(data), max_pixels, name)
    kind = kind_of(data, name)
    _check_structure(data, kind, name)
    with _failures_named(name, _has_no_canvas(data, kind)):
        return _decode(PatientFile(data, name), kind, name, max_pixels, background)


def _decode(file: PatientFile, kind: Kind, name: str, max_pixels: int, background: Colour) -> Image:
    file.allow(_HEADER_SECONDS)
    with kind.read(file) as picture:
        width, height = picture.size
        check_size(width, height, max_pixels, name)
        if isinstance(picture, TiffImageFile):
            _check_layout(picture, name)
        file.allow(_HEADER_SECONDS + _PIXEL_SECONDS * width * height)
        pixels, notes = picture_to_rgb(picture, background, name)
        file.allow(_COUNT_SECONDS)
        notes = (*_suffix_notes(name, kind), *_frame_notes(_frames(picture, file)), *notes)
    return Image(pixels, name, notes)


def _check_structure(data: bytes, kind: Kind, name: str) -> None:
    if kind.name == "JPEG":
        check_jpeg(data, name)
    elif kind.name == "TIFF":
        check_tiff(data, name)


def _check_layout(picture: TiffImageFile, name: str) -> None:
    """Of a TIFF, Pillow drops the fifth channel and later ones without a word, and unpacks tiles of any size."""
    channels = picture.tag_v2.get(_SAMPLES, 1)
    if channels > _MOST_CHANNELS:
        raise BadImage("unsupported", f"{name} has {channels} channels. Save three of them as an RGB picture.")
    tile = picture.tag_v2.get(_TILE_WIDTH, 0) * picture.tag_v2.get(_TILE_HEIGHT, 0)
    if tile > max(picture.width * picture.height, _TILE_PIXELS):
        raise _bloated(name, "its tiles are larger than the picture")


def _suffix_notes(name: str, kind: Kind) -> tuple[str, ...]:
    suffix = PurePath(name).suffix.lower()
    misnamed = suffix in picture_suffixes() - set(kind.suffixes)
    return (f"a {kind.name} file, although named {suffix}",) * misnamed


def _frame_notes(frames: int | None) -> tuple[str, ...]:
    if frames is None:
        return ("only the first frame was read",)
    return (f"first of {frames} frames",) * (frames > 1)


def _frames(picture: Picture, file: PatientFile) -> int | None:
    """How many frames there are; `None` where counting them takes too long or meets damage."""
    if isinstance(picture, TiffImageFile):  # whose own count reads each page in full
        return count_tiff_pages(file.getvalue())
    with suppress(Exception):
        return getattr(picture, "n_frames", 1)
    return None


def _has_no_canvas(data: bytes, kind: Kind) -> bool:
    """Whether the header says zero rows or columns, which Pillow takes for a broken file."""
    form, offset = {"PNG": (">II", 16), "GIF": ("<HH", 6), "BMP": ("<ii", 18)}.get(kind.name, ("", 0))
    return len(data) >= offset + struct.calcsize(form) and 0 in struct.unpack_from(form, data, offset)


@contextmanager
def _failures_named(name: str, empty_canvas: bool = False) -> Generator[None]:
    """Silence Pillow's warnings and turn any of its exceptions into a `BadImage`."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except BadImage:
            raise
        except Exception as error:
            raise _diagnosis(error, name, empty_canvas) from error


_TOO_MUCH = re.compile("too large|too much memory", re.IGNORECASE)
_NOT_READ = re.compile(
    "unknown pixel mode|data organization|samples per pixel|cannot handle|unsupported|not (yet )?supported",
    re.IGNORECASE,
)


def _diagnosis(error: Exception, name: str, empty_canvas: bool) -> BadImage:
    reason = f"{error}"[:100] or type(error).__name__
    if isinstance(error, DecompressionBombError | MemoryError) or _TOO_MUCH.search(reason):
        return _bloated(name, reason)
    if empty_canvas:
        return BadImage("too_small", f"{name} says that it has no rows or no columns. Save it again.")
    if _NOT_READ.search(reason):
        return BadImage("unsupported", f"{name} is of a variant that is not read ({reason}). Save it as PNG.")
    return BadImage("truncated", f"{name} is cut off or damaged ({reason}). Copy or download it again.")


def _bloated(name: str, reason: str) -> BadImage:
    cure = "Save it again smaller, without text and profiles inside."
    return BadImage("too_large", f"{name} unpacks to more than a picture needs ({reason}). {cure}")


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

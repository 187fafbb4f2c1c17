"""Picture files and Pillow pictures to an upright `Image`; whatever fails on the way becomes one `BadImage`.

The rules, mode by mode; `seewhy.images.levels` has those of numbers and channels:

- 1-bit, grey, palette, RGB, YCbCr, HSV, LAB: as Pillow converts them. Colour profiles are not applied, as in the
  loaders that networks are trained with.
- CMYK: the inks are taken away from white. A JPEG holds them inverted when it bears Adobe's mark.
- Alpha, also that of palettes: laid over a plain background.

Work goes on in strips of rows, so that beside the decoded picture and the result little memory is needed.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import PurePath
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    ImageChops,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)
from PIL.Image import DecompressionBombError
from PIL.Image import Image as Picture
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from seewhy.errors import BadImage
from seewhy.images.dicom import read_dicom
from seewhy.images.image import Image, Pixels
from seewhy.images.kinds import OPTIONAL, Kind, has_no_canvas, kind_of, picture_suffixes
from seewhy.images.levels import (
    Colour,
    Notes,
    black_and_white,
    check_size,
    from_values,
    span,
    span_note,
    stretch,
    to_levels,
)
from seewhy.images.measured import TILE_PIXELS, Measured, read_npy, read_tiff
from seewhy.images.patience import PatientFile, stalling
from seewhy.images.structure import count_gif_frames, count_tiff_pages, is_endless

_Convert: TypeAlias = Callable[[Picture], Pixels]
T = TypeVar("T")

MAX_PIXELS = 50_000_000

_SPARE_BYTES = 16 << 20  # for profiles, thumbnails and the later frames of small pictures


def _optional_readers() -> dict[str, Callable[[BytesIO], ImageFile]]:
    """Readers of the photos of phones, where they are installed."""
    found: dict[str, Callable[[BytesIO], ImageFile]] = {}
    with suppress(ImportError):
        from PIL import AvifImagePlugin

        if features.check("avif"):
            found["AVIF"] = AvifImagePlugin.AvifImageFile
    with suppress(ImportError):
        found["HEIC"] = import_module("pillow_heif").HeifImageFile
    return found


# No other decoder can be reached: each kind names its reader, and Pillow is never asked to guess.
_READERS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "JPEG": JpegImagePlugin.jpeg_factory,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    **_optional_readers(),
}
# Our readers of files of numbers; where they answer None, the file is a photo.
_NUMBERS: dict[str, Callable[[PatientFile, str, int], Measured | None]] = {
    "TIFF": read_tiff,
    "NumPy": read_npy,
    "DICOM": read_dicom,
}


def byte_limit(max_pixels: int) -> int:
    """The largest file, in bytes, read for a picture of `max_pixels`: four a pixel, and some to spare."""
    return 4 * max_pixels + _SPARE_BYTES


def check_bytes(data: bytes, name: str, max_pixels: int) -> None:
    """Refuse a file without bytes (`empty`) or with more than a picture of `max_pixels` needs (`too_large`)."""
    if not data:
        raise BadImage("empty", f"{name} holds no bytes at all. Copy or download it again.")
    most = byte_limit(max_pixels)
    if len(data) > most:
        raise BadImage("too_large", f"{name} is larger than {most >> 20} MiB. Save it as PNG or JPEG, or smaller.")


# Seconds of computing allowed for a header and for the pixels beside so many a pixel.
_HEADER_SECONDS = 1.0
_PIXEL_SECONDS = 1e-7

_STRIP_PIXELS = 1 << 18
_EXIF_BYTES = 1 << 20

_MOST_CHANNELS = 4
_PHOTOMETRIC, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 262, 277, 322, 323  # TIFF tags

# Pillow keeps the high bytes of colours of 16 bits. By the other packing of the pair it reads the low ones.
_LOW_BYTES = {
    ("RGB", "RGB;16B"): "RGB;16L",
    ("RGB", "RGB;16L"): "RGB;16B",
    ("RGB", "RGB;16N"): "RGB;16B" if sys.byteorder == "little" else "RGB;16L",
    ("RGBA", "RGBA;16B"): "RGBA;16L",
    ("RGBA", "RGBA;16L"): "RGBA;16B",
    ("RGBA", "RGBA;16N"): "RGBA;16B" if sys.byteorder == "little" else "RGBA;16L",
    ("RGBA", "LA;16B"): "RGBA",  # grey and alpha: two bytes of each
}
_UPRIGHT = ("turned upright as its EXIF says",)

# Left to itself, Python prints their remarks on damaged files to the terminal.
for _library in ("tifffile", "pydicom"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

# Warning filters belong to the whole process: threads that change them at once may leave them changed for good.
_ONE_AT_A_TIME = threading.Lock()


def from_picture(picture: Picture, name: str, max_pixels: int, background: Colour) -> Image:
    """A Pillow picture as an `Image`; of an animation the frame that it stands at."""
    check_size(*picture.size, max_pixels, name)
    with _failures_named(name):
        return _to_image(picture, name, background)


def from_bytes(data: bytes, name: str, max_pixels: int, background: Colour) -> Image:
    """The first frame of a picture file as an `Image`; refuses all but a whole picture of an allowed kind and size."""

    def shown(picture: Picture, full: NDArray[np.uint16] | None) -> Image:
        return _to_image(picture, name, background, full)

    def composed(numbers: Measured) -> Image:
        upright = turned(numbers.values, numbers.turn)
        notes = (*numbers.notes, *(_UPRIGHT if numbers.turn in range(2, 9) else ()))
        return from_values(upright, name, background, alpha=numbers.alpha, notes=notes)

    image, before = _read(data, name, max_pixels, shown, composed)
    return replace(image, notes=(*before, *image.notes))


def class_numbers(data: bytes, name: str, max_pixels: int) -> NDArray[np.integer] | None:
    """What a file of one channel numbers each pixel as, `(H, W)` upright, where its levels or colours do not tell.

    These are the numbers of a palette in colours whose first is black, and those of more than 8 bits; None of all else.
    """

    def of_picture(picture: Picture, _full: object) -> NDArray[np.integer] | None:
        picture.load()
        if picture.mode.startswith("I") or (picture.mode == "P" and _is_key(picture)):
            return turned(np.asarray(picture)[..., np.newaxis], _exif_orientation(picture))[..., 0]
        return None

    def of_numbers(numbers: Measured) -> NDArray[np.integer] | None:
        values = turned(numbers.values, numbers.turn)
        return values[..., 0] if values.shape[2] == 1 and values.dtype.kind in "iu" else None

    return _read(data, name, max_pixels, of_picture, of_numbers)[0]


def _is_key(picture: Picture) -> bool:
    """Whether the palette is a key to classes, and not that of a drawing in grey."""
    colours = np.array(picture.getpalette("RGB") or [0]).reshape(-1, 3)
    return not colours[0].any() and bool((colours != colours[:, :1]).any()) and "transparency" not in picture.info


def _read(
    data: bytes,
    name: str,
    max_pixels: int,
    of_picture: Callable[[Picture, NDArray[np.uint16] | None], T],
    of_numbers: Callable[[Measured], T],
) -> tuple[T, Notes]:
    """What is made of the first frame of a file, and what is to be told of the file; the door for all bytes."""
    check_bytes(data, name, max_pixels)
    kind = kind_of(data, name)
    if is_endless(kind.name, data):
        raise stalling(name)
    with _failures_named(name, has_no_canvas(data, kind)):
        file = PatientFile(data, name)
        # Of TIFFs the pixels are read bit by bit, of others at once after the header.
        file.allow(_HEADER_SECONDS + (_PIXEL_SECONDS * max_pixels if kind.name == "TIFF" else 0))
        measure = _NUMBERS.get(kind.name)
        numbers = measure(file, name, max_pixels) if measure else None
        if numbers is not None:
            made, frames = of_numbers(numbers), count_tiff_pages(data) if kind.name == "TIFF" else 1
        else:
            made, frames = _decode(file, kind, name, max_pixels, of_picture)
    suffix = PurePath(name).suffix.lower()
    misnamed = suffix in picture_suffixes() - set(kind.suffixes)
    before = (f"a {kind.name} file, although named {suffix}",) if misnamed else ()
    if frames is None or frames > 1:
        before = (*before, f"first of {frames} frames" if frames else "only the first frame was read")
    return made, before


def _decode(
    file: PatientFile,
    kind: Kind,
    name: str,
    max_pixels: int,
    make: Callable[[Picture, NDArray[np.uint16] | None], T],
) -> tuple[T, int | None]:
    """What is made of a picture, and how many frames its file has."""
    read = _READERS.get(kind.name)
    if read is None and (needed := OPTIONAL.get(kind.name)):
        cure = f"{needed} is lacking here to read it. Save it as JPEG or PNG"
        raise BadImage("unsupported", f"{name} is a file of the kind {kind.name}; {cure}.")
    if read is None:
        raise BadImage("unsupported", f"{name} is of a variant that is not read. Save it as PNG.")
    file.allow(_HEADER_SECONDS)
    with read(file) as picture:
        width, height = picture.size
        check_size(width, height, max_pixels, name)
        if isinstance(picture, TiffImageFile):
            _check_layout(picture, name)
        seconds = _HEADER_SECONDS + _PIXEL_SECONDS * width * height
        file.allow(seconds)
        full = None
        if low := _LOW_BYTES.get(_packing(picture)):
            file.allow(2 * seconds)
            full = _all_16_bits(picture, read(file.again()), low)
        return make(picture, full), _frames(picture, file.getvalue())


def _check_layout(picture: TiffImageFile, name: str) -> None:
    """Pillow drops the fifth channel and later ones without a word, and unpacks tiles of any size."""
    channels = picture.tag_v2.get(_SAMPLES, 1)
    if channels > _MOST_CHANNELS:
        raise BadImage("unsupported", f"{name} has {channels} channels, inks among them. Save an RGB picture or bands.")
    tile = picture.tag_v2.get(_TILE_WIDTH, 0) * picture.tag_v2.get(_TILE_HEIGHT, 0)
    if tile > max(picture.width * picture.height, TILE_PIXELS):
        raise _bloated(name, "its tiles are larger than the picture")


def _frames(picture: Picture, data: bytes) -> int | None:
    """How many frames there are; `None` where there are too many to count, or the file does not tell."""
    if isinstance(picture, TiffImageFile):  # whose own count reads each page in full
        return count_tiff_pages(data)
    if isinstance(picture, GifImagePlugin.GifImageFile):  # likewise
        return count_gif_frames(data)
    return getattr(picture, "n_frames", 1)


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


def turned(values: NDArray[Any], turn: Any) -> NDArray[Any]:
    """Stored `(H, W, C)` upright, by EXIF orientation; as it is where that is none."""
    if turn == 1 or turn not in _AS_STORED:
        return values
    height, width, channels = values.shape
    upright = np.empty((width, height, channels) if turn >= 5 else (height, width, channels), values.dtype)
    _AS_STORED[turn](upright)[...] = values
    return upright


def _to_image(picture: Picture, name: str, background: Colour, full: NDArray[Any] | None = None) -> Image:
    """Upright, with what was done to get there; `full` are its values where they have 16 bits."""
    picture.load()
    turn, notes = _exif_orientation(picture), ()
    if turn not in _AS_STORED:
        turn, notes = 1, (f"its EXIF orientation ({turn}) was ignored",)
    elif turn != 1:
        notes = _UPRIGHT
    if full is None and picture.mode.startswith("I;16"):
        full = np.asarray(picture)[..., np.newaxis]
        if isinstance(picture, TiffImageFile) and picture.tag_v2.get(_PHOTOMETRIC) == 0:  # white is 0
            levels, told = to_levels(full, name)
            full, notes = np.invert(levels), (*notes, *told)
    if full is None and picture.has_transparency_data and (picture.mode in ("LA", "RGBA") or _is_see_through(picture)):
        plain = _unmultiplied(picture)
        full = np.asarray(plain if plain.mode == "LA" else plain.convert("RGBA"))
    if full is not None:
        return from_values(turned(full, turn), name, background, alpha=full.shape[2] in (2, 4), notes=notes)
    convert, colour_notes = _conversion(picture, name)
    width, height = picture.size
    upright = np.empty((width, height, 3) if turn >= 5 else (height, width, 3), np.uint8)
    stored = _AS_STORED[turn](upright)
    for rows, strip in _strips(picture):
        stored[rows] = convert(strip)
    upright.setflags(write=False)
    return Image(upright, name, notes + colour_notes)


def _packing(picture: ImageFile) -> tuple[str, str]:
    """The mode of a picture not loaded yet, and how its file packs that."""
    args = picture.tile[0].args if picture.tile else ""
    packing = args if isinstance(args, str) else (args or ("",))[0]
    # A colour that stands for transparency is one of 8 bits to Pillow.
    return ("" if "transparency" in picture.info else picture.mode), str(packing)


def _all_16_bits(picture: ImageFile, again: ImageFile, low: str) -> NDArray[np.uint16]:
    """The values `(H, W, C)` of a picture of which Pillow keeps the high bytes; `again` is the same, not loaded yet."""
    again.tile = [
        part._replace(args=(low, *part.args[1:]) if isinstance(part.args, tuple) else low) for part in again.tile
    ]
    lower = np.asarray(again).astype(np.uint16)
    if low == "RGBA":
        return np.bitwise_or(lower[..., ::2] << np.uint16(8), lower[..., 1::2], dtype=np.uint16)
    return np.bitwise_or(np.asarray(picture).astype(np.uint16) << np.uint16(8), lower, dtype=np.uint16)


def _strips(picture: Picture) -> Iterator[tuple[slice, Picture]]:
    rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        bottom = min(top + rows, picture.height)
        yield slice(top, bottom), picture.crop((0, top, picture.width, bottom))


def _exif_orientation(picture: Picture) -> Any:
    """What stands there, of whatever type: 1 without EXIF, and "unreadable" where it is broken or too long.

    Pillow turns a TIFF by itself, then forgets it.
    """
    with suppress(Exception):  # Pillow raises whatever it likes at broken EXIF, and the picture is good without it
        exif = picture.info.get("exif", b"")
        tags = picture.getexif() if len(exif) <= _EXIF_BYTES else {}
        if tags or not exif:
            return tags.get(ExifTags.Base.Orientation, 1)
    return "unreadable"


def _conversion(picture: Picture, name: str) -> tuple[_Convert, Notes]:
    """How a strip of this picture becomes RGB, and what to tell people about it."""
    if picture.mode in ("I", "F"):
        black, white = _span(picture, name)
        told = (span_note(black, white),)
        return lambda strip: stretch(np.asarray(strip), black, white)[..., np.newaxis], told
    if picture.mode == "CMYK" and picture.format == "JPEG" and "adobe" not in picture.info:
        # Pillow takes every CMYK JPEG for an inverted one, also those without the mark.
        return lambda strip: _plain(ImageChops.invert(strip)), ()
    return _plain, ()


def _plain(strip: Picture) -> Pixels:
    return np.asarray(_unmultiplied(strip).convert("RGB"))


def _unmultiplied(strip: Picture) -> Picture:
    return strip.convert("LA") if strip.mode == "La" else strip  # the one mode from which Pillow knows one way only


def _is_see_through(picture: Picture) -> bool:
    if not picture.has_transparency_data:
        return False
    alphas = (_unmultiplied(strip).convert("RGBA").getchannel("A") for _, strip in _strips(picture))
    return any(alpha.getextrema() != (255, 255) for alpha in alphas)


def _span(picture: Picture, name: str) -> tuple[float, float]:
    """What is black and what is white in a picture of 32-bit numbers."""
    ends = [span(np.asarray(strip), name, "Replace them and save it again") for _, strip in _strips(picture)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return black_and_white(low, high, fractions=picture.mode == "F")

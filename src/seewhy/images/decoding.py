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
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import PurePath
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    ImageChops,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.Image import DecompressionBombError
from PIL.Image import Image as Picture
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from seewhy.errors import BadImage
from seewhy.images.image import Colour, Image, Pixels, high_byte, on_background, stretch
from seewhy.images.structure import count_tiff_pages, is_endless_jpeg, is_endless_tiff

_Notes: TypeAlias = tuple[str, ...]
_Convert: TypeAlias = Callable[[Picture], Pixels]

MAX_PIXELS = 50_000_000

_SPARE_BYTES = 16 << 20  # for profiles, thumbnails and the later frames of small pictures


class Kind(NamedTuple):
    """A format that is read: how its files begin, what they are called, and Pillow's reader for it."""

    name: str
    signature: bytes
    suffixes: tuple[str, ...]
    read: Callable[[BytesIO], ImageFile]


# No other decoder can be reached: each kind names its reader, and Pillow is never asked to guess.
_KINDS = (
    Kind("JPEG", rb"\xff\xd8\xff", (".jpg", ".jpeg", ".jpe", ".jfif"), JpegImagePlugin.jpeg_factory),
    Kind("PNG", rb"\x89PNG\r\n\x1a\n", (".png", ".apng"), PngImagePlugin.PngImageFile),
    Kind("WebP", rb"RIFF.{4}WEBPVP8", (".webp",), WebPImagePlugin.WebPImageFile),
    Kind("GIF", rb"GIF8[79]a", (".gif",), GifImagePlugin.GifImageFile),
    Kind("BMP", rb"BM.{12}[\x0c(48@l|]\0\0\0", (".bmp", ".dib"), BmpImagePlugin.BmpImageFile),
    Kind("TIFF", rb"II[*+]\0|MM\0[*+]", (".tif", ".tiff"), TiffImagePlugin.TiffImageFile),
)

_OTHER_PICTURES = (
    (rb"(\xef\xbb\xbf)?\s*<(svg|.*<svg)[\s>:]", "an SVG drawing"),
    (rb"%PDF-", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (rb"8BPS", "a Photoshop document"),
    (rb".{4}ftyp", "a HEIC or AVIF picture, or a film"),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "a JPEG XL picture"),
    (rb"\0\0[\x01\x02]\0", "an icon"),
)
_NO_PICTURES = (
    (rb"(\xef\xbb\xbf)?\s*<(?i:!doctype html|html)", "a web page: the download failed. Download the picture itself"),
    (rb"version https://git-lfs", "a Git LFS pointer: run `git lfs pull`"),
    (rb"PK\x03\x04", "a ZIP archive: unpack it first"),
    (rb"\x80[\x02-\x05]", "a Python pickle, which is never opened. Give a picture"),
)
_CURE = f"Save it as {', '.join(kind.name for kind in _KINDS[:-1])} or {_KINDS[-1].name}."


def picture_suffixes() -> frozenset[str]:
    """The endings, in lower case and with their dot, by which files are taken for pictures."""
    return frozenset(suffix for kind in _KINDS for suffix in kind.suffixes)


def kind_of(data: bytes, name: str) -> Kind:
    """What the bytes are, whatever their file is called; raises `BadImage` for what is not read."""

    def begins(signature: bytes) -> bool:
        return re.match(signature, data[:4096], re.DOTALL) is not None

    for kind in _KINDS:
        if begins(kind.signature):
            return kind
    for signature, what in _NO_PICTURES:
        if begins(signature):
            raise BadImage("not_an_image", f"{name} is {what}.")
    for signature, what in _OTHER_PICTURES:
        if begins(signature):
            raise BadImage("unsupported", f"{name} is {what}, which is not read. {_CURE}")
    raise BadImage("not_an_image", f"{name} is not a picture of a known kind. {_CURE}")


def check_size(width: int, height: int, max_pixels: int, name: str) -> None:
    """Refuse a picture without pixels (`too_small`) or with more than `max_pixels` (`too_large`)."""
    if min(width, height) < 1:
        raise BadImage("too_small", f"{name} is {width}x{height}: it holds no pixels. Save it again.")
    if width * height > max_pixels:
        raise BadImage(
            "too_large",
            f"{name} is {width}x{height}, {width * height:,} pixels; the limit is {max_pixels:,}. Make it smaller.",
        )


def byte_limit(max_pixels: int) -> int:
    """The largest file, in bytes, read for a picture of `max_pixels`: four a pixel, and some to spare."""
    return 4 * max_pixels + _SPARE_BYTES


# Seconds of computing allowed for a header, for the pixels beside so many a pixel, and for counting frames.
_HEADER_SECONDS = 1.0
_PIXEL_SECONDS = 1e-7
_COUNT_SECONDS = 0.3

_STRIP_PIXELS = 1 << 18
_EXIF_BYTES = 1 << 20

_MOST_CHANNELS = 4
_TILE_PIXELS = 1 << 22  # a tile may be larger than a small picture
_SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 277, 322, 323  # TIFF tags

# Warning filters belong to the whole process: threads that change them at once may leave them changed for good.
_ONE_AT_A_TIME = threading.Lock()


class PatientFile(BytesIO):
    """The bytes of a picture, readable only while whoever reads them has not computed for too long.

    Pillow parses headers in Python and believes their counts, so that a small file can keep it busy for minutes.
    The thread's own computing time counts: a busy machine refuses nothing that an idle one accepts.
    """

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self._name = name
        self._deadline = 0.0

    def allow(self, seconds: float) -> None:
        """Let the next step compute for so long from now."""
        self._deadline = time.thread_time() + seconds

    def read(self, size: int | None = -1, /) -> bytes:
        """As any file reads; raises `BadImage` `too_large` when the allowed time is over."""
        if time.thread_time() > self._deadline:
            raise _stalling(self._name)
        return super().read(size)


def from_picture(picture: Picture, name: str, max_pixels: int, background: Colour) -> Image:
    """A Pillow picture as an `Image`; of an animation the frame that it stands at."""
    check_size(*picture.size, max_pixels, name)
    with _failures_named(name):
        pixels, notes = picture_to_rgb(picture, background, name)
    return Image(pixels, name, notes)


def from_bytes(data: bytes, name: str, max_pixels: int, background: Colour) -> Image:
    """The first frame of a picture file as an `Image`; refuses all but a whole picture of an allowed kind and size."""
    if not data:
        raise BadImage("empty", f"{name} holds no bytes at all. Copy or download it again.")
    most = byte_limit(max_pixels)
    if len(data) > most:
        raise BadImage("too_large", f"{name} is larger than {most >> 20} MiB. Save it as PNG or JPEG, or smaller.")
    kind = kind_of(data, name)
    if (kind.name == "JPEG" and is_endless_jpeg(data)) or (kind.name == "TIFF" and is_endless_tiff(data)):
        raise _stalling(name)
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
        frames = _frames(picture, file)
    suffix = PurePath(name).suffix.lower()
    misnamed = suffix in picture_suffixes() - set(kind.suffixes)
    before = [f"a {kind.name} file, although named {suffix}"] if misnamed else []
    if frames is None or frames > 1:
        before.append(f"first of {frames} frames" if frames else "only the first frame was read")
    return Image(pixels, name, (*before, *notes))


def _stalling(name: str) -> BadImage:
    """The error for a file that is made of far more parts than pictures are."""
    return BadImage(
        "too_large",
        f"{name} takes too long to read: it has far more parts than a picture needs. Save it again as PNG or JPEG.",
    )


def _check_layout(picture: TiffImageFile, name: str) -> None:
    """Of a TIFF, Pillow drops the fifth channel and later ones without a word, and unpacks tiles of any size."""
    channels = picture.tag_v2.get(_SAMPLES, 1)
    if channels > _MOST_CHANNELS:
        raise BadImage("unsupported", f"{name} has {channels} channels. Save three of them as an RGB picture.")
    tile = picture.tag_v2.get(_TILE_WIDTH, 0) * picture.tag_v2.get(_TILE_HEIGHT, 0)
    if tile > max(picture.width * picture.height, _TILE_PIXELS):
        raise _bloated(name, "its tiles are larger than the picture")


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
    """Upright uint8 `(H, W, 3)`, read-only, and what was done to get there; raises whatever Pillow does."""
    picture.load()
    turn, notes = _exif_orientation(picture), ()
    if turn not in _AS_STORED:
        turn, notes = 1, (f"its EXIF orientation ({turn}) was ignored",)
    elif turn != 1:
        notes = ("turned upright as its EXIF says",)
    convert, colour_notes = _conversion(picture, background, name)
    width, height = picture.size
    upright = np.empty((width, height, 3) if turn >= 5 else (height, width, 3), np.uint8)
    stored = _AS_STORED[turn](upright)
    for rows, strip in _strips(picture):
        stored[rows] = convert(strip)
    upright.setflags(write=False)
    return upright, notes + colour_notes


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


def _conversion(picture: Picture, background: Colour, name: str) -> tuple[_Convert, _Notes]:
    """How a strip of this picture becomes RGB, and what to tell people about it."""
    if picture.mode.startswith("I;16"):
        return lambda strip: high_byte(np.asarray(strip))[..., np.newaxis], ()
    if picture.mode in ("I", "F"):
        black, white = _span(picture, name)
        note = f"values from {black:g} to {white:g} shown as black to white"
        return lambda strip: stretch(np.asarray(strip), black, white)[..., np.newaxis], (note,)
    if _is_see_through(picture):
        plain = {(255, 255, 255): "white", (0, 0, 0): "black"}.get(background, f"rgb{background}")
        note = f"transparency shown on {plain}"
        return lambda strip: on_background(_unmultiplied(strip).convert("RGBA"), background), (note,)
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
    parts = (np.asarray(strip) for _, strip in _strips(picture))
    extremes = np.array([(part.min(), part.max()) for part in parts])
    low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())
    if not np.isfinite([low, high]).all():
        raise BadImage("nonfinite", f"{name} holds NaN or infinity. Replace them and save it again.")
    whites = (1, 255, 65535) if picture.mode == "F" else (255, 65535)
    return next(((0, white) for white in whites if low >= 0 and high <= white), (low, high))

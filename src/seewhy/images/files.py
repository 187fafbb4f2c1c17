"""Picture files and Pillow pictures to an `Image`; whatever fails on the way becomes one `BadImage`."""

from __future__ import annotations

import re
import struct
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import PurePath

from PIL.Image import DecompressionBombError
from PIL.Image import Image as Picture
from PIL.TiffImagePlugin import TiffImageFile

from seewhy.errors import BadImage
from seewhy.images.arrays import Colour
from seewhy.images.image import Image
from seewhy.images.kinds import Kind, kind_of, picture_suffixes
from seewhy.images.limits import PatientFile, check_bytes, check_size
from seewhy.images.pictures import picture_to_rgb
from seewhy.images.structure import check_jpeg, check_tiff, count_tiff_pages

# Seconds of computing allowed for a header, for the pixels beside so many a pixel, and for counting frames.
_HEADER_SECONDS = 1.0
_PIXEL_SECONDS = 1e-7
_COUNT_SECONDS = 0.3

_MOST_CHANNELS = 4
_TILE_PIXELS = 1 << 22  # a tile may be larger than a small picture
_CHANNELS, _TILE_WIDTH, _TILE_HEIGHT = 277, 322, 323  # TIFF tags

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
    channels = picture.tag_v2.get(_CHANNELS, 1)
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

"""Files of numbers, of any count of channels and any depth: TIFFs of bands, NumPy's `.npy`, and DICOM."""

from __future__ import annotations

import math
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import BadImage
from seewhy.images.levels import Notes, black_and_white, check_size, span, span_note, stretch, to_levels, with_channels

TILE_PIXELS = 1 << 22  # a tile may be larger than a small picture

_COLOURS = {0: 1, 1: 1, 2: 3}  # of TIFF's photometric interpretations: white is 0, black is 0, RGB
_WHITE_IS_ZERO, _RGB = 0, 2
_OF_ALL = ("bool", "uint8")  # that Pillow reads
_OF_GREY = (*_OF_ALL, "uint16", "int16", "uint32", "int32", "float32")
_MULTIPLIED, _ALPHA = 1, 2  # TIFF's extra samples: alpha, multiplied into the colours or not
_ORIENTATION = 274
_ZLIB, _NONE, _PLANAR = (8, 32946), 1, 2


class Measured(NamedTuple):
    """What a file of numbers holds.

    `values` `(H, W, C)` are of any type that `from_values` takes; `alpha` says whether the last channel is
    transparency, None where the file does not tell; `turn` is the orientation as EXIF counts it.
    """

    values: NDArray[Any]
    alpha: bool | None
    notes: Notes = ()
    turn: int = 1


def read_npy(file: BytesIO, name: str, max_pixels: int) -> Measured:
    """The array of an `.npy` file; Python objects in it are refused, never loaded."""
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in header:
        raise BadImage("unsupported", f"{name} is no plain array of numbers. Save it with np.save(path, array).")
    shape, by_columns, dtype = header[version](file)
    if dtype.hasobject or dtype.fields:
        raise BadImage("unsupported", f"{name} holds Python objects, which are never opened. Save an array of numbers.")
    likeness = with_channels(np.broadcast_to(np.zeros((), np.uint8), shape), name)  # of no memory
    _check_amount(likeness.shape, max_pixels, name)
    count = math.prod(shape)
    content = file.read(count * dtype.itemsize)
    values = np.frombuffer(content, dtype, count).reshape(shape, order="F" if by_columns else "C")
    return Measured(with_channels(values, name), None)


def read_tiff(file: BytesIO, name: str, max_pixels: int) -> Measured | None:
    """The channels of a TIFF's first page where they are more than a photo's, or of more bits; None for photos.

    Channels beyond grey and RGB are bands, but for one that may be alpha.
    """
    page, alpha = None, False
    with suppress(Exception):  # where its tags are too odd for this reader, Pillow tells what is wrong
        page, alpha = _page_of_numbers(file)
    file.seek(0)
    if page is None:
        return None
    _check_amount((page.imagelength, page.imagewidth, page.samplesperpixel), max_pixels, name)
    if page.is_tiled and page.tilewidth * page.tilelength > max(page.imagelength * page.imagewidth, TILE_PIXELS):
        raise BadImage("too_large", f"{name} unpacks to more than a picture needs: its tiles are larger than it.")
    try:
        values: NDArray[Any] = page.asarray(maxworkers=1)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        how = (
            f"{page.compression.name} packing is not read. Save it without, or as deflate, or pip install imagecodecs."
        )
        raise BadImage("unsupported", f"{name} has {page.samplesperpixel} channels, of which {how}") from error
    if page.planarconfig == _PLANAR and values.ndim == 3:
        values = np.moveaxis(values, 0, 2)
    values = values.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    levels, notes = _any_numbers(values, name)
    if page.photometric == _WHITE_IS_ZERO:
        levels, told = to_levels(levels, name)
        levels, notes = np.invert(levels), (*notes, *told)
    orientation = page.tags.get(_ORIENTATION)
    return Measured(levels, alpha, notes, orientation.value if orientation else 1)


def _page_of_numbers(file: BytesIO) -> tuple[Any, bool | None]:
    """The first page where it is for this reader, and whether its last channel is alpha; None where nobody says."""
    from tifffile import TiffFile

    page: Any = TiffFile(file).pages.first
    own = _COLOURS.get(page.photometric)
    extras = tuple(map(int, page.extrasamples))
    if own is None or page.imagedepth > 1 or extras[:1] == (_MULTIPLIED,):
        return None, False
    further = page.samplesperpixel - own
    presumed = further == 1 and page.photometric == _RGB and not extras  # as Pillow and most programs do
    alpha = further == 1 and (presumed or extras == (_ALPHA,))
    readable = page.compression in (_NONE, *_ZLIB)
    grey = page.samplesperpixel == 1 and page.photometric != _WHITE_IS_ZERO  # which Pillow turns in 8 bits only
    deep = str(page.dtype) not in (_OF_GREY if grey else _OF_ALL)
    if (further > 0 and not alpha) or (readable and (deep or (alpha and page.planarconfig == _PLANAR))):
        return page, None if presumed else alpha
    return None, False


def _any_numbers(values: NDArray[Any], name: str) -> tuple[NDArray[Any], Notes]:
    """Numbers of files, which may be of any range: those that arrays may not have become levels here."""
    if values.dtype.kind not in "iuf" or values.dtype.name in ("uint8", "uint16"):
        return values, ()
    low, high = span(values, name, "Replace them and save it again")
    black, white = black_and_white(low, high, fractions=values.dtype.kind == "f")
    return stretch(values, black, white), (span_note(black, white),)


def _check_amount(shape: tuple[int, int, int], max_pixels: int, name: str) -> None:
    height, width, channels = shape
    check_size(width, height, max_pixels, name)
    if height * width * channels > 4 * max_pixels:
        raise BadImage(
            "too_large",
            f"{name} is {width}x{height} of {channels} channels; the limit is {4 * max_pixels:,} numbers. "
            "Make it smaller.",
        )

"""Kinds of files that are read, what reading one may cost, and the refusal of JPEG and TIFF files built to stall."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from typing import Literal, NamedTuple

from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from seewhy.errors import BadImage

MAX_PIXELS = 50_000_000

_SPARE_BYTES = 16 << 20  # for profiles, thumbnails and the later frames of small pictures

# Far above what cameras and programs write. They are checked on the bytes, before Pillow sees them.
_JPEG_SEGMENTS = 10_000
_JPEG_SCANS = 32  # encoders write about ten; each further one costs a pass over all pixels
_JPEG_EXIFS = 16  # Pillow joins them with ever longer copies
_TIFF_PAGES = 10_000
_TIFF_DIRECTORIES = 8
_TIFF_ENTRIES = 4096
_TIFF_NUMBERS = 200_000  # the longest honest list, a colour map of 16 bits, has 196 608
_TIFF_BLOBS = (1, 2, 6, 7)  # kinds of value that stay one string of bytes; of all others Pillow makes objects
_TIFF_OFFSETS = (4, 13)  # of 32 bits, also in a BigTIFF
_TIFF_POINTERS = (34665, 34853, 40965)  # Exif, GPS, interoperability: directories that Pillow reads as well

_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)  # the other markers stand alone
_SCAN, _END, _APP1 = b"\xda", b"\xd9", b"\xe1"


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

_NOT_READ = (
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
    """What the bytes are, whatever their file is called.

    Raises:
        BadImage: `unsupported` for known kinds of picture that are not read, `not_an_image` for all else.
    """
    for kind in _KINDS:
        if _begins(data, kind.signature):
            return kind
    for signature, what in _NO_PICTURES:
        if _begins(data, signature):
            raise BadImage("not_an_image", f"{name} is {what}.")
    for signature, what in _NOT_READ:
        if _begins(data, signature):
            raise BadImage("unsupported", f"{name} is {what}, which is not read. {_CURE}")
    raise BadImage("not_an_image", f"{name} is not a picture of a known kind. {_CURE}")


def _begins(data: bytes, signature: bytes) -> bool:
    return re.match(signature, data[:4096], re.DOTALL) is not None


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


def check_bytes(count: int, max_pixels: int, name: str) -> None:
    """Refuse a file larger than `byte_limit` (`too_large`)."""
    if count > byte_limit(max_pixels):
        raise BadImage(
            "too_large",
            f"{name} is larger than {byte_limit(max_pixels) >> 20} MiB. Save it as PNG or JPEG, or smaller.",
        )


class PatientFile(io.BytesIO):
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
            raise stalling(self._name)
        return super().read(size)


def stalling(name: str) -> BadImage:
    """The error for a file that is made of far more parts than pictures are."""
    return BadImage(
        "too_large",
        f"{name} takes too long to read: it has far more parts than a picture needs. Save it again as PNG or JPEG.",
    )


def check_jpeg(data: bytes, name: str) -> None:
    """Refuse a JPEG with far more scans or segments than pictures have (`too_large`)."""
    segments = list(islice(_jpeg_segments(data), _JPEG_SEGMENTS))
    scans = sum(marker == _SCAN for marker, _ in segments)
    exifs = sum(marker == _APP1 and data.startswith(b"Exif\0\0", start) for marker, start in segments)
    if len(segments) == _JPEG_SEGMENTS or scans > _JPEG_SCANS or exifs > _JPEG_EXIFS:
        raise stalling(name)


def _jpeg_segments(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The marker of each segment and where its contents start, up to the end of the main picture."""
    at = 2
    while (found := _SEGMENT.search(data, at)) and found[1] != _END:
        at = found.end()
        yield found[1], at + 2
        at += int.from_bytes(data[at : at + 2], "big")


class _Entry(NamedTuple):
    tag: int
    kind: int
    length: int
    value: int


def check_tiff(data: bytes, name: str) -> None:
    """Refuse a TIFF whose first page carries a list of numbers longer than pictures need (`too_large`)."""
    waiting, seen = [_first_page(data)], set[int]()
    while waiting:
        at = waiting.pop()
        entries = _entries(data, at)
        seen.add(at)
        if len(entries) > _TIFF_ENTRIES or len(seen) > _TIFF_DIRECTORIES or any(map(_is_endless, entries)):
            raise stalling(name)
        waiting += {entry.value for entry in entries if entry.tag in _TIFF_POINTERS} - seen


def _is_endless(entry: _Entry) -> bool:
    return entry.length > _TIFF_NUMBERS and entry.kind not in _TIFF_BLOBS


def count_tiff_pages(data: bytes) -> int | None:
    """How many pages a TIFF holds; `None` from ten thousand on."""
    at, seen = _first_page(data), set[int]()
    while 0 < at < len(data) and at not in seen and len(seen) < _TIFF_PAGES:
        seen.add(at)
        at = _number(data, _table(data, at).stop, _word(data))
    return len(seen) if len(seen) < _TIFF_PAGES else None


def _first_page(data: bytes) -> int:
    word = _word(data)
    return _number(data, word, word)


def _table(data: bytes, at: int) -> range:
    """Where the entries of the directory at `at` begin; it stops where the offset of the next page stands."""
    word = _word(data)
    start = at + (8 if word == 8 else 2)
    size = 4 + 2 * word
    return range(start, start + size * _number(data, at, start - at), size)


def _entries(data: bytes, at: int) -> list[_Entry]:
    """The entries of a directory, up to one more than are allowed."""
    return [_entry(data, place) for place in _table(data, at)[: _TIFF_ENTRIES + 1]]


def _entry(data: bytes, at: int) -> _Entry:
    word, kind = _word(data), _number(data, at + 2, 2)
    value = _number(data, at + 4 + word, 4 if kind in _TIFF_OFFSETS else word)
    return _Entry(_number(data, at, 2), kind, _number(data, at + 4, word), value)


def _word(data: bytes) -> Literal[4, 8]:
    """Bytes of an offset: eight in a BigTIFF."""
    return 8 if b"+" in data[2:4] else 4


def _number(data: bytes, at: int, size: int) -> int:
    """An integer of the file; bytes beyond its end do not count."""
    return int.from_bytes(data[at : at + size], "little" if data[:2] == b"II" else "big")

"""Refusal of picture files built to stall: JPEG and TIFF files of far more parts than pictures have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal, NamedTuple

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


def is_endless_jpeg(data: bytes) -> bool:
    """Whether a JPEG has far more scans or segments than pictures have."""
    segments = list(islice(_jpeg_segments(data), _JPEG_SEGMENTS))
    scans = sum(marker == _SCAN for marker, _ in segments)
    exifs = sum(marker == _APP1 and data.startswith(b"Exif\0\0", start) for marker, start in segments)
    return len(segments) == _JPEG_SEGMENTS or scans > _JPEG_SCANS or exifs > _JPEG_EXIFS


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


def is_endless_tiff(data: bytes) -> bool:
    """Whether a TIFF's first page carries a list of numbers longer than pictures need."""
    waiting, seen = [_first_page(data)], set[int]()
    while waiting:
        at = waiting.pop()
        entries = [_entry(data, place) for place in _table(data, at)[: _TIFF_ENTRIES + 1]]
        seen.add(at)
        lists = (entry.length for entry in entries if entry.kind not in _TIFF_BLOBS)
        if len(entries) > _TIFF_ENTRIES or len(seen) > _TIFF_DIRECTORIES or max(lists, default=0) > _TIFF_NUMBERS:
            return True
        waiting += {entry.value for entry in entries if entry.tag in _TIFF_POINTERS} - seen
    return False


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

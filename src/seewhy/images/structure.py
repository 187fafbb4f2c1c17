"""Refusal of picture files built to stall: of far more parts than pictures have.

Decoders walk through the segments, chunks and blocks of a file one by one, most of them in Python, and believe every
count. Here they are counted on the bytes, before a decoder sees them, and counting stops early.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from typing import Literal, NamedTuple

# Far above what cameras and programs write.
_PARTS = 10_000
_PART_BYTES = 1024  # a file may have a part more for each so many bytes
_BLOCK_BYTES = 64  # the same of a GIF, whose blocks hold 255 bytes at most
_DICOM_ITEM = b"\xfe\xff\x00\xe0"  # begins each item of a sequence and each fragment of packed pixels
_JPEG_SCANS = 32  # encoders write about ten; each further one costs a pass over all pixels
_JPEG_EXIFS = 16  # Pillow joins them with ever longer copies
_PACKING, _NOT_PACKED = 259, 1
_TIFF_DIRECTORIES = 8
_TIFF_ENTRIES = 4096
_TIFF_NUMBERS = 200_000  # the longest honest list, a colour map of 16 bits, has 196 608
_TIFF_BLOBS = (1, 2, 6, 7)  # kinds of value that stay one string of bytes; of all others Pillow makes objects
_TIFF_OFFSETS = (4, 13)  # of 32 bits, also in a BigTIFF
_TIFF_POINTERS = (34665, 34853, 40965)  # Exif, GPS, interoperability: directories that Pillow reads as well

_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)  # the other markers stand alone
_FRAME, _EXTENSION, _GIF_END = b",!;"
_SCAN, _END, _APP1 = b"\xda", b"\xd9", b"\xe1"


def is_endless(kind: str, data: bytes) -> bool:
    """Whether a file of this kind (`PNG`) has far more parts than pictures have."""
    return kind in _CHECKS and _CHECKS[kind](data)


def _is_endless_jpeg(data: bytes) -> bool:
    """Whether a JPEG has far more scans or segments than pictures have."""
    segments = list(islice(_jpeg_segments(data), _PARTS))
    scans = sum(marker == _SCAN for marker, _ in segments)
    exifs = sum(marker == _APP1 and data.startswith(b"Exif\0\0", start) for marker, start in segments)
    return len(segments) == _PARTS or scans > _JPEG_SCANS or exifs > _JPEG_EXIFS


def _jpeg_segments(data: bytes) -> Iterator[tuple[bytes, int]]:
    """The marker of each segment and where its contents start, up to the end of the main picture."""
    at = 2
    while (found := _SEGMENT.search(data, at)) and found[1] != _END:
        at = found.end()
        yield found[1], at + 2
        at += int.from_bytes(data[at : at + 2], "big")


def _has_many(chunks: Iterator[int], data: bytes) -> bool:
    most = _most_parts(data)
    return sum(1 for _ in islice(chunks, most)) == most


def _most_parts(data: bytes) -> int:
    return _PARTS + len(data) // _PART_BYTES


def _png_chunks(data: bytes) -> Iterator[int]:
    """Where each chunk begins, up to the last."""
    at = len(b"\x89PNG\r\n\x1a\n")
    while at < len(data) and data[at + 4 : at + 8] != b"IEND":
        yield at
        at += int.from_bytes(data[at : at + 4], "big") + 12  # its length, kind and check sum


def _webp_chunks(data: bytes) -> Iterator[int]:
    """Where each chunk begins."""
    at, end = len(b"RIFF....WEBP"), min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at < end:
        yield at
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2


def count_gif_frames(data: bytes) -> int | None:
    """How many frames a GIF holds; `None` where it has far more blocks than frames need."""
    most = _PARTS + len(data) // _BLOCK_BYTES
    blocks = list(islice(_gif_blocks(data), most))
    return blocks.count(_FRAME) if len(blocks) < most else None


def _is_endless_gif(data: bytes) -> bool:
    """Whether far more blocks than pictures have stand before the first frame."""
    before = takewhile(lambda block: block != _FRAME, _gif_blocks(data))
    return sum(1 for _ in islice(before, _PARTS)) == _PARTS


def _gif_blocks(data: bytes) -> Iterator[int]:
    """What each block begins with, and 0 for each block within a block."""
    at = 13 + _gif_colours(data, 10)
    while at < len(data) and data[at] != _GIF_END:
        yield data[at]
        if data[at] == _FRAME:
            at += 11 + _gif_colours(data, at + 9)
        elif data[at] == _EXTENSION:
            at += 2
        else:
            at += 1
            continue
        while at < len(data) and data[at]:
            yield 0
            at += 1 + data[at]
        at += 1


def _gif_colours(data: bytes, at: int) -> int:
    """Bytes of the palette that the flags at this place announce."""
    packed = data[at] if len(data) > at else 0
    return 3 << (packed % 8 + 1) if packed & 128 else 0


class _Entry(NamedTuple):
    tag: int
    kind: int
    length: int
    value: int


def _is_endless_tiff(data: bytes) -> bool:
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


def is_packed_tiff(data: bytes) -> bool:
    """Whether a file is a TIFF whose first page says of its pixels that they are packed, whoever reads it."""
    if data[:2] not in {b"II", b"MM"}:
        return False
    places = [place for place in _table(data, _first_page(data))[:_TIFF_ENTRIES] if _number(data, place, 2) == _PACKING]
    return any(_number(data, place + 4 + _word(data), 2) != _NOT_PACKED for place in places)


def count_tiff_pages(data: bytes) -> int | None:
    """How many pages a TIFF holds; `None` from ten thousand on."""
    at, seen = _first_page(data), set[int]()
    while 0 < at < len(data) and at not in seen and len(seen) < _PARTS:
        seen.add(at)
        at = _number(data, _table(data, at).stop, _word(data))
    return len(seen) if len(seen) < _PARTS else None


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


_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": _is_endless_jpeg,
    "PNG": lambda data: _has_many(_png_chunks(data), data),
    "WebP": lambda data: _has_many(_webp_chunks(data), data),
    "GIF": _is_endless_gif,
    "TIFF": _is_endless_tiff,
    "DICOM": lambda data: data.count(_DICOM_ITEM) > _most_parts(data),
}

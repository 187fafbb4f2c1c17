"""What opening a picture may cost at most."""

from __future__ import annotations

import io
import time

from seewhy.errors import BadImage

MAX_PIXELS = 50_000_000

_SPARE_BYTES = 16 << 20  # for profiles, thumbnails and the later frames of small pictures


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

"""Files that are read only for a while."""

from __future__ import annotations

import time
from io import BytesIO

from seewhy.errors import BadImage


class PatientFile(BytesIO):
    """The bytes of a picture, readable only while whoever reads them has not computed for too long.

    Pillow parses headers in Python and believes their counts, so that a small file can keep it busy for minutes.
    The thread's own computing time counts: a busy machine refuses nothing that an idle one accepts.
    """

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self._name = name
        self._deadline = 0.0

    def again(self) -> PatientFile:
        """The same bytes from their beginning, for as long."""
        twin = PatientFile(self.getvalue(), self._name)
        twin._deadline = self._deadline
        return twin

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

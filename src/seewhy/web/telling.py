"""What strangers are told of an error: cause and cure, and nothing about the machine that it happened on."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import tempfile
from functools import cache
from pathlib import Path

from seewhy.core.files import NO_SPACE, home
from seewhy.core.text import shown
from seewhy.errors import (
    BadImage,
    Conflict,
    Forbidden,
    NoRoom,
    OverBudget,
    QueueFull,
    SeewhyError,
    StoreError,
    UnknownName,
)

LOG = logging.getLogger("seewhy.web")
LONGEST = 1000  # letters of what is told
STATUS: dict[type[Exception], int] = {  # the first that fits
    OverBudget: 429,
    QueueFull: 503,
    UnknownName: 404,
    Forbidden: 403,
    Conflict: 409,
    StoreError: 503,
    NoRoom: 507,
}
# What a client can mend by sending something else, by the code of a BadImage.
BAD_IMAGE = {"too_large": 413, "unsupported": 415, "not_an_image": 415}
WRONG = "Something went wrong here; it is not your doing. Whoever runs the app finds the cause in its log, under {}."
STORE = "What people do cannot be read or saved just now; try again soon. Its cause is in the app's log, under {}."
DISK = "There is no room here to keep anything more; try again later. Its cause is in the app's log, under {}."

ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)
FOLDERS = re.compile(r"(?<![\w.])(?:~|[A-Za-z]:)?[/\\]+(?:[^\s'\"<>/\\:;,()]+[/\\])*(?=[^\s'\"<>/\\:;,()])")


def status_of(error: Exception) -> int:
    """Whose turn it is, as an HTTP status: theirs who asked, or ours."""
    if isinstance(error, BadImage):
        return BAD_IMAGE.get(error.code, 422)
    if isinstance(error, OSError):
        return 507 if error.errno in NO_SPACE else 500
    ours = 422 if isinstance(error, SeewhyError) else 500
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), ours)


def told(error: Exception) -> str:
    """The sentence for whoever asked. What is our own fault stands in the log, under a number that they are given."""
    if isinstance(error, SeewhyError) and not isinstance(error, StoreError):
        return without_places(str(error))
    number = secrets.token_hex(4)
    details = error.details if isinstance(error, StoreError) else ""
    LOG.error("%s: %s %s", number, error, shown(details, LONGEST), exc_info=error)
    status = status_of(error)
    return {503: STORE, 507: DISK}.get(status, WRONG).format(number)


def without_places(text: str) -> str:
    r"""The text with folders, addresses and accounts of this machine taken out; files keep their names.

    >>> without_places("/srv/data/cat.png is no picture; ask https://anna:secret@example.org/x")
    'cat.png is no picture; ask https:…'
    """
    bounded = shown(text, LONGEST)
    for place in _places():
        bounded = bounded.replace(place, "")
    without = ADDRESS.sub(lambda found: f"{found[0].partition('://')[0]}:…", bounded)
    return FOLDERS.sub("", without).strip()


@cache
def _places() -> tuple[str, ...]:
    """Folders of this installation, the longest first: what is below another is cut out first."""
    folders = {
        home(),
        Path.home(),
        Path.cwd(),
        Path(tempfile.gettempdir()),
        Path(sys.prefix),
        Path(__file__).parents[2],
    }
    found = {f"{each}/" for each in folders if len(each.parts) > 1}
    return tuple(sorted(found, key=len, reverse=True))

"""Sets of pictures that people bring as a zip, for questions about many: kept for a day, known by secrets."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from seewhy.answers.folders import Set
from seewhy.core.files import home
from seewhy.errors import OverBudget, QueueFull, UnknownName, UsageError
from seewhy.images.uploads import members, unpack
from seewhy.web.rest.found import lent
from seewhy.web.services.disk import is_fresh
from seewhy.web.services.hub import LESSONS, Services
from seewhy.web.telling import told
from seewhy.web.visitors import Visitor

PICTURES = "pictures"  # the folder of a set
GONE = "there is no such set of pictures; sets are forgotten after a day, so upload it again"
BUSY = "the pictures of others are being unpacked; send yours again"
YOURS = "your last pictures are still being unpacked; send these again"
AGAIN = 10  # seconds

AT_ONCE = 2  # zips that are unpacked: each takes a thread, and memory for itself

_unpacking: set[Visitor] = set()
_door = Lock()


def keep_zip(at: Services, read: Callable[[int], bytes], who: Visitor) -> Set:
    """Store the pictures of a visitor's zip, in a folder for each class if they are so; returns the id that finds them.

    Args:
        at: where.
        read: gives at most so many bytes of the zip.
        who: whose it is.

    Raises:
        OverBudget, QueueFull: this visitor's last one is unpacked now, or those of too many others.
        UsageError: it is no zip, too large, or holds no picture.
        OverBudget, NoRoom: there is no room for it.
    """
    with _place(who):
        most = at.settings.training_mb
        content = read((most << 20) + 1)
        if len(content) > most << 20:
            raise UsageError(f"the zip has more than {most} MB; take fewer pictures")
        files = members(content, at.settings.upload_bytes)
        with at.disk.filling(at.new_training_folder(), who) as lesson:
            unpacked = unpack(files, lesson / PICTURES, at.settings.upload_bytes, at.settings.upload_pixels, classes=1)
    left_out = [{"source": name, "error": told(error)} for name, error in unpacked.failures]
    return {"pictures": lesson.name, "classes": unpacked.counts, "left_out": left_out}  # pyright: ignore[reportReturnType]


@contextmanager
def _place(who: Visitor) -> Generator[None]:
    """One of the places for those whose zip is unpacked; nobody has two."""
    with _door:
        if who in _unpacking:
            raise OverBudget(YOURS, AGAIN)
        if len(_unpacking) >= AT_ONCE:
            raise QueueFull(BUSY, AGAIN)
        _unpacking.add(who)
    try:
        yield
    finally:
        _unpacking.discard(who)


def pictures_of(name: str) -> Path:
    """The folder of a set, by its secret, which is compared with what is there and never made into a path.

    Raises:
        UnknownName: there is none, or it was forgotten.
    """
    if found := lent(name):
        return found
    folder = home() / LESSONS
    found = next((each for each in folder.iterdir() if each.name == name), None) if folder.is_dir() else None
    if found is None or not is_fresh(found) or not (found / PICTURES).is_dir():
        raise UnknownName(GONE)
    return found / PICTURES

"""What visitors keep on disk: counted in bytes for each of them, private to this account, and deleted after a day."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from seewhy.core.files import NO_SPACE, private_file, private_folder
from seewhy.errors import NoRoom, OverBudget, StoreError
from seewhy.web.services.shelf import DAY, Shelf
from seewhy.web.visitors import Visitor

SHARE = 4  # one visitor has at most one part in so many
HOUR = 3600
LEFT = "left over"  # owner of what an earlier process left
FULL = "there is no room for this now; try again later, when older things are deleted"


def is_fresh(path: Path) -> bool:
    """Whether it is there, and was stored less than a day ago."""
    try:
        return time.time() - path.stat().st_mtime < DAY
    except OSError:
        return False


class Disk:
    """At most `total` bytes of photos and trainings below the folder `home`, a quarter of them for one visitor.

    Where all is full, whoever holds the most loses the oldest of it to whoever holds less.
    """

    def __init__(self, home: Path, total: int, patterns: tuple[str, ...]) -> None:
        self.home, self.patterns, self.share = home, patterns, total // SHARE
        self._things: Shelf[Path, Path] = Shelf(total, DAY, delete)
        self._settling = Lock()
        for path in self._all():
            self._count(path, LEFT)

    def keep(self, path: Path, visitor: Visitor, write: Callable[[Path], object], *, anew: bool = False) -> None:
        """Have a visitor's file at `path`, written by `write` where it is not there; it is as fresh as if it were new.

        With `anew` it takes the place of what was there.

        Files beside it of the same name but for the ending belong to it, and are there before it is.

        Raises:
            OverBudget: it would be more than a visitor's share.
            NoRoom: the disk is full, or as full as it may be.
            StoreError: it cannot be written.
        """
        if anew or not path.is_file():
            self.check(visitor, 0)
            with _disk_errors():
                private_folder(path.parent.parent)
                private_folder(path.parent)
                part = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
                try:
                    write(part)  # which takes a while, and holds up nobody else
                    with self._settling:
                        self.check(visitor, sum(map(_bytes, _parts(part))))
                        for each in _parts(part):
                            private_file(each).replace(path.with_suffix(each.suffix))
                        self._count(path, visitor)
                finally:
                    for each in _parts(part):
                        each.unlink(missing_ok=True)
        for each in _parts(path):
            with suppress(OSError):
                each.touch()
        self._count(path, visitor)

    @contextmanager
    def filling(self, folder: Path, visitor: Visitor) -> Generator[Path]:
        """A visitor's folder to write to; it is deleted again where something fails, or it is more than a share.

        Raises:
            OverBudget, NoRoom, StoreError: as in `keep`.
        """
        self.check(visitor, 0)
        held = _bytes(folder)
        try:
            with _disk_errors():
                private_folder(folder)
                yield folder
            self.check(visitor, _bytes(folder) - held)
        except BaseException:
            delete(folder)
            raise
        self._count(folder, visitor)

    def check(self, visitor: Visitor, size: int) -> None:
        """Whether so many bytes more may be a visitor's.

        Raises:
            OverBudget, NoRoom: as in `keep`.
        """
        held = self._things.held_by(visitor)
        if held + size > self.share:
            raise OverBudget(
                f"you keep {held / 1e6:.1f} MB here, and with this it would be more than {self.share / 1e6:.1f} MB; "
                "what you brought goes after a day",
                HOUR,
            )
        if not self._things.has_room(visitor, size):
            raise NoRoom(FULL)

    def sweep(self) -> None:
        """Delete what was stored a day ago or more."""
        self._things.sweep()
        for path in self._all():
            if not is_fresh(path):
                self._things.pop(path)
                delete(path)

    def _all(self) -> Iterator[Path]:
        """Whatever lies there, whoever left it."""
        yield from (path for pattern in self.patterns for path in self.home.glob(pattern))

    def _count(self, path: Path, visitor: Visitor) -> None:
        """Note whose it is now; what several have brought belongs to the one of them who holds least."""
        owners = {visitor, self._things.owner(path) or visitor}
        owner = min(owners, key=self._things.held_by)
        with suppress(OSError):
            self._things.put(path, path, owner, sum(map(_bytes, _parts(path))), path.stat().st_mtime)


def delete(path: Path) -> None:
    """Delete a file with those that belong to it, or a folder; what cannot be deleted stays."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    for each in _parts(path):
        with suppress(OSError):
            each.unlink()


def _parts(path: Path) -> list[Path]:
    """A file and those of the same name but for the ending, itself last; or a folder."""
    if path.is_dir():
        return [path]
    found = [each for each in path.parent.glob(f"{path.stem}.*") if each.is_file()]
    return sorted(found, key=lambda each: each == path)


def _bytes(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    with suppress(OSError):
        if path.is_dir():
            return sum(_bytes(each) for each in path.rglob("*") if each.is_file())
        return path.stat().st_size
    return 0


@contextmanager
def _disk_errors() -> Generator[None]:
    """Tell what the system says of a disk, without where things lie on it."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise NoRoom(FULL) from error
        raise StoreError(f"this cannot be stored here ({error.strerror}); tell whoever runs the app") from error

"""Folders of results: there whole or as they were before, whatever ends the process, and known by their hashes.

A folder is built inside itself, in `.seewhy-part`. Renaming that to `.seewhy-next` is the one moment at which the new
result takes the place of the old: from then on its files move to their places, and whoever opens the folder next,
after a kill, moves the rest first. A `.seewhy-part` that nobody is writing is what a killed process left, and goes.

`manifest.json` of a result holds the size and the SHA-256 of every file beside it and below, but for those that have a
manifest nearer to them; so does the file of numbers of a whole run, such as `scores.json`.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from errno import EACCES
from functools import partial
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Self, TypeVar

from seewhy.core.files import write_json, writing
from seewhy.core.reading import is_relative, open_regular, read_json, sound
from seewhy.core.text import shown
from seewhy.errors import BadFile, UsageError

T = TypeVar("T")

PART, NEXT, MANIFEST = ".seewhy-part", ".seewhy-next", "manifest.json"
NESTED = 4  # folders above one that may be a result of several: an explanation lies in that of its photo in a run's
PATIENCE, PAUSE = 10.0, 0.05  # seconds to wait for another process
SEALS = {"card.json", MANIFEST}  # they say that all else is there


# --- Written whole ------------------------------------------------------------------------------------------------


@contextmanager
def whole_folder(path: Path, *, linked: bool = True) -> Generator[Path]:
    """An empty folder to write to, whose files are in `path` once all are written; after a failure none of them is.

    Files of an older result that its manifest names, and the new one lacks, go. All others in `path` stay.

    Args:
        path: where the result goes; made if need be.
        linked: whether it may be a link to a folder, as where its owner named it.

    Raises:
        UsageError: `path` is no folder, something of another kind is where a file goes, or another process is writing.
        NotWritten: the disk is full, or the folder may not be written.
    """
    with writing(path):
        if path.exists() and not path.is_dir():
            raise UsageError(f"{shown(path)} is a file; results need a folder, so name another")
        if path.is_symlink() and not linked:
            raise _in_the_way(path)
        made = not path.exists()
        settle(path)
        part = path / PART
        with _patiently(partial(_claim, path), f"another process is writing to {shown(path)}"):
            try:
                with writing(path):  # before what was written so far goes, and there is space again
                    yield part
                _check_room(path, part)
                _flush(part)
                _patiently(partial(_commit, path), f"another process is moving files in {shown(path)}")
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                if made:
                    with suppress(OSError):
                        path.rmdir()
                raise
    settle(path)


def settle(folder: Path) -> None:
    """Move what was written whole, and not yet moved, to its place, in `folder` and those above; before it is read.

    Raises:
        UsageError: another process is moving it, and does not end.
        BadFile: it cannot be moved.
    """
    for each in [*reversed(folder.absolute().parents[:NESTED]), folder]:
        if _is_committed(each):
            _patiently(partial(_finish, each), f"another process is moving files in {shown(each)}")


def _claim(path: Path) -> ExitStack:
    """An empty `PART` in `path`, which is nobody else's until the stack is closed."""
    path.mkdir(parents=True, exist_ok=True)
    part, mine = path / PART, ExitStack()
    with _locked(path):
        _move(path)
        if part.exists():
            with _locked(part):
                shutil.rmtree(part)
        part.mkdir()
        mine.enter_context(_locked(part))
    return mine


def _commit(path: Path) -> None:
    with _locked(path):
        (path / PART).rename(path / NEXT)
        _sync(path)


def _finish(folder: Path) -> None:
    with _locked(folder):
        try:
            _move(folder)
        except (OSError, UsageError) as error:
            raise BadFile(
                f"{shown(folder)} holds a new result, of which not all files could take their places ({error}); "
                "open it where it may be written, or write the result again"
            ) from error


def _move(folder: Path) -> None:
    """Move what is committed in a locked folder; can be interrupted and done again."""
    fresh = folder / NEXT
    if not _is_committed(folder):
        return
    _check_room(folder, fresh)
    for path in list(_outdated(folder, fresh)):
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()  # where it was the last file
    _move_into(folder, fresh)
    shutil.rmtree(fresh)
    _sync(folder)


def _is_committed(folder: Path) -> bool:
    """Whether there is something to move, which nobody put there but this account or the folder's owner."""
    try:
        found = (folder / NEXT).lstat()
    except OSError:
        return False
    mine = getattr(os, "geteuid", lambda: found.st_uid)()
    return stat.S_ISDIR(found.st_mode) and found.st_uid in {mine, folder.stat().st_uid}


def _move_into(folder: Path, fresh: Path) -> None:
    """Move what `fresh` holds: folders first, so that what a page links to is there before it, and seals last."""
    for entry in sorted(fresh.iterdir(), key=lambda each: (each.is_file(), each.name in SEALS, each.name)):
        there = folder / entry.name
        if entry.is_dir() and there.is_dir():
            _move_into(there, entry)
        else:
            entry.replace(there)
    _sync(folder)


def _check_room(folder: Path, fresh: Path) -> None:
    """Refuse to begin what could not be finished."""
    for entry in fresh.iterdir():
        there = folder / entry.name
        if not os.path.lexists(there):
            continue
        if entry.is_dir() != there.is_dir() or (entry.is_dir() and there.is_symlink()):
            raise _in_the_way(there)
        if entry.is_dir():
            if not os.access(there, os.W_OK | os.X_OK):
                raise PermissionError(EACCES, os.strerror(EACCES), str(there))
            _check_room(there, entry)


def _in_the_way(there: Path) -> UsageError:
    what = "a link" if there.is_symlink() else "a folder" if there.is_dir() else "a file"
    return UsageError(f"{shown(there)} is {what}, in the way of a result; move it, or name another folder")


def _outdated(folder: Path, fresh: Path) -> Iterator[Path]:
    """Files as an older result left them, which a manifest of the new one in the same place does not name."""
    for manifest in fresh.rglob(MANIFEST):
        place = folder / manifest.parent.relative_to(fresh)
        new = _listed(manifest)
        for name, mark in _listed(place / MANIFEST).items():
            path = place / name
            if name not in new and is_relative(name) and path.resolve() == place.resolve() / name and _fits(path, mark):
                yield path


# --- Known by their hashes ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """What tells a file from any other: its length in bytes, and the SHA-256 of its content."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Self:
        """That of a file with this content."""
        return cls(len(content), sha256(content).hexdigest())


@dataclass(frozen=True)
class Listing:
    """What every manifest says: the marks of files by their paths."""

    files: dict[str, Mark] = field(default_factory=dict[str, Mark])


def write_manifest(folder: Path, about: Mapping[str, Any], name: str = MANIFEST) -> None:
    """Write `manifest.json`, or a file of this `name`: what it is about, and the marks of all files that are there."""
    write_json(folder / name, {**about, "files": {path: asdict(mark) for path, mark in marks(folder).items()}})


def marks(folder: Path) -> dict[str, Mark]:
    """The marks of the files in `folder` and below, by their paths; not of those that have a nearer manifest."""
    found: dict[str, Mark] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != MANIFEST:
            found[path.name] = mark_of(path)
        elif path.is_dir() and not (path / MANIFEST).exists():
            found |= {f"{path.name}/{name}": mark for name, mark in marks(path).items()}
    return found


def check_mark(path: Path, mark: Mark, cure: str) -> Path:
    """The path of a file that is as its manifest says.

    Raises:
        BadFile: it is not, or is missing.
    """
    with sound(path, cure):
        open_regular(path, cure).close()
        if not _fits(path, mark):
            raise BadFile(f"{shown(path)} is not the file that its manifest was written for; {cure}")
    return path


def mark_of(path: Path) -> Mark:
    """That of the file at `path`."""
    with path.open("rb") as file:
        return Mark(os.fstat(file.fileno()).st_size, file_digest(file, "sha256").hexdigest())


def _fits(path: Path, mark: Mark) -> bool:
    """Whether it is that file; one of another length is not read."""
    return path.is_file() and path.stat().st_size == mark.size and mark_of(path) == mark


def _listed(manifest: Path) -> dict[str, Mark]:
    """What a manifest names; nothing where it is none of seewhy's, or names none."""
    try:
        return read_json(manifest, Listing, "").files
    except BadFile:
        return {}


# --- Disk and processes ---------------------------------------------------------------------------------------------


def _patiently(attempt: Callable[[], T], busy: str) -> T:
    """What `attempt` gives once nobody else has what it locks.

    Raises:
        UsageError: somebody has it too long; `busy` says who.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise UsageError(f"{busy}; wait for its end, or name another folder") from error
        time.sleep(PAUSE)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Nobody else has this folder meanwhile. The lock is the operating system's: it ends with the process.

    Systems and disks without such locks go without.

    Raises:
        BlockingIOError: somebody has it.
    """
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            flock(handle, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # such as of a network, that lock no folders
        yield
    finally:
        os.close(handle)


def _flush(folder: Path) -> None:
    """Have the disk keep all that is in a folder, should the power fail; it may say only now that it is full."""
    for path in folder.iterdir():
        if path.is_dir():
            _flush(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync(folder)


def _sync(folder: Path) -> None:
    """Have the disk keep the names in a folder; some systems do not open folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""What somebody has here: photos, classifiers and what was asked, by a secret that the browser keeps, for a day.

It is on disk, so that neither a reload, another window nor a new start of the server loses it; jobs alone are not, and
are asked for anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock, RLock
from typing import Any, TypeVar

from pydantic import BaseModel

from seewhy.core.reading import read_json
from seewhy.errors import BadFile
from seewhy.images.uploads import Unpacked
from seewhy.verbs.teach import TeachResult
from seewhy.web.services.disk import Disk, is_fresh
from seewhy.web.services.jobs import Job
from seewhy.web.services.shelf import LEAST, Shelf
from seewhy.web.visitors import Visitor

T = TypeVar("T")

MANY = 10_000 * LEAST  # bytes that visits in memory count as
LAST = 60  # photos, trainings and questions that are remembered
CURE = "nothing can be done about it; bring your things again"


class Brought(BaseModel):
    """Pictures in folders that somebody brought: where they lie, how many of each class, and what was left out."""

    key: str
    name: str
    folder: Path
    counts: dict[str, int]
    failures: list[tuple[str, str]] = []

    @classmethod
    def of(cls, key: str, name: str, found: Unpacked, tell: Callable[[Exception], str]) -> Brought:
        """What was unpacked, with its refusals in words."""
        failures = [(each, tell(error)) for each, error in found.failures]
        return cls(key=key, name=name, folder=found.folder, counts=found.counts, failures=failures)


class Kept(BaseModel):
    """All that is written down of a visit.

    Args:
        photos: Their secrets, the last one brought last.
        pictures: Those in folders, by the page that they were brought to.
        trained: Classifiers, by what was asked for.
        asked: What somebody pressed a button for.
        marks: What somebody thinks of findings.
    """

    photos: list[str] = []
    pictures: dict[str, Brought] = {}
    trained: dict[str, TeachResult] = {}
    asked: list[str] = []
    marks: dict[str, str] = {}


class Visit:
    """One browser's, or one person's in it. `path` is where it is written down; without one it lasts for a session."""

    def __init__(self, path: Path | None = None, disk: Disk | None = None) -> None:
        self._path, self._disk, self._lock = path, disk, RLock()
        self.kept = Kept()
        self.jobs: dict[tuple[str, Hashable], Job[Any]] = {}  # of all its windows
        self.windows: set[Any] = set()
        if path and is_fresh(path):
            with suppress(BadFile):
                self.kept = read_json(path, Kept, CURE)

    def note(self, visitor: Visitor, change: Callable[[Kept], T]) -> T:
        """Change what is kept, and write it down."""
        with self._lock:
            found = change(self.kept)
            for things in (self.kept.photos, self.kept.asked):
                del things[:-LAST]
            for named in (self.kept.trained, self.kept.marks):
                for oldest in [*named][:-LAST]:
                    del named[oldest]
            if self._path and self._disk:
                told = self.kept.model_dump_json().encode()
                self._disk.keep(self._path, visitor, lambda part: part.write_bytes(told), anew=True)
            return found

    def job(self, key: str, wanted: Hashable) -> Job[Any] | None:
        """The job that some window has asked for, unless it was stopped or forgotten."""
        found = self.jobs.get((key, wanted))
        gone = found is None or found.is_forgotten or (found.state.is_over and found.error is not None)
        return None if gone else found

    def begin(self, key: str, wanted: Hashable, job: Job[Any]) -> None:
        """Let other windows find a job."""
        with self._lock:
            self.jobs[key, wanted] = job
            for oldest in [*self.jobs][:-LAST]:
                del self.jobs[oldest]


class Visits:
    """Every visit of this process, by what the browser says; `folder` is where they are written down."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder, self._disk = folder, disk
        self._open: Shelf[str, Visit] = Shelf(MANY)
        self._lock = Lock()

    def find(self, token: str, visitor: Visitor) -> Visit:
        """The visit of this secret and of who asks: of two who sign in with one browser each has one."""
        name = sha256(f"{token} {visitor if visitor.startswith('person') else ''}".encode()).hexdigest()
        with self._lock:
            found = self._open.get(name) or Visit(self._folder / name[:2] / f"{name}.json", self._disk)
            self._open.put(name, found, visitor, LEAST)
            return found

    def sweep(self) -> None:
        """Forget who was not here for a day."""
        self._open.sweep()


def digest(key: str, wanted: Hashable) -> str:
    """One name for what is wanted, the same in each process."""
    return sha256(f"{key} {wanted!r}".encode()).hexdigest()

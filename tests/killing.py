"""Processes that are killed at a moment of their writing.

A moment is a change: a file is opened to be written, made, moved or deleted, or a database is told a statement. What
a kill leaves between two changes is what it leaves just before the second, so that no moments lie between them; what
it leaves of a file that is being written is made by `halved`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3.dbapi2
import sys
import traceback
from collections.abc import Callable
from ctypes import c_int
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seewhy.core.folders import PART, Mark, check_mark

KILLS = int(os.environ.get("SEEWHY_TEST_KILLS", "25"))
LONGEST = 300  # seconds
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "shutil.rmtree"}


class Moment(NamedTuple):
    """A process ends just before its change of this `number`, `halved` with half of the file that it wrote last."""

    number: int
    halved: bool


def random_moments(count: int, seed: int = 0) -> list[Moment]:
    """`KILLS` moments of `count`, none twice while there are others."""
    chance = random.Random(seed)  # noqa: S311
    every = [Moment(number, halved) for number in range(1, count + 1) for halved in (False, True)]
    return chance.sample(every, min(KILLS, len(every)))


def moments(save: Callable[[Path], Any], folder: Path, *, fresh: bool = False) -> int:
    """How many changes `save` makes in `folder`.

    Where `fresh`, the process has loaded what it needs and used none of it, as libraries need that have threads of
    their own, and `save` is one that pickle can take there.
    """
    return _in_child(save, folder, None, fresh=fresh)


def killed(save: Callable[[Path], Any], folder: Path, moment: Moment, *, fresh: bool = False) -> None:
    """Let `save` write to `folder` in a process that is killed at a moment."""
    _in_child(save, folder, moment, fresh=fresh)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below, by its path."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def finished(folder: Path) -> dict[str, bytes]:
    """The same but for what a killed process has begun."""
    return {name: each for name, each in contents(folder).items() if PART not in name}


def check_saved(folder: Path) -> set[str]:
    """Which files below hold the marks of others; raises `BadFile` where one of those is another than it tells."""
    found = set[str]()
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_bytes())
        listed = content.get("files") if isinstance(content, dict) else None
        if isinstance(listed, dict):
            found.add(path.relative_to(folder).as_posix())
            for name, mark in listed.items():
                check_mark(path.parent / name, Mark(**mark), "save it again")
    return found


def _in_child(save: Callable[[Path], Any], folder: Path, moment: Moment | None, *, fresh: bool) -> int:
    """The changes that were made."""
    context = _ready() if fresh else get_context("fork")
    made = context.RawValue(c_int, 0)
    child = context.Process(target=_save_and_end, args=(save, folder, moment, made))
    child.start()
    child.join()
    expected = 0 if moment is None else -signal.SIGKILL
    assert child.exitcode == expected, f"the process ended by {child.exitcode}, not by {expected}"
    return made.value


@cache
def _ready() -> ForkServerContext:
    """Where processes come from that have loaded what they need."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["ready"])
    with pytest.MonkeyPatch.context() as patch:  # it looks for modules nowhere else
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path(__file__).parent), *sys.path])))
        forkserver.ensure_running()
    return context


def _save_and_end(save: Callable[[Path], Any], folder: Path, moment: Moment | None, made: c_int) -> None:
    signal.alarm(LONGEST)
    os.fsync = lambda _handle: None  # what the system has been given outlives a killed process, if not a power cut
    _watch(folder, _Changes(moment, made))
    try:
        save(folder)
    except BaseException:  # noqa: BLE001 - it must not go on with the tests
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


@dataclass
class _Changes:
    """Counts the changes of this process, and ends it at its moment."""

    moment: Moment | None
    made: c_int
    written: str = ""

    def add(self, written: str = "") -> None:
        """Another one; `written` is the file that is opened for it."""
        self.made.value += 1
        if self.moment and self.made.value == self.moment.number:
            halves, self.moment = self.moment.halved, None  # what follows is no change of its own
            if halves and Path(self.written).is_file():
                os.truncate(self.written, Path(self.written).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        self.written = written


def _watch(folder: Path, changes: _Changes) -> None:
    """Tell of each change in `folder`, and of each statement to a database."""

    def is_inside(path: object) -> bool:
        return (Path.cwd() / str(path)).is_relative_to(folder)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) and is_inside(path):
                changes.add(str(path))
        elif event in CHANGES and arguments and is_inside(arguments[0]):
            changes.add()

    def connect(*words: Any, **options: Any) -> sqlite3.Connection:
        connection = sqlite3.Connection(*words, **options)
        connection.set_trace_callback(lambda _statement: changes.add())
        return connection

    sys.addaudithook(watch)
    sqlite3.connect = sqlite3.dbapi2.connect = connect

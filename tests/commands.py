"""Commands of seewhy for processes of their own, whose results do not tell how long they took."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from seewhy.cli import main
from seewhy.study import Task, Work
from seewhy.study.executors import Bench, Done
from seewhy.verbs import study


@dataclass(frozen=True)
class Command:
    """`seewhy` with these `words`, run in a `place`; `codes` are those that are no failure."""

    place: Path
    words: tuple[str, ...]
    codes: tuple[int, ...] = (0,)

    def __call__(self, _out: Path) -> None:
        os.chdir(self.place)
        os.environ["SEEWHY_HOME"] = str(self.place / "home")
        with Path("said").open("wb") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        ticks = count(1.0)
        time.perf_counter = lambda: next(ticks)
        sys.argv = ["seewhy", *self.words]
        try:
            main()
        except SystemExit as end:
            if end.code not in (None, *self.codes):
                raise ValueError(f"it ended with the code {end.code}") from end


@dataclass(frozen=True)
class Study(Command):
    """`seewhy study` without workers, each of which would load everything anew."""

    def __call__(self, out: Path) -> None:
        study.chosen_executor = lambda *_: Alone()
        super().__call__(out)


class Alone:
    """Does tasks in this process."""

    workers = 1

    def run(self, tasks: Sequence[Task], work: Work, threads: int) -> Generator[Done]:
        bench = Bench(work, threads)
        for task in tasks:
            yield bench.do(task)

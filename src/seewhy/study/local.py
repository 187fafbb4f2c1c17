"""Workers that are processes of this machine."""

from __future__ import annotations

import signal
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

from seewhy.study.executors import Lost, deal
from seewhy.study.plan import Unit
from seewhy.study.work import Bench, Result, Work

Line: TypeAlias = "connection.Connection[Any, Any] | connection.PipeConnection[Any, Any]"


@dataclass(frozen=True)
class Local:
    """Runs units in `workers` processes; a single one is a process too, since units may crash it."""

    workers: int = 1

    def run(self, units: Sequence[Unit], work: Work[Any], threads: int) -> Generator[Result]:
        """See `Executor.run`."""
        return deal(units, _Crew(work, threads), self.workers)


class _Process:
    def __init__(self, process: BaseProcess, line: Line) -> None:
        self._process = process
        self.line = line

    def give(self, unit: Unit) -> None:
        with suppress(OSError):  # it is dead; whoever takes from it will notice
            self.line.send(unit)

    def take(self) -> Result | Lost | None:
        try:
            return self.line.recv()
        except (EOFError, OSError):
            self._process.join()
            return Lost(f"exit code {self._process.exitcode}")

    def dismiss(self) -> None:
        self.line.close()
        self._process.kill()
        self._process.join()


@dataclass(frozen=True)
class _Crew:
    work: Work[Any]
    threads: int

    def hire(self) -> _Process:
        # Spawned, not forked: a forked copy of a process with threads, as torch has them, may hang.
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.work, self.threads), daemon=True)
        process.start()
        theirs.close()  # so that the line breaks when the worker dies
        return _Process(process, ours)

    def first(self, busy: Sequence[_Process]) -> _Process:
        ready = connection.wait([worker.line for worker in busy])
        return next(worker for worker in busy if worker.line in ready)


def _serve(line: Line, work: Work[Any], threads: int) -> None:
    """Do units until the line breaks, which it does when the parent ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and it decides
    bench = Bench(work, threads)
    with suppress(EOFError, OSError):
        line.send(None)
        while True:
            line.send(bench.do(line.recv()))

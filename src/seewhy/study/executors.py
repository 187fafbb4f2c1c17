"""A study run to its end from wherever it stands, by workers that may die.

Local workers are processes of this machine; `ray` has those of a cluster.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol, TypeAlias

from seewhy.core.progress import Progress, silent
from seewhy.errors import SeewhyError
from seewhy.study.ledger import Failure, Ledger, Plan, Result, Row, Unit, Work, canonical, open_ledger
from seewhy.study.results import write

ATTEMPTS = 3  # workers that a unit may cost, and that may die one after another before they are ready
LOST = "WorkerLost"


class Executor(Protocol):
    """Does units on several workers at once."""

    def run(self, units: Sequence[Unit], work: Work, threads: int) -> Generator[Result]:
        """The result of every unit, as they get done, by workers of `threads` each; closing it ends the workers.

        Raises:
            SeewhyError: workers cannot even start.
        """
        ...


def run(plan: Plan, work: Work, executor: Executor, out: Path, progress: Progress = silent) -> list[Result]:
    """Do every unit of `plan` that `out` does not hold yet, then write `results.parquet` and `failures.jsonl` there.

    However an earlier run ended, this one takes up where it stood; only units that were being done, and those that
    failed, are done again.
    The files depend on plan and work alone: not on workers, interruptions or time.

    Returns:
        The units that failed.

    Raises:
        UsageError: `out` is in use, holds another study or is damaged.
        Cancelled: raised by `progress`; what is finished stays finished.
    """
    with open_ledger(out, plan) as ledger:
        _do_missing(plan, work, executor, ledger, progress)
        results = list(ledger.results())
        write(results, out)
    return [result for result in results if result.failure]


def _do_missing(plan: Plan, work: Work, executor: Executor, ledger: Ledger, progress: Progress) -> None:
    units, finished = plan.units, ledger.finished()
    missing = [unit for unit in units if unit not in finished]
    progress(len(finished), len(units), "units")
    if not missing:
        return
    with closing(executor.run(missing, work, plan.threads)) as results:
        for done, result in enumerate(results, start=len(finished) + 1):
            ledger.record(result)
            progress(done, len(units), "units")


class Lost(NamedTuple):
    """A worker is no more; `how` says what is known of its end."""

    how: str


class Worker(Protocol):
    """One who does one unit at a time, and may die of it."""

    def give(self, unit: Unit) -> None:
        """Start on `unit`; returns at once, also where the worker is dead."""
        ...

    def take(self) -> Result | Lost | None:
        """What it did last; None the first time, when it has got ready."""
        ...

    def dismiss(self) -> None:
        """End it at once, whatever it is doing."""
        ...


class Crew(Protocol):
    """Where workers come from."""

    def hire(self) -> Worker:
        """A new worker, who is still getting ready."""
        ...

    def first(self, busy: Sequence[Any]) -> Worker:
        """Wait until one of them is ready, done or dead."""
        ...


def deal(units: Sequence[Unit], crew: Crew, workers: int) -> Generator[Result]:
    """Give units to at most so many workers; whoever dies is replaced, and its unit done again.

    A unit that costs `ATTEMPTS` workers is a failure called `LOST`. A worker waits until its result is taken.

    Raises:
        SeewhyError: `ATTEMPTS` workers in a row died before they were ready.
    """
    table = _Table(units, crew)
    try:
        for _ in range(min(workers, len(units))):
            table.hire()
        while table.unfinished:
            table.hand_out()
            if result := table.next_result():
                yield result
    finally:
        table.clear()


class _Held(NamedTuple):
    unit: Unit
    attempt: int


class _Table:
    def __init__(self, units: Sequence[Unit], crew: Crew) -> None:
        self._crew = crew
        self._waiting = deque(_Held(unit, 1) for unit in units)
        self._busy: dict[Worker, _Held | None] = {}  # with None it is getting ready
        self._idle: list[Worker] = []
        self._stillborn = 0

    @property
    def unfinished(self) -> bool:
        return bool(self._waiting) or any(self._busy.values())

    def hire(self) -> None:
        self._busy[self._crew.hire()] = None

    def hand_out(self) -> None:
        # Only after whoever asks for results has seen the last one: so a run that is killed loses one unit a worker.
        while self._waiting and self._idle:
            worker, task = self._idle.pop(), self._waiting.popleft()
            self._busy[worker] = task
            worker.give(task.unit)

    def next_result(self) -> Result | None:
        """Wait for one worker; None where it has only got ready, or its unit is to be done again."""
        worker = self._crew.first(list(self._busy))
        taken, held = worker.take(), self._busy.pop(worker)
        if isinstance(taken, Lost):
            worker.dismiss()
            return self._replace(held, taken)
        self._idle.append(worker)
        if held is None or taken is None:
            self._stillborn = 0
            return None
        return replace(taken, attempts=held.attempt)

    def clear(self) -> None:
        for worker in (*self._busy, *self._idle):
            worker.dismiss()

    def _replace(self, held: _Held | None, lost: Lost) -> Result | None:
        failed = None
        if held is None:
            self._count_stillborn(lost)
        elif held.attempt < ATTEMPTS:
            self._waiting.appendleft(_Held(held.unit, held.attempt + 1))
        else:
            message = (
                f"{ATTEMPTS} workers died of it, as they do where memory runs out; "
                "give fewer workers or a smaller batch size, and run again"
            )
            failed = Result(held.unit, failure=Failure(LOST, message), attempts=held.attempt)
        if self._waiting and not self._idle:
            self.hire()
        return failed

    def _count_stillborn(self, lost: Lost) -> None:
        self._stillborn += 1
        if self._stillborn == ATTEMPTS:
            raise SeewhyError(
                f"no worker gets as far as its first unit ({lost.how}); what it said stands above. A script of one's "
                "own that starts a study needs `if __name__ == '__main__':`, and its functions a module of their own"
            )


Line: TypeAlias = "connection.Connection[Any, Any] | connection.PipeConnection[Any, Any]"


@dataclass(frozen=True)
class Local:
    """Runs units in `workers` processes; a single one is a process too, since units may crash it."""

    workers: int = 1

    def run(self, units: Sequence[Unit], work: Work, threads: int) -> Generator[Result]:
        """See `Executor.run`."""
        return deal(units, _Processes(work, threads), self.workers)


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
class _Processes:
    work: Work
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


def _serve(line: Line, work: Work, threads: int) -> None:
    """Do units until the line breaks, which it does when the parent ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and it decides
    bench = Bench(work, threads)
    with suppress(EOFError, OSError):
        line.send(None)
        while True:
            line.send(bench.do(line.recv()))


class Bench:
    """Where a worker does its units, one after another, with the model at hand."""

    def __init__(self, work: Work, threads: int) -> None:
        self._work = work
        self._threads = threads
        self._prepared: tuple[str, Any] | None = None

    def do(self, unit: Unit) -> Result:
        """The rows of a unit, or why there are none; no exception gets out."""
        started = perf_counter()
        try:
            rows, failure = self._rows(unit), None
        except Exception as error:  # noqa: BLE001 - whatever fails, the study goes on
            # File names may hold halves of letters, which no file can.
            rows, failure = (), Failure(type(error).__name__, str(error).encode(errors="backslashreplace").decode())
        return Result(unit, rows, failure, perf_counter() - started)

    def _rows(self, unit: Unit) -> tuple[Row, ...]:
        if self._prepared is None or self._prepared[0] != unit.model:
            self._prepared = None  # two models at once may be more than the memory holds
            self._prepared = (unit.model, self._work.prepare(unit.model))
            _limit_threads(self._threads)
        rows = self._work.score(self._prepared[1], unit)
        # There and back through JSON: what cannot be written down fails here, by itself.
        return tuple(json.loads(canonical([dict(row) for row in rows]).encode()))


def _limit_threads(threads: int) -> None:
    """Have every library that is loaded compute with so many: for speed among workers, and for equal last bits."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)

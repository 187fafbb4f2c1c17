"""A study run to its end from wherever it stands, by workers that may die.

Local workers are processes of this machine; `ray` has those of a cluster.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol, TypeAlias

from seewhy.core.progress import Progress, silent
from seewhy.errors import SeewhyError
from seewhy.study.ledger import Ledger, open_ledger
from seewhy.study.maps import kept, packed
from seewhy.study.plan import Failure, Found, Plan, Result, Task, Unit, Work, canonical
from seewhy.study.results import write

ATTEMPTS = 3  # workers that a task may cost, and that may die one after another before they are ready
LOST = "WorkerLost"

Done: TypeAlias = tuple[Result, ...]  # of one task, a result for each method


class Executor(Protocol):
    """Does tasks on several workers at once."""

    @property
    def workers(self) -> int:
        """How many there are at most."""
        ...

    def run(self, tasks: Sequence[Task], work: Work, threads: int) -> Generator[Done]:
        """The results of every task, as they get done, by workers of `threads` each; closing it ends the workers.

        Raises:
            SeewhyError: workers cannot even start.
        """
        ...


def run(plan: Plan, work: Work, executor: Executor, out: Path, progress: Progress = silent) -> list[Result]:
    """Do every task of `plan` that `out` does not hold yet, then write tables and maps there, see `results`.

    However an earlier run ended, this one takes up where it stood; only tasks that were being done, and those that
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
        return write(ledger.results(), ledger.maps(), out)


def _do_missing(plan: Plan, work: Work, executor: Executor, ledger: Ledger, progress: Progress) -> None:
    missing, total = ledger.unfinished(plan), plan.count
    done = total - sum(len(task.methods) for task in missing)
    progress(done, total, "units")
    if not missing:
        return
    ledger.begin(executor.workers)
    with closing(executor.run(missing, work, plan.threads)) as each:
        for results in each:
            ledger.record(results)
            done += len(results)
            progress(done, total, "units")


class Lost(NamedTuple):
    """A worker is no more; `how` says what is known of its end."""

    how: str


class Worker(Protocol):
    """One who does one task at a time, and may die of it."""

    def give(self, task: Task) -> None:
        """Start on `task`; returns at once, also where the worker is dead."""
        ...

    def take(self) -> Done | Lost | None:
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


def deal(tasks: Sequence[Task], crew: Crew, workers: int) -> Generator[Done]:
    """Give tasks to at most so many workers; whoever dies is replaced, and the task done again.

    A task that costs `ATTEMPTS` workers is done method by method, so that the one that kills takes nothing from the
    others; if it costs as many again it is a failure called `LOST`. A worker waits until its results are taken.

    Raises:
        SeewhyError: `ATTEMPTS` workers in a row died before they were ready.
    """
    table = _Table(tasks, crew)
    try:
        for _ in range(min(workers, len(tasks))):
            table.hire()
        while table.unfinished:
            table.hand_out()
            if results := table.next_results():
                yield results
    finally:
        table.clear()


class _Held(NamedTuple):
    task: Task
    attempt: int


class _Table:
    def __init__(self, tasks: Sequence[Task], crew: Crew) -> None:
        self._crew = crew
        self._waiting = deque(_Held(task, 1) for task in tasks)
        self._busy: dict[Worker, _Held | None] = {}  # with None it is getting ready
        self._idle: list[Worker] = []
        self._stillborn = 0

    @property
    def unfinished(self) -> bool:
        return bool(self._waiting) or any(self._busy.values())

    def hire(self) -> None:
        self._busy[self._crew.hire()] = None

    def hand_out(self) -> None:
        # Only after whoever asks for results has seen the last one: so a run that is killed loses one task a worker.
        while self._waiting and self._idle:
            worker, held = self._idle.pop(), self._waiting.popleft()
            self._busy[worker] = held
            worker.give(held.task)

    def next_results(self) -> Done | None:
        """Wait for one worker; None where it has only got ready, or its task is to be done again."""
        worker = self._crew.first(list(self._busy))
        taken, held = worker.take(), self._busy.pop(worker)
        if isinstance(taken, Lost):
            worker.dismiss()
            return self._replace(held, taken)
        self._idle.append(worker)
        if held is None or taken is None:
            self._stillborn = 0
            return None
        return tuple(replace(each, attempts=held.attempt) for each in taken)

    def clear(self) -> None:
        for worker in (*self._busy, *self._idle):
            worker.dismiss()

    def _replace(self, held: _Held | None, lost: Lost) -> Done | None:
        failed = None
        if held is None:
            self._count_stillborn(lost)
        elif held.attempt < ATTEMPTS:
            self._waiting.appendleft(_Held(held.task, held.attempt + 1))
        elif len(held.task.methods) > 1:
            alone = [_Held(held.task._replace(methods=(method,)), 1) for method in held.task.methods]
            self._waiting.extendleft(reversed(alone))
        else:
            message = (
                f"{ATTEMPTS} workers died of it, as they do where memory runs out; "
                "give fewer workers or a smaller batch size, and run again"
            )
            failed = tuple(Result(unit, failure=Failure(LOST, message), attempts=ATTEMPTS) for unit in held.task.units)
        if self._waiting and not self._idle:
            self.hire()
        return failed

    def _count_stillborn(self, lost: Lost) -> None:
        self._stillborn += 1
        if self._stillborn == ATTEMPTS:
            raise SeewhyError(
                f"no worker gets as far as its first task ({lost.how}); what it said stands above. A script of one's "
                "own that starts a study needs `if __name__ == '__main__':`, and its functions a module of their own"
            )


Line: TypeAlias = "connection.Connection[Any, Any] | connection.PipeConnection[Any, Any]"


@dataclass(frozen=True)
class Local:
    """Does tasks in `workers` processes; a single one is a process too, since tasks may crash it.

    Of several `gpus` each process sees one.
    """

    workers: int = 1
    gpus: int = 0

    def run(self, tasks: Sequence[Task], work: Work, threads: int) -> Generator[Done]:
        """See `Executor.run`."""
        return deal(tasks, _Processes(work, threads, self.gpus), self.workers)


class _Process:
    def __init__(self, process: BaseProcess, line: Line, gpu: int | None) -> None:
        self._process = process
        self.line = line
        self.gpu = gpu

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def give(self, task: Task) -> None:
        with suppress(OSError):  # it is dead; whoever takes from it will notice
            self.line.send(task)

    def take(self) -> Done | Lost | None:
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
    gpus: int
    hired: list[_Process] = field(default_factory=list["_Process"])

    def hire(self) -> _Process:
        # Spawned, not forked: a forked copy of a process with threads, as torch has them, may hang.
        context = get_context("spawn")
        alive = [each for each in self.hired if each.alive]
        taken = [each.gpu for each in alive]
        gpu = min(range(self.gpus), key=taken.count) if self.gpus else None
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.work, self.threads, gpu), daemon=True)
        process.start()
        theirs.close()  # so that the line breaks when the worker dies
        self.hired[:] = [*alive, _Process(process, ours, gpu)]
        return self.hired[-1]

    def first(self, busy: Sequence[_Process]) -> _Process:
        ready = connection.wait([worker.line for worker in busy])
        return next(worker for worker in busy if worker.line in ready)


def _serve(line: Line, work: Work, threads: int, gpu: int | None = None) -> None:
    """Do tasks until the line breaks, which it does when the parent ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and it decides
    if gpu is not None:  # before anything asks for the GPUs there are; of those that the parent sees
        seen = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
        os.environ["CUDA_VISIBLE_DEVICES"] = seen[gpu] if seen else str(gpu)
    bench = Bench(work, threads)
    with suppress(EOFError, OSError):
        line.send(None)
        while True:
            line.send(bench.do(line.recv()))


class Bench:
    """Where a worker does its tasks, one after another, with the model at hand."""

    def __init__(self, work: Work, threads: int) -> None:
        self._work = work
        self._threads = threads
        self._prepared: tuple[str, Any] | None = None

    def do(self, task: Task) -> Done:
        """What each method of a task found, or why nothing; no exception gets out."""
        started = perf_counter()
        try:
            found = self._found(task)
        except Exception as error:  # noqa: BLE001 - whatever fails, the study goes on
            found = dict.fromkeys(task.methods, Found(error=error))
        made = [self._result(unit, found[unit.method]) for unit in task.units]
        seconds = (perf_counter() - started) / len(made)
        return tuple(replace(each, seconds=seconds) for each in made)

    def _found(self, task: Task) -> Mapping[str, Found]:
        if self._prepared is None or self._prepared[0] != task.model:
            self._prepared = None  # two models at once may be more than the memory holds
            self._prepared = (task.model, self._work.prepare(task.model))
            _limit_threads(self._threads)
        return self._work.score(self._prepared[1], task)

    def _result(self, unit: Unit, found: Found) -> Result:
        if found.error:
            return Result(unit, failure=_failure(found.error))
        try:
            # There and back through JSON: what cannot be written down fails here, by itself.
            rows = tuple(json.loads(canonical([dict(row) for row in found.rows]).encode()))
        except (TypeError, ValueError) as error:
            return Result(unit, failure=_failure(error))
        shown = None if found.map is None else kept(found.map, self._work.maps)
        return Result(unit, rows, map=None if shown is None else packed(shown))


def _failure(error: Exception) -> Failure:
    # File names may hold halves of letters, which no file can.
    return Failure(type(error).__name__, str(error).encode(errors="backslashreplace").decode())


def _limit_threads(threads: int) -> None:
    """Have every library that is loaded compute with so many: for speed among workers, and for equal last bits."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)

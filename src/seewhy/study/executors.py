"""Units dealt to workers that may die; `local` and `ray` say what a worker is."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from seewhy.errors import SeewhyError
from seewhy.study.plan import Unit
from seewhy.study.work import Failure, Result, Work

ATTEMPTS = 3  # workers that a unit may cost, and that may die one after another before they are ready
LOST = "WorkerLost"


class Executor(Protocol):
    """Does units on several workers at once."""

    def run(self, units: Sequence[Unit], work: Work[Any], threads: int) -> Generator[Result]:
        """The result of every unit, as they get done, by workers of `threads` each; closing it ends the workers.

        Raises:
            SeewhyError: workers cannot even start.
        """
        ...


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


W = TypeVar("W", bound=Worker)


class Crew(Protocol[W]):
    """Where workers come from."""

    def hire(self) -> W:
        """A new worker, who is still getting ready."""
        ...

    def first(self, busy: Sequence[W]) -> W:
        """Wait until one of them is ready, done or dead."""
        ...


def deal(units: Sequence[Unit], crew: Crew[W], workers: int) -> Generator[Result]:
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


class _Table(Generic[W]):
    def __init__(self, units: Sequence[Unit], crew: Crew[W]) -> None:
        self._crew = crew
        self._waiting = deque(_Held(unit, 1) for unit in units)
        self._busy: dict[W, _Held | None] = {}  # with None it is getting ready
        self._idle: list[W] = []
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
            failed = Result(held.unit, failure=_LOST_FOR_GOOD, attempts=held.attempt)
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


_LOST_FOR_GOOD = Failure(
    LOST,
    f"{ATTEMPTS} workers died of it, as they do where memory runs out; "
    "give fewer workers or a smaller batch size, and run again",
)

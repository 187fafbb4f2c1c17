"""Who is next: visitors take turns, however much each of them asks."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from seewhy.errors import OverBudget, QueueFull
from seewhy.web.visitors import Visitor

J = TypeVar("J")

RESERVE = 4  # one place in so many is kept for visitors of whom nothing waits
HALF = 600.0  # seconds until half of what somebody used is forgotten
NOTHING = 0.01  # seconds of use that need not be remembered


class Line(Generic[J]):
    """What waits and runs. Turns are counted in seconds of work, from when a visitor comes.

    Whoever comes, or comes back, begins level with those who are there: to have waited gives no credit, and to have
    asked before is no debt. This is fair queueing with start times, after Goyal, Vin and Chen (1996).

    Args:
        length: the most that may wait or run.
        each: the most that one visitor may have waiting or running.
    """

    def __init__(self, length: int, each: int) -> None:
        self.length, self.each = length, each
        self._waiting: dict[Visitor, deque[J]] = {}
        self._running: Counter[Visitor] = Counter()
        self._had: dict[Visitor, float] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) + self._running.total()

    @property
    def running(self) -> int:
        """How many run."""
        return self._running.total()

    @property
    def waiting(self) -> list[J]:
        """All that wait."""
        return [job for jobs in self._waiting.values() for job in jobs]

    def count(self, visitor: Visitor) -> int:
        """What waits and runs of one visitor."""
        return len(self._waiting.get(visitor, ())) + self._running[visitor]

    def add(self, visitor: Visitor, job: J, soon: int) -> None:
        """Let a visitor's job wait, behind those of the same visitor.

        Raises:
            OverBudget: the visitor has enough there; `soon` is when to come again, in seconds.
            QueueFull: there is no place left.
        """
        mine = self.count(visitor)
        if mine >= self.each:
            raise OverBudget(f"{mine} of your requests are waiting or at work already; wait for one of them", soon)
        kept = self.length // RESERVE if mine else 0
        if len(self) >= self.length - kept:
            raise QueueFull(f"{len(self)} requests are waiting already; try again soon", soon)
        if not mine:
            least = min((self._had[each] for each in self._present()), default=0.0)
            self._had[visitor] = max(self._had.get(visitor, 0.0), least)
        self._waiting.setdefault(visitor, deque()).append(job)

    def peek(self, suits: Callable[[Visitor], bool] = lambda _: True) -> tuple[Visitor, J] | None:
        """The next job whose visitor suits: of whom least runs, then who had least, then who came first."""
        found = min(filter(suits, self._waiting), key=lambda each: (self._running[each], self._had[each]), default=None)
        return None if found is None else (found, self._waiting[found][0])

    def start(self, visitor: Visitor) -> J:
        """Take the visitor's first job out of those that wait: it runs from now on."""
        job = self._waiting[visitor].popleft()
        self._running[visitor] += 1
        self._tidy()
        return job

    def end(self, visitor: Visitor, seconds: float) -> None:
        """A job is over that took so long."""
        self._running[visitor] -= 1
        self._had[visitor] += seconds
        self._tidy()

    def drop(self, unwanted: Callable[[J], bool]) -> None:
        """Let those go that need not wait any more."""
        for visitor, jobs in self._waiting.items():
            self._waiting[visitor] = deque(job for job in jobs if not unwanted(job))
        self._tidy()

    def ahead(self, visitor: Visitor, job: J) -> int:
        """How many come before one that waits, if all take equally long and nobody else comes; else none."""
        mine = self._waiting.get(visitor, deque[J]())
        if job not in mine:
            return 0
        place = mine.index(job)
        others = sum(min(len(jobs), place + 1) for each, jobs in self._waiting.items() if each != visitor)
        return place + others + self.running

    def _present(self) -> set[Visitor]:
        return {*self._waiting, *self._running}

    def _tidy(self) -> None:
        """Forget who is gone, and owes nothing to those who are there."""
        self._waiting = {each: jobs for each, jobs in self._waiting.items() if jobs}
        self._running = +self._running
        present = self._present()
        least = min((self._had[each] for each in present), default=float("inf"))
        self._had = {each: had for each, had in self._had.items() if each in present or had > least}


class Use:
    """Seconds of work that each visitor had of late; half of them are forgotten every ten minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used: dict[Visitor, tuple[float, float]] = {}

    def add(self, visitor: Visitor, seconds: float) -> None:
        """A visitor had so many more."""
        self._used[visitor] = (self.of(visitor) + seconds, self._clock())
        self._used = {each: used for each, used in self._used.items() if self.of(each) > NOTHING}

    def of(self, visitor: Visitor) -> float:
        """What counts of a visitor's by now."""
        seconds, since = self._used.get(visitor, (0.0, 0.0))
        return seconds * 0.5 ** ((self._clock() - since) / HALF)

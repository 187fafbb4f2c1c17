"""Work that waits its turn, in lanes: short work never waits behind long work, and nobody behind all of another's."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from seewhy.errors import UnknownName
from seewhy.web.services.jobs import Job, State, Status, Work, done_by
from seewhy.web.services.line import Line, Use
from seewhy.web.services.shelf import DAY, LEAST, Shelf, size_of
from seewhy.web.telling import without_places
from seewhy.web.visitors import Visitor

T = TypeVar("T")

PATIENCE = 60.0  # seconds that any job stands aside for others; more only if it has worked for longer
OFTEN = 1.0  # seconds between two looks whether somebody who waits may go before another
GLANCE = 0.1  # seconds between two looks whether to go on
AGAIN = "known"  # beside a visitor's name: owner of what was known already, which takes no place among the rest
LISTED = 100  # finished jobs


@dataclass(frozen=True)
class Lane:
    """One kind of work.

    Args:
        name: of the kind.
        workers: how many are done at once; one more where its visitor had less of late than those of the others.
        length: how many may wait or run.
        each: how many of them may be one visitor's.
        seconds: how long one may work.
        slow: after how many seconds one has turned out slow: no other waits for its end, also of the same visitor.
        spare: how many may run beside the workers.
    """

    name: str
    workers: int = 1
    length: int = 30
    each: int = 30
    seconds: float = 3600.0
    slow: float = math.inf
    spare: int = 1


class Queue:
    """Lanes of work, the shortest first, and what came of it: `kept` bytes of results, for a day.

    Who may go first is settled twice. Visitors take turns. And work that runs stands aside, where it tells of its
    progress and before each forward of a network, for work of a shorter lane, for what has not turned out slow, and for
    visitors who had less of late: for as long as it has worked itself, so that it is never held up for good.
    """

    def __init__(self, lanes: Sequence[Lane] = (Lane("short"),), kept: int = 256 << 20, seconds: float = DAY) -> None:
        self._lanes = {lane.name: lane for lane in lanes}
        self._rank = {lane.name: place for place, lane in enumerate(lanes)}
        self._lines = {lane.name: Line[Job[Any]](lane.length, lane.each) for lane in lanes}
        self._running: dict[str, tuple[str, Job[Any]]] = {}  # by ids, with their lanes
        self._active: dict[str, Job[Any]] = {}
        self._kept: Shelf[str, Job[Any]] = Shelf(kept, seconds, Job.forget)
        self._use = Use()
        self._pace = dict.fromkeys(self._lanes, 1.0)  # seconds that a job takes, lately
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=[lane], name=f"{lane.name}-{number}", daemon=True)
            for lane in lanes
            for number in range(lane.workers + lane.spare)
        ]
        for thread in self._threads:
            thread.start()

    def submit(
        self,
        work: Work[T],
        about: str,
        *,
        visitor: Visitor,
        lane: str = "short",
        restore: Callable[[T], T] | None = None,
    ) -> Job[T]:
        """Let a visitor's work wait in its lane; it is called with its job, which it tells of its progress.

        What it returns is kept; `restore` makes of it what is wanted, whenever somebody asks.

        Raises:
            OverBudget: as many as may be are this visitor's already; it says when to come again.
            QueueFull: too many are waiting.
        """
        job = Job(work, about, visitor, self._lanes[lane].seconds, restore)
        job.rest = self._rest
        with self._changed:
            self._drop_stopped()
            self._lines[lane].add(visitor, job, max(1, round(self._pace[lane])))
            self._active[job.id] = job
            self._changed.notify_all()
        return job

    def settled(self, value: T, about: str, *, visitor: Visitor, restore: Callable[[T], T] | None = None) -> Job[T]:
        """A job that is done already, since its answer is known; it takes no place, and pushes out its like alone."""
        job = Job[T](lambda _: value, about, visitor, 0.0, restore)
        job.finish(State.DONE, value)
        self._kept.put(job.id, job, f"{visitor} {AGAIN}", size_of(value) + LEAST)
        return job

    def find(self, job_id: str) -> Job[Any]:
        """The job of this id.

        Raises:
            UnknownName: there is none, or it was forgotten.
        """
        job = self._active.get(job_id) or self._kept.get(job_id)
        if job is None:
            raise UnknownName("there is no such job; jobs are forgotten some time after they are done")
        return job

    def finished(self) -> list[Job[Any]]:
        """The last jobs that are done and have a result, newest first."""
        return [job for job in self._kept.values() if job.state is State.DONE and not job.is_forgotten][:LISTED]

    def status(self, job: Job[Any]) -> Status:
        """Where a job stands."""
        with self._changed:
            waits = job.state is State.WAITING
            ahead = sum(line.ahead(job.visitor, job) for line in self._lines.values()) if waits else 0
            return Status(job.id, job.state, ahead, *job.told, without_places(str(job.error or "")))

    def sweep(self) -> None:
        """Forget what was done a day ago or more."""
        self._kept.sweep()

    def close(self, seconds: float = 2.0) -> None:
        """Stop everything that waits or runs, and wait so long for the workers to end."""
        with self._changed:
            self._closed = True
            for job in [*self._active.values()]:
                job.cancel()
            self._drop_stopped()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(seconds)

    def _serve(self, lane: Lane) -> None:
        while job := self._next(lane):
            outcome = done_by(job)
            size = size_of(outcome[1])
            with self._changed:
                job.finish(*outcome)
                del self._running[job.id]
                self._use.add(job.visitor, job.clock.worked)
                self._lines[lane.name].end(job.visitor, job.clock.worked)
                self._pace[lane.name] += (job.clock.worked - self._pace[lane.name]) / 4
                self._put_away(job, size)
                self._changed.notify_all()
            del job, outcome  # while this worker waits, it holds nothing of theirs

    def _next(self, lane: Lane) -> Job[Any] | None:
        """The job whose turn it is in this lane, as soon as there is one; None when the queue is closed."""
        line = self._lines[lane.name]
        with self._changed:
            while not self._closed:
                self._drop_stopped()
                if found := line.peek(self._may_begin(lane)):
                    job = line.start(found[0])
                    job.begin()
                    self._running[job.id] = (lane.name, job)
                    return job
                self._changed.wait(OFTEN if line.waiting else None)  # who had less changes with time
        return None

    def _may_begin(self, lane: Lane) -> Callable[[Visitor], bool]:
        """Whether one more may run in this lane: for a free worker, or before the work of somebody who had more."""
        busy = [job for name, job in self._running.values() if name == lane.name]
        quick = [job for job in busy if job.clock.worked < lane.slow]
        last = len(busy) >= lane.workers + lane.spare - 1  # kept for somebody new
        most = max((self._had(job.visitor) for job in quick), default=0.0)
        passing = len(quick) == lane.workers

        def may(visitor: Visitor) -> bool:
            here = any(job.visitor == visitor for job in busy)
            if len(quick) < lane.workers:
                return not (here and last)
            return passing and not here and self._had(visitor) < most

        return may

    def _rest(self, job: Job[Any]) -> None:
        """Stand aside while others come first."""
        clock = job.clock
        with self._changed:
            while not job.stopped.is_set() and clock.aside < max(clock.worked, PATIENCE) and self._comes_later(job):
                clock.stand_aside(lambda: self._changed.wait(GLANCE))

    def _comes_later(self, job: Job[Any]) -> bool:
        mine = self._place(job)
        return any(self._place(each) < mine for _, each in self._running.values() if each is not job)

    def _place(self, job: Job[Any]) -> tuple[int, bool, float]:
        """Where a job that runs stands among the others; the least goes first."""
        lane, _ = self._running[job.id]
        return self._rank[lane], job.clock.worked >= self._lanes[lane].slow, self._had(job.visitor)

    def _had(self, visitor: Visitor) -> float:
        """Seconds of work that a visitor had of late, up to now."""
        return self._use.of(visitor) + sum(
            job.clock.worked for _, job in self._running.values() if job.visitor == visitor
        )

    def _drop_stopped(self) -> None:
        """Jobs that were stopped before they began leave their places."""
        for line in self._lines.values():
            if stopped := [job for job in line.waiting if job.state.is_over]:
                line.drop(lambda job: job.state.is_over)
                for job in stopped:
                    self._put_away(job)

    def _put_away(self, job: Job[Any], size: int = 0) -> None:
        self._active.pop(job.id, None)
        self._kept.put(job.id, job, job.visitor, size + LEAST)

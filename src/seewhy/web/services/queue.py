"""Work that waits its turn: a bounded queue, few workers, one job at a time on each model, and jobs that stop soon."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import Field
from torch.nn.modules.module import register_module_forward_pre_hook

from seewhy.errors import Cancelled, QueueFull, SeewhyError, UnknownName

T = TypeVar("T")
Work: TypeAlias = "Callable[[Job[T]], T]"

KEPT = 64  # finished jobs that can still be asked for
SECRET = 32  # random bytes of an id: to know it is the right to read the job

_mine = threading.local()  # the check of the job that runs in this thread


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self in {State.DONE, State.FAILED, State.CANCELLED}


@dataclass(frozen=True)
class Status:
    """A job at one moment: `ahead` other jobs come first, `done` of `total` units of work are finished."""

    id: Annotated[str, Field(description="Its id, a secret.")]
    state: State
    ahead: int
    done: int
    total: int | None
    message: str
    error: str


class Job(Generic[T]):
    """One piece of work. Its id is a secret of 32 random bytes; `stopped` is set once somebody asked it to stop."""

    def __init__(self, queue: Queue, work: Work[T], about: str, alone: str = "") -> None:
        self.id = secrets.token_urlsafe(SECRET)
        self._queue = queue
        self.about, self.alone = about, alone
        self.work: Work[T] | None = work
        self.state = State.WAITING
        self.told: tuple[int, int | None, str] = (0, None, "")
        self.error: SeewhyError | None = None
        self._value: list[T] = []
        self.stopped, self._over = threading.Event(), threading.Event()

    @property
    def result(self) -> T:
        """What came of it.

        Raises:
            SeewhyError: what stopped it; `Cancelled` also where it is not over yet.
        """
        if self.error:
            raise self.error
        if not self._value:
            raise Cancelled(f"{self.about} is {self.state}: there is no result")
        return self._value[0]

    @property
    def status(self) -> Status:
        """Where it stands."""
        return self._queue.status(self)

    def cancel(self) -> None:
        """Stop it: if it waits it never starts, if it runs it stops at its next sign of progress."""
        self._queue.cancel(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is over, at most so long; says whether it is."""
        return self._over.wait(seconds)

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked it to stop."""
        if self.stopped.is_set():
            raise Cancelled(f"{self.about} was stopped")

    def tell(self, done: int, total: int | None, message: str) -> None:
        """The progress that its work reports to."""
        self.check()
        self.told = (done, total, message)

    def finish(self, state: State, value: T | None = None, error: SeewhyError | None = None) -> None:
        """Enter a state from which nothing leads on; for the queue alone."""
        if state is State.DONE:
            self._value = [value]  # pyright: ignore[reportAttributeAccessIssue]
        self.state, self.error, self.work = state, error, None
        self._over.set()


class Queue:
    """At most `length` jobs wait or run at a time; the next one is refused."""

    def __init__(self, length: int = 30, workers: int = 1) -> None:
        self.length = length
        self._waiting: deque[Job[Any]] = deque()
        self._running: dict[str, Job[Any]] = {}
        self._jobs: OrderedDict[str, Job[Any]] = OrderedDict()
        self._seconds = 1.0  # that a job takes, lately
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._serve, name=f"worker-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work[T], about: str, alone: str = "") -> Job[T]:
        """Put work at the end of the queue; it is called with its job, which it tells of its progress.

        Of jobs with the same `alone`, a model's name, only one runs at a time.

        Raises:
            QueueFull: too many are waiting; it says when to come again.
        """
        job = Job(self, work, about, alone)
        with self._changed:
            self._drop_stopped()
            if len(self._waiting) + len(self._running) >= self.length:
                soon = max(1, round(self._seconds))
                raise QueueFull(f"{self.length} requests are waiting already; try again soon", soon)
            self._waiting.append(job)
            self._remember(job)
            self._changed.notify_all()
        return job

    def settled(self, value: T, about: str) -> Job[T]:
        """A job that is done already, since its answer is known; it takes no place."""
        job = Job[T](self, lambda _: value, about)
        job.finish(State.DONE, value)
        with self._changed:
            self._remember(job)
        return job

    def find(self, job_id: str) -> Job[Any]:
        """The job of this id.

        Raises:
            UnknownName: there is none, or it was forgotten.
        """
        with self._changed:
            if job_id not in self._jobs:
                raise UnknownName("there is no such job; jobs are forgotten some time after they are done")
            return self._jobs[job_id]

    def finished(self) -> list[Job[Any]]:
        """The jobs that are done, newest first."""
        with self._changed:
            return [job for job in reversed(self._jobs.values()) if job.state is State.DONE]

    def cancel(self, job: Job[Any]) -> None:
        """Stop a job: one that waits never starts, one that runs stops at its next sign of progress."""
        with self._changed:
            job.stopped.set()
            self._drop_stopped()
            self._changed.notify_all()

    def status(self, job: Job[Any]) -> Status:
        """Where a job stands."""
        with self._changed:
            ahead = self._waiting.index(job) + len(self._running) if job in self._waiting else 0
            return Status(job.id, job.state, ahead, *job.told, str(job.error or ""))

    def close(self, seconds: float = 2.0) -> None:
        """Stop everything that waits or runs, and wait so long for the workers to end."""
        with self._changed:
            self._closed = True
            for job in (*self._waiting, *self._running.values()):
                job.stopped.set()
            self._drop_stopped()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(seconds)

    def _serve(self) -> None:
        while job := self._next():
            start = time.monotonic()
            outcome = _do(job)
            with self._changed:
                del self._running[job.id]
                self._seconds += (time.monotonic() - start - self._seconds) / 4
                job.finish(*outcome)
                self._changed.notify_all()

    def _next(self) -> Job[Any] | None:
        """The first job whose model nobody is using, as soon as there is one; None when the queue is closed."""
        with self._changed:
            while not self._closed:
                self._drop_stopped()
                taken = {job.alone for job in self._running.values() if job.alone}
                if job := next((each for each in self._waiting if each.alone not in taken), None):
                    self._waiting.remove(job)
                    self._running[job.id] = job
                    job.state = State.RUNNING
                    return job
                self._changed.wait()
        return None

    def _drop_stopped(self) -> None:
        for job in [each for each in self._waiting if each.stopped.is_set()]:
            self._waiting.remove(job)
            job.finish(State.CANCELLED, error=Cancelled(f"{job.about} was stopped"))

    def _remember(self, job: Job[Any]) -> None:
        self._jobs[job.id] = job
        over = [each for each in self._jobs.values() if each.state.is_over]
        for forgotten in over[: max(len(over) - KEPT, 0)]:
            del self._jobs[forgotten.id]


def _do(job: Job[T]) -> tuple[State, T | None, SeewhyError | None]:
    """Run it to one of its ends; a worker survives whatever happens."""
    if job.work is None:
        return State.CANCELLED, None, Cancelled(f"{job.about} was stopped")
    try:
        return State.DONE, job.work(job), None
    except Cancelled as error:
        return State.CANCELLED, None, error
    except SeewhyError as error:
        return State.FAILED, None, error
    except Exception as error:  # noqa: BLE001 - what a network raises is anybody's guess
        return State.FAILED, None, SeewhyError(f"{job.about} failed: {error or type(error).__name__}")


@contextmanager
def interruptible(check: Callable[[], None]) -> Generator[None]:
    """Call `check` before every module that runs in this thread; what it raises ends the work.

    A slow network may take seconds between two signs of progress, and whoever cancels should not wait for them.
    """
    _install()
    _mine.check = check
    try:
        yield
    finally:
        del _mine.check


@cache
def _install() -> None:
    """Once and for good: PyTorch reads its list of hooks while other threads would change it."""

    def ask(_module: Any, _inputs: Any) -> None:
        check: Callable[[], None] | None = getattr(_mine, "check", None)
        if check:
            check()

    register_module_forward_pre_hook(ask)

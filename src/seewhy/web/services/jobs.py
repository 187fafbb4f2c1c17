"""One job: its state, its progress, its end; and work that stops soon, in the middle of a network if need be."""

from __future__ import annotations

import copy
import secrets
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import Field
from torch.nn.modules.module import register_module_forward_pre_hook

from seewhy.errors import Cancelled, OutOfTime, SeewhyError
from seewhy.models.state import owns_any, pausing
from seewhy.web.visitors import Visitor

T = TypeVar("T")
Work: TypeAlias = "Callable[[Job[T]], T]"

SECRET = 32  # random bytes of an id: to know it is the right to read the job
UNITS = ((3600, "h"), (60, "min"), (1, "s"))

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


class Clock:
    """How long a job has worked, without the time that it has stood `aside` for others."""

    def __init__(self, limit: float) -> None:
        self.limit, self.aside = limit, 0.0
        self._since: float | None = None
        self._worked = 0.0

    @property
    def worked(self) -> float:
        """Seconds of work so far."""
        return self._worked + (0.0 if self._since is None else time.monotonic() - self._since)

    def start(self) -> None:
        """It works."""
        self._since = time.monotonic()

    def stop(self) -> None:
        """It does not work, for now or for good."""
        self._worked, self._since = self.worked, None

    def stand_aside(self, wait: Callable[[], object]) -> None:
        """Do nothing but wait."""
        self.stop()
        begun = time.monotonic()
        wait()
        self.aside += time.monotonic() - begun
        self.start()


class Job(Generic[T]):
    """One piece of work for a visitor. Its id is a secret; `stopped` is set once somebody asked it to stop.

    Args:
        work: called with the job, which it tells of its progress.
        about: what it does, in words.
        visitor: who asked.
        seconds: the longest that it may work.
        restore: makes of what was kept what is wanted, such as with the pixels of the photo that it is about.
    """

    def __init__(
        self,
        work: Work[T],
        about: str,
        visitor: Visitor,
        seconds: float,
        restore: Callable[[T], T] | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(SECRET)
        self.about, self.visitor, self.clock = about, visitor, Clock(seconds)
        self.work: Work[T] | None = work
        self.state = State.WAITING
        self.told: tuple[int, int | None, str] = (0, None, "")
        self.error: SeewhyError | None = None
        self.stopped, self._over = threading.Event(), threading.Event()
        self.rest: Callable[[Job[Any]], None] = lambda _: None  # where it stands aside for others
        self._restore = restore
        self._value: list[T] = []

    @property
    def result(self) -> T:
        """What came of it.

        Raises:
            SeewhyError: what stopped it; `Cancelled` also where it is not over yet, or was forgotten.
        """
        if self.error:
            raise copy.copy(self.error)  # a traceback grows with each raise, and holds whatever it passed
        if not self._value:
            raise Cancelled(f"{self.about} is {self.state}: there is no result")
        return self._restore(self._value[0]) if self._restore else self._value[0]

    @property
    def is_forgotten(self) -> bool:
        """Whether its result was let go of."""
        return self.state is State.DONE and not self._value

    def begin(self) -> None:
        """It is this job's turn."""
        if not self.state.is_over:
            self.state = State.RUNNING
        self.clock.start()

    def cancel(self) -> None:
        """Stop it: if it waits it never starts, if it runs it stops at its next sign of progress."""
        self.stopped.set()
        if self.state is State.WAITING:
            self.finish(State.CANCELLED, error=Cancelled(f"{self.about} was stopped"))

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is over, at most so long; says whether it is."""
        return self._over.wait(seconds)

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked it to stop, or it has worked for too long."""
        if self.stopped.is_set():
            raise Cancelled(f"{self.about} was stopped")
        if self.clock.worked > self.clock.limit:
            raise OutOfTime(f"{self.about} took more than {_words(self.clock.limit)}; ask for less at once")

    def tell(self, done: int, total: int | None, message: str) -> None:
        """The progress that its work reports to."""
        self.check()
        self.told = (done, total, message)
        if not owns_any():  # those others may be waiting for this very network
            self.pause()

    def pause(self) -> None:
        """Stand aside while others come first."""
        self.rest(self)
        self.check()

    def finish(self, state: State, value: T | None = None, error: SeewhyError | None = None) -> None:
        """Enter a state from which nothing leads on."""
        if self.state.is_over:
            return
        if state is State.DONE:
            self._value = [value]  # pyright: ignore[reportAttributeAccessIssue]
        self.clock.stop()
        self.state, self.error, self.work = state, error and untraced(error), None
        self._over.set()

    def forget(self) -> None:
        """Let go of the result."""
        self._value = []


def done_by(job: Job[T]) -> tuple[State, T | None, SeewhyError | None]:
    """Run it to one of its ends; whoever calls survives whatever happens."""
    if job.work is None:
        return State.CANCELLED, None, Cancelled(f"{job.about} was stopped")
    try:
        with interruptible(job.check), pausing(job.pause):
            return State.DONE, job.work(job), None
    except OutOfTime as error:
        return State.FAILED, None, error
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


def untraced(error: SeewhyError) -> SeewhyError:
    """The error without its traceback and causes, whose frames would hold pictures and networks."""
    found = copy.copy(error)
    found.__traceback__ = found.__cause__ = found.__context__ = None
    return found


def _words(seconds: float) -> str:
    size, unit = next((each for each in UNITS if seconds >= each[0]), UNITS[-1])
    return f"{seconds / size:g} {unit}"

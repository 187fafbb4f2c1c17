"""What is done to units, and what becomes of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from seewhy.study.plan import Unit, canonical

Row: TypeAlias = Mapping[str, str | float | int | bool | None]
M = TypeVar("M")


class Failure(NamedTuple):
    """Why there are no rows: the name of the exception and what it says."""

    error: str
    message: str


@dataclass(frozen=True)
class Result:
    """A finished unit: its rows, or the failure in their place; `seconds` of the last of `attempts`."""

    unit: Unit
    rows: tuple[Row, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0
    attempts: int = 1


@dataclass(frozen=True)
class Work(Generic[M]):
    """Two functions that travel to the workers by pickle: functions of a module, or partials of them.

    Attributes:
        prepare: makes of a model's name whatever `score` needs of it; called once for each model in a row.
        score: makes the rows of one unit, all with the same names: plain values, no NaN. Its randomness is seeded
            anew for each unit, so that neither order nor worker matters.
    """

    prepare: Callable[[str], M]
    score: Callable[[M, Unit], Sequence[Row]]


class Bench(Generic[M]):
    """Where a worker does its units, one after another, with the model at hand."""

    def __init__(self, work: Work[M], threads: int) -> None:
        self._work = work
        self._threads = threads
        self._prepared: tuple[str, M] | None = None

    def do(self, unit: Unit) -> Result:
        """The rows of a unit, or why there are none; no exception gets out."""
        started = perf_counter()
        try:
            rows, failure = self._rows(unit), None
        except Exception as error:  # noqa: BLE001 - whatever fails, the study goes on
            rows, failure = (), Failure(type(error).__name__, _writable(str(error)))
        return Result(unit, rows, failure, perf_counter() - started)

    def _rows(self, unit: Unit) -> tuple[Row, ...]:
        if self._prepared is None or self._prepared[0] != unit.model:
            self._prepared = None  # two models at once may be more than the memory holds
            self._prepared = (unit.model, self._work.prepare(unit.model))
            _limit_threads(self._threads)
        rows = self._work.score(self._prepared[1], unit)
        # There and back through JSON: what cannot be written down fails here, by itself.
        return tuple(json.loads(canonical([dict(row) for row in rows]).encode()))


def _writable(text: str) -> str:
    """The same, but for the halves of letters that file names may hold and no file can."""
    return text.encode(errors="backslashreplace").decode()


def _limit_threads(threads: int) -> None:
    """Have every library that is loaded compute with so many: for speed among workers, and for equal last bits."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(threads)

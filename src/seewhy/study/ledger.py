"""A study run to its end from wherever it stands: what is finished is kept whatever ends the process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.core.files import write_whole
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.study.executors import Executor
from seewhy.study.plan import Failure, Plan, Result, Unit, Work, canonical, difference

if TYPE_CHECKING:
    import polars as pl


LEDGER = "ledger.sqlite"

# A write-ahead log loses no commit with the process; with the power it may lose the last few, which are done again.
# The exclusive lock is the operating system's: it ends with the process, however that ends.
_SETTINGS = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
BEGIN EXCLUSIVE;
CREATE TABLE IF NOT EXISTS plan (configuration TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS units (
    model TEXT, method TEXT, image TEXT,
    rows TEXT NOT NULL, error TEXT, message TEXT, seconds REAL NOT NULL, attempts INTEGER NOT NULL,
    PRIMARY KEY (model, method, image)
) WITHOUT ROWID;
COMMIT;
"""
_RECORD = "INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Ledger:
    """The finished units of one plan. Times and attempts are here and nowhere else."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def finished(self) -> set[Unit]:
        """Units that have their rows; one that failed is tried again, for its reason may be gone, as a full disk is."""
        with _failures_named(self._path):
            found = self._connection.execute("SELECT model, method, image FROM units WHERE error IS NULL")
            return {Unit(*row) for row in found}

    def record(self, result: Result) -> None:
        """Commit one result."""
        error, message = result.failure or (None, None)
        values = (*result.unit, canonical(result.rows), error, message, result.seconds, result.attempts)
        with _failures_named(self._path):
            self._connection.execute(_RECORD, values)

    def results(self) -> Iterator[Result]:
        """Everything recorded, sorted by model, method and image."""
        with _failures_named(self._path):
            for row in self._connection.execute("SELECT * FROM units ORDER BY model, method, image"):
                yield _result(*row)


@contextmanager
def open_ledger(folder: Path, plan: Plan) -> Generator[Ledger]:
    """The ledger in `folder`, made if need be, and nobody else's until it is closed.

    Raises:
        UsageError: another run is using it, it was begun with another configuration, it is damaged, or it cannot be
            written.
    """
    path = folder / LEDGER
    with closing(_connect(path)) as connection:
        with _failures_named(path):
            connection.executescript(_SETTINGS)
            _check_sound(connection, path)
            _check_plan(connection, plan.configuration, folder)
        yield Ledger(connection, path)


def read_plan(folder: Path) -> Plan:
    """The plan of the study in `folder`, without becoming its owner.

    Raises:
        UsageError: there is no study, a run is writing to it just now, or it is damaged.
    """
    path = folder / LEDGER
    if not path.is_file():
        raise UsageError(f"{folder} holds no study (no {LEDGER})")
    with (
        _failures_named(path),
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0)) as connection,
    ):
        (configuration,) = connection.execute("SELECT configuration FROM plan").fetchone()
    return Plan(**json.loads(configuration))


def _connect(path: Path) -> sqlite3.Connection:
    with _failures_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(path, timeout=0, isolation_level=None)


def _check_sound(connection: sqlite3.Connection, path: Path) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _damaged(path, verdict.replace("\n", " "))


def _check_plan(connection: sqlite3.Connection, configuration: str, folder: Path) -> None:
    known = connection.execute("SELECT configuration FROM plan").fetchone()
    if known is None:
        connection.execute("INSERT INTO plan VALUES (?)", [configuration])
    elif changes := difference(known[0], configuration):
        raise UsageError(
            f"{folder} holds a study with another configuration ({'; '.join(changes)}); "
            "choose another folder, or ask for what was asked there"
        )


def _result(
    model: str, method: str, image: str, rows: str, error: str | None, message: str, seconds: float, attempts: int
) -> Result:
    failure = Failure(error, message) if error else None
    return Result(Unit(model, method, image), tuple(json.loads(rows)), failure, seconds, attempts)


@contextmanager
def _failures_named(path: Path) -> Generator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # above are details
        if code == sqlite3.SQLITE_BUSY:
            raise UsageError(
                f"another run is writing to {path.parent}; wait for its end, or choose another folder"
            ) from error
        if code in _DAMAGED:
            raise _damaged(path, str(error)) from error
        raise UsageError(f"{path} cannot be written ({error}); check the disk's space and permissions") from error


def _damaged(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path} is damaged ({reason}); delete it to begin the study anew, or restore a copy")


RESULTS, FAILURES = "results.parquet", "failures.jsonl"


def table(results: Iterable[Result]) -> pl.DataFrame:
    """One line for each row of each result, in their order; a column that a row lacks is null there."""
    import polars as pl

    rows = [{**result.unit._asdict(), **row} for result in results for row in result.rows]
    names = dict.fromkeys(Unit._fields) | dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pl.DataFrame(columns, schema_overrides=dict.fromkeys(Unit._fields, pl.String), strict=False)


def failure_lines(results: Iterable[Result]) -> str:
    """One JSON object a line for each failure, in their order."""
    failed: list[dict[str, Any]] = [
        {**result.unit._asdict(), **result.failure._asdict()} for result in results if result.failure
    ]
    return "".join(canonical(each) + "\n" for each in failed)


def write(results: Sequence[Result], out: Path) -> None:
    """Write `RESULTS` and `FAILURES`, each whole or not at all."""
    buffer, failures = BytesIO(), failure_lines(results)
    table(results).write_parquet(buffer)
    write_whole(out / RESULTS, buffer.getvalue())
    write_whole(out / FAILURES, failures.encode())


def read(out: Path) -> pl.DataFrame:
    """The table that `write` left in `out`."""
    import polars as pl

    return pl.read_parquet(out / RESULTS)


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

"""What is finished of a study, whatever ends the process: readable for others while one run writes to it."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import time
from typing import Any, NamedTuple, TypeAlias

from filelock import FileLock, Timeout

from seewhy.core.databases import connect, guard_sqlite
from seewhy.core.reading import damaged, parse_json
from seewhy.core.text import shown
from seewhy.errors import UsageError
from seewhy.study.file_systems import check_local
from seewhy.study.plan import Failure, Plan, Result, Task, Unit, canonical, difference

_Scores: TypeAlias = dict[str, str | float | int | bool | None]  # a `Row`, as it is read

LEDGER, LOCK = "ledger.sqlite", "ledger.lock"

_OLD_SCHEMA = """
CREATE TABLE IF NOT EXISTS plan (configuration TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS units (
    model TEXT, method TEXT, image TEXT,
    rows TEXT NOT NULL, error TEXT, message TEXT, seconds REAL NOT NULL, attempts INTEGER NOT NULL,
    PRIMARY KEY (model, method, image)
) WITHOUT ROWID;
"""
_SCHEMA = f"""{_OLD_SCHEMA}
CREATE TABLE IF NOT EXISTS runs (began REAL NOT NULL, workers INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS maps (
    model TEXT, method TEXT, image TEXT, map BLOB NOT NULL, PRIMARY KEY (model, method, image)
);
"""
# A write-ahead log loses no commit with the process; with the power it may lose the last few, which are done again.
# Others read meanwhile; that but one run writes sees a lock of the operating system's to, which ends with the process.
_SETTINGS = f"""
PRAGMA trusted_schema = OFF;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
BEGIN IMMEDIATE;
{_SCHEMA}
COMMIT;
"""
_RECORD = "INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_KEEP = "INSERT OR REPLACE INTO maps VALUES (?, ?, ?, ?)"
_UNWRITABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
               sqlite3.SQLITE_PERM}  # fmt: skip
_CURE = "delete it to begin the study anew, or restore a copy"
_ROW_BYTES = 16 << 20  # of one unit's rows
_DESPITE_READERS = 30_000  # ms that a commit waits for whoever reads just now


class Standing(NamedTuple):
    """How far a study is.

    Attributes:
        units: how many there are.
        done: how many have their rows.
        failed: how many failed, and are tried again by the next run.
        seconds: that all those took together.
        workers: of the last run.
        running: whether a run writes to it now.
    """

    units: int
    done: int
    failed: int
    seconds: float
    workers: int
    running: bool

    @property
    def seconds_left(self) -> float | None:
        """About how long so many workers take for the rest; None before the first unit is done."""
        known = self.done + self.failed
        return self.seconds / known * (self.units - known) / self.workers if known else None


class Ledger:
    """The finished units of one plan. Times and attempts are here and nowhere else."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def begin(self, workers: int) -> None:
        """Note that a run begins."""
        with _failures_named(self._path):
            self._connection.execute("INSERT INTO runs VALUES (?, ?)", [time(), workers])

    def unfinished(self, plan: Plan) -> list[Task]:
        """Tasks of which a unit lacks its rows, those that were never tried first.

        One that failed is tried again, for its reason may be gone, as a full disk is; and with it the whole task, since
        the last digits of what methods ask together hang on all of them.
        """
        query = "SELECT model, image, count(*), sum(error IS NOT NULL) FROM units GROUP BY model, image"
        with _failures_named(self._path):
            known = {(model, image): (count, failed) for model, image, count, failed in self._connection.execute(query)}
        fresh: list[Task] = []
        again: list[Task] = []
        for task in plan.tasks:
            count, failed = known.get((task.model, task.image), (0, 0))
            if failed:
                again.append(task)
            elif count < len(task.methods):
                fresh.append(task)
        return [*fresh, *again]

    def record(self, results: Sequence[Result]) -> None:
        """Commit the results of one task, all or none."""
        with _failures_named(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for result in results:
                    self._put(result)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _put(self, result: Result) -> None:
        error, message = result.failure or (None, None)
        rows = zlib.compress(canonical(result.rows).encode())
        self._connection.execute(_RECORD, (*result.unit, rows, error, message, result.seconds, result.attempts))
        if result.map is not None:
            self._connection.execute(_KEEP, (*result.unit, result.map))

    def maps(self) -> Iterator[tuple[Unit, bytes]]:
        """Every packed map, sorted by model, method and image."""
        with _failures_named(self._path):
            for *names, data in self._connection.execute("SELECT * FROM maps ORDER BY model, method, image"):
                if not isinstance(data, bytes):
                    raise damaged(self._path, "a map is of another type", _CURE)
                yield self._unit(*names), data

    def results(self) -> Iterator[Result]:
        """Everything recorded, sorted by model, method and image."""
        with _failures_named(self._path):
            for row in self._connection.execute("SELECT * FROM units ORDER BY model, method, image"):
                yield self._result(*row)

    def plan(self) -> Plan:
        """What was planned."""
        with _failures_named(self._path):
            known = self._connection.execute("SELECT configuration FROM plan").fetchone()
        if known is None:
            raise damaged(self._path, "it holds no plan", _CURE)
        return parse_json(_text(known[0]), Plan, self._path, _CURE)

    def counts(self) -> tuple[int, int, float, int]:
        """How many units are done and failed, the seconds that both took, and the workers of the last run."""
        asked = "SELECT sum(error IS NULL), sum(error IS NOT NULL), sum(seconds) FROM units"
        with _failures_named(self._path):
            done, failed, seconds = self._connection.execute(asked).fetchone()
            noted = self._connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'runs'").fetchone()[0]
            last = "SELECT workers FROM runs ORDER BY rowid DESC LIMIT 1"
            (workers,) = (noted and self._connection.execute(last).fetchone()) or (1,)
        if not isinstance(seconds, float | None) or not isinstance(workers, int):
            raise damaged(self._path, "times or workers are of another type", _CURE)
        return done or 0, failed or 0, seconds or 0.0, max(workers, 1)

    def _result(self, model: Any, method: Any, image: Any, rows: Any, error: Any, message: Any, *rest: Any) -> Result:
        """A row of the table, in which SQLite keeps whatever was put there."""
        unit, (seconds, attempts) = self._unit(model, method, image), rest
        text = _unzipped(rows) if isinstance(rows, bytes) else rows  # the latter in older ledgers
        scores = parse_json(text, list[_Scores], self._path, _CURE) if isinstance(text, str) else None
        failure = None if error is None else Failure(error, message)
        texts = failure is None or (isinstance(error, str) and isinstance(message, str))
        if scores is None or not texts or not isinstance(seconds, float) or not isinstance(attempts, int):
            raise damaged(self._path, f"{unit.method} on {unit.image} is of another type", _CURE)
        return Result(unit, tuple(scores), failure, seconds, attempts)

    def _unit(self, *names: Any) -> Unit:
        if not all(isinstance(name, str) for name in names):
            raise damaged(self._path, "a unit is named by no text", _CURE)
        return Unit(*names)


def _unzipped(data: bytes) -> str | None:
    """The text; None where it is damaged or longer than any of ours."""
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(data, _ROW_BYTES)
        return text.decode() if reader.eof else None
    except (zlib.error, UnicodeDecodeError):
        return None


@contextmanager
def open_ledger(folder: Path, plan: Plan) -> Generator[Ledger]:
    """The ledger in `folder`, made if need be; nobody else writes to it until it is closed.

    Raises:
        UsageError: another run is using it, it was begun with another configuration, it is damaged, it cannot be
            written, or it lies on a disk of a network.
    """
    path = folder / LEDGER
    with _alone(folder), closing(_connect(path)) as connection:
        with _failures_named(path):
            connection.execute(f"PRAGMA busy_timeout = {_DESPITE_READERS}")
            connection.executescript(_SETTINGS)
            guard_sqlite(connection, _SCHEMA, path, _CURE)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise damaged(path, verdict, _CURE)
            _check_plan(connection, plan.configuration, path)
        yield Ledger(connection, path)


@contextmanager
def reading_ledger(folder: Path) -> Generator[Ledger]:
    """The ledger in `folder` as it stands, also while a run writes to it.

    Raises:
        UsageError: there is no study, or it is damaged.
    """
    path = folder / LEDGER
    if not path.is_file():
        raise UsageError(f"{folder} holds no study (no {LEDGER})")
    with _failures_named(path), closing(connect(path, _CURE, write=False)) as connection:
        old = not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'runs'").fetchone()[0]
        guard_sqlite(connection, _OLD_SCHEMA if old else _SCHEMA, path, _CURE)
        connection.execute("BEGIN")  # all that is read is of one moment
        yield Ledger(connection, path)


def read_plan(folder: Path) -> Plan:
    """The plan of the study in `folder`.

    Raises:
        UsageError: there is no study, or it is damaged.
    """
    with reading_ledger(folder) as ledger:
        return ledger.plan()


def standing(folder: Path) -> Standing:
    """How far the study in `folder` is, also while a run writes to it.

    Raises:
        UsageError: there is no study, or it is damaged.
    """
    with reading_ledger(folder) as ledger:
        done, failed, seconds, workers = ledger.counts()
        return Standing(ledger.plan().count, done, failed, seconds, workers, running=_is_running(folder))


def _is_running(folder: Path) -> bool:
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except (Timeout, OSError):  # the latter where this one may not write
        return True


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    with _failures_named(folder / LEDGER):
        folder.mkdir(parents=True, exist_ok=True)
    check_local(folder)
    with _failures_named(folder / LEDGER):
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(
                f"another run is writing to {folder}; wait for its end, or choose another folder"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _connect(path: Path) -> sqlite3.Connection:
    with _failures_named(path):
        return connect(path, _CURE, write=True)


def _check_plan(connection: sqlite3.Connection, configuration: str, path: Path) -> None:
    known = connection.execute("SELECT configuration FROM plan").fetchone()
    if known is None:
        connection.execute("INSERT INTO plan VALUES (?)", [configuration])
        return
    if changes := difference(parse_json(_text(known[0]), dict[str, Any], path, _CURE), configuration):
        raise UsageError(
            f"{path.parent} holds a study with another configuration ({shown('; '.join(changes))}); "
            "choose another folder, or ask for what was asked there"
        )


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else ""


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
        if isinstance(error, OSError) or code in _UNWRITABLE:
            raise UsageError(f"{path} cannot be written ({error}); check the disk's space and permissions") from error
        raise damaged(path, str(error), _CURE) from error

"""What a study is going to do, in full and before it begins, and what is finished of it, whatever ends the process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from seewhy.core.databases import connect, guard_sqlite
from seewhy.core.reading import damaged, parse_json
from seewhy.core.text import shown
from seewhy.errors import UsageError

_LISTED = 3  # names shown of many
_DIGEST = 64  # letters of a SHA-256, which tell people nothing

Row: TypeAlias = Mapping[str, str | float | int | bool | None]

_Scores: TypeAlias = dict[str, str | float | int | bool | None]  # a `Row`, as it is read

LEDGER = "ledger.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS plan (configuration TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS units (
    model TEXT, method TEXT, image TEXT,
    rows TEXT NOT NULL, error TEXT, message TEXT, seconds REAL NOT NULL, attempts INTEGER NOT NULL,
    PRIMARY KEY (model, method, image)
) WITHOUT ROWID;
"""
# A write-ahead log loses no commit with the process; with the power it may lose the last few, which are done again.
# The exclusive lock is the operating system's: it ends with the process, however that ends.
_SETTINGS = f"""
PRAGMA trusted_schema = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
BEGIN EXCLUSIVE;
{_SCHEMA}
COMMIT;
"""
_RECORD = "INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_UNWRITABLE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
               sqlite3.SQLITE_PERM}  # fmt: skip
_CURE = "delete it to begin the study anew, or restore a copy"


class Unit(NamedTuple):
    """The smallest piece of work: one method explains one image to one model, and all metrics score it."""

    model: str
    method: str
    image: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that decides the results of a study; two equal plans give the same bytes.

    Attributes:
        models: the fingerprint of each model by its name.
        methods: the hyper-parameters of each method by its name.
        metrics: the same of each metric.
        images: the content hash of each image by its path.
        masks: the content hash of the mask of each image that has one, by the path of the image.
        batch_size: images or variations in one forward; it decides the last bits of a sum.
        precision: of the network's numbers, such as `float32`.
        threads: of one worker; it decides the last bits as well.
        seed: of all randomness.
    """

    models: Mapping[str, str]
    methods: Mapping[str, Mapping[str, Any]]
    metrics: Mapping[str, Mapping[str, Any]]
    images: Mapping[str, str]
    masks: Mapping[str, str] = field(default_factory=dict[str, str])
    batch_size: int
    precision: str = "float32"
    threads: int = 1
    seed: int = 0

    @property
    def units(self) -> list[Unit]:
        """Every unit, model by model so that each is loaded once, and image by image."""
        triples = product(self.models, self.images, self.methods)
        return [Unit(model, method, image) for model, image, method in triples]

    @property
    def configuration(self) -> str:
        """The plan as canonical JSON."""
        return canonical(asdict(self))

    @property
    def sha256(self) -> str:
        """Hash of the configuration."""
        return sha256(self.configuration.encode()).hexdigest()


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
class Work:
    """Two functions that travel to the workers by pickle: functions of a module, or partials of them.

    Attributes:
        prepare: makes of a model's name whatever `score` needs of it; called once for each model in a row.
        score: makes the rows of one unit, all with the same names: plain values, no NaN. Its randomness is seeded
            anew for each unit, so that neither order nor worker matters.
    """

    prepare: Callable[[str], Any]
    score: Callable[[Any, Unit], Sequence[Row]]


def canonical(value: Any) -> str:
    """The one JSON text of `value`: keys sorted, no spaces, no NaN.

    Raises:
        TypeError, ValueError: JSON cannot say it.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def difference(old: Mapping[str, Any], new: str) -> list[str]:
    """In words, part by part, how a configuration differs from another in JSON; nothing where they are equal."""
    return list(_changes(old, json.loads(new), ""))


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], place: str) -> Iterator[str]:
    label = f"{place.rstrip('.')}: " if place else ""
    if gone := sorted(old.keys() - new.keys()):
        yield f"{label}no longer {_listed(gone)}"
    if come := sorted(new.keys() - old.keys()):
        yield f"{label}newly {_listed(come)}"
    common = sorted(old.keys() & new.keys())
    digests = [name for name in common if isinstance(old[name], str) and len(old[name]) == _DIGEST]
    if edited := [name for name in digests if old[name] != new[name]]:
        yield f"{label}other content in {_listed(edited)}"
    for name in common:
        if isinstance(old[name], dict) and isinstance(new[name], dict):
            yield from _changes(old[name], new[name], f"{place}{name}.")
        elif old[name] != new[name] and name not in edited:
            yield f"{place}{name}: was {_shown(old[name])}, now {_shown(new[name])}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)


class Ledger:
    """The finished units of one plan. Times and attempts are here and nowhere else."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def finished(self) -> set[Unit]:
        """Units that have their rows; one that failed is tried again, for its reason may be gone, as a full disk is."""
        with _failures_named(self._path):
            found = self._connection.execute("SELECT model, method, image FROM units WHERE error IS NULL")
            return {self._unit(*row) for row in found}

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
                yield self._result(*row)

    def _result(self, model: Any, method: Any, image: Any, rows: Any, error: Any, message: Any, *rest: Any) -> Result:
        """A row of the table, in which SQLite keeps whatever was put there."""
        unit, (seconds, attempts) = self._unit(model, method, image), rest
        scores = parse_json(rows, list[_Scores], self._path, _CURE) if isinstance(rows, str) else None
        failure = None if error is None else Failure(error, message)
        texts = failure is None or (isinstance(error, str) and isinstance(message, str))
        if scores is None or not texts or not isinstance(seconds, float) or not isinstance(attempts, int):
            raise damaged(self._path, f"{unit.method} on {unit.image} is of another type", _CURE)
        return Result(unit, tuple(scores), failure, seconds, attempts)

    def _unit(self, *names: Any) -> Unit:
        if not all(isinstance(name, str) for name in names):
            raise damaged(self._path, "a unit is named by no text", _CURE)
        return Unit(*names)


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
            guard_sqlite(connection, _SCHEMA, path, _CURE)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise damaged(path, verdict, _CURE)
            _check_plan(connection, plan.configuration, path)
        yield Ledger(connection, path)


def read_plan(folder: Path) -> Plan:
    """The plan of the study in `folder`, without becoming its owner.

    Raises:
        UsageError: there is no study, a run is writing to it just now, or it is damaged.
    """
    path = folder / LEDGER
    if not path.is_file():
        raise UsageError(f"{folder} holds no study (no {LEDGER})")
    with _failures_named(path), closing(connect(path, _CURE, write=False)) as connection:
        guard_sqlite(connection, _SCHEMA, path, _CURE)
        known = connection.execute("SELECT configuration FROM plan").fetchone()
    if known is None:
        raise damaged(path, "it holds no plan", _CURE)
    return parse_json(_text(known[0]), Plan, path, _CURE)


def _connect(path: Path) -> sqlite3.Connection:
    with _failures_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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

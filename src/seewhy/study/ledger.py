"""What a study is going to do, in full and before it begins, and what is finished of it, whatever ends the process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from seewhy.core.files import write_whole
from seewhy.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

_LISTED = 3  # names shown of many
_DIGEST = 64  # letters of a SHA-256, which tell people nothing

Row: TypeAlias = Mapping[str, str | float | int | bool | None]

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

RESULTS, FAILURES = "results.parquet", "failures.jsonl"


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


def difference(old: str, new: str) -> list[str]:
    """In words, part by part, how one configuration differs from another; nothing where they are equal."""
    return list(_changes(json.loads(old), json.loads(new), ""))


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
                model, method, image, rows, error, message, seconds, attempts = row
                failure = Failure(error, message) if error else None
                yield Result(Unit(model, method, image), tuple(json.loads(rows)), failure, seconds, attempts)


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
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise _damaged(path, verdict.replace("\n", " "))
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


def _check_plan(connection: sqlite3.Connection, configuration: str, folder: Path) -> None:
    known = connection.execute("SELECT configuration FROM plan").fetchone()
    if known is None:
        connection.execute("INSERT INTO plan VALUES (?)", [configuration])
    elif changes := difference(known[0], configuration):
        raise UsageError(
            f"{folder} holds a study with another configuration ({'; '.join(changes)}); "
            "choose another folder, or ask for what was asked there"
        )


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

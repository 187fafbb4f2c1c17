"""SQLite files from elsewhere: what stands in them beside our own tables is refused before anything of it runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from seewhy.core.reading import damaged
from seewhy.core.text import shown
from seewhy.errors import BadFile

CELL_BYTES = 64 << 20  # of one value


def connect(path: Path, cure: str, *, write: bool) -> sqlite3.Connection:
    """A connection to the SQLite file at `path` in autocommit, waiting for nobody; made where it is to be written.

    Raises:
        BadFile: it is no file, or a rollback journal lies beside it: databases of ours have none, and what a foreign
            one says would be written into the database, and files that it names deleted.
        sqlite3.Error, OSError: it cannot be opened.
    """
    if path.exists() and not path.is_file():
        raise BadFile(f"{shown(path)} is no file; {cure}")
    if (journal := path.with_name(f"{path.name}-journal")).exists():
        raise damaged(path, f"{shown(journal.name)} lies beside it", cure)
    mode = "rwc" if write else "ro"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=0, isolation_level=None)


def guard_sqlite(connection: sqlite3.Connection, schema: str, path: Path, cure: str) -> None:
    """Refuse a database whose tables are not exactly those of `schema`: views and triggers of others would run.

    Args:
        connection: to the database, before anything is asked of it.
        schema: the statements that make such a database.
        path: of the file.
        cure: what to do where it is another's.
    """
    connection.executescript("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL_BYTES)
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(schema)
        wanted = _tables(ours)
    if (found := _tables(connection)) != wanted:
        names = ", ".join(sorted({shown(name) for name, _ in found ^ wanted})[:3])
        raise damaged(path, f"missing, foreign or of another shape: {names}", cure)


def _tables(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    found = connection.execute("SELECT name, type, tbl_name, sql FROM sqlite_master").fetchall()
    return {(str(name), " ".join(" ".join(map(str, rest)).split())) for name, *rest in found}

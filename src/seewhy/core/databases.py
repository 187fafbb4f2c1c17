"""SQLite files from elsewhere: what stands in them beside our own tables is refused before anything of it runs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from seewhy.core.reading import damaged
from seewhy.core.text import shown

CELL_BYTES = 64 << 20  # of one value


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

"""What may stand in an SQLite file beside rows: our tables and guards, nothing that would run in our statements."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, text

from seewhy.core.text import shown
from seewhy.errors import StoreError

REFUSED = "mask revisions are added, never changed"
GUARDED = "mask_revisions"


def sqlite_guards(*, unless_whole: bool) -> dict[str, str]:
    """The triggers that refuse changes of revisions, by name; `unless_whole` lets them go once their mask is gone."""
    gone = "WHEN EXISTS (SELECT 1 FROM masks WHERE id = OLD.mask_id) " if unless_whole else ""
    return {
        name: f"CREATE TRIGGER {name} BEFORE {verb} ON {GUARDED} {when}BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        for name, verb, when in (("keep_revisions_update", "UPDATE", ""), ("keep_revisions_delete", "DELETE", gone))
    }


def check_schema(connection: Connection, tables: Collection[str]) -> None:
    """Refuse an SQLite file that holds more than our tables, their indexes and guards.

    Raises:
        StoreError: there are views, triggers or tables of others.
    """
    if connection.dialect.name != "sqlite":
        return
    guards = {sql for whole in (False, True) for sql in sqlite_guards(unless_whole=whole).values()}
    for kind, name, table, sql in connection.execute(text("SELECT type, name, tbl_name, sql FROM sqlite_master")):
        words = " ".join(str(sql or "").split())
        ours = table in tables or str(table).startswith("sqlite_")  # names of SQLite's own
        known = ours and (kind == "index" or (kind == "table" and not words.upper().startswith("CREATE VIRTUAL")))
        if not known and not (kind == "trigger" and words in guards):
            raise StoreError(
                "the database holds things that seewhy does not make, so nothing in it is used; give seewhy a file of "
                "its own, and bring over what people did with `seewhy people export` and `import`",
                f"{shown(kind)} {shown(name)}",
            )

"""Results as files: the same results, the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.core.files import write_whole
from seewhy.study.plan import Unit, canonical
from seewhy.study.work import Result

if TYPE_CHECKING:
    import polars as pl

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
    buffer = BytesIO()
    table(results).write_parquet(buffer)
    write_whole(out / RESULTS, buffer.getvalue())
    write_whole(out / FAILURES, failure_lines(results).encode())


def read(out: Path) -> pl.DataFrame:
    """The table that `write` left in `out`."""
    import polars as pl

    return pl.read_parquet(out / RESULTS)

"""What a study leaves beside its ledger: a table with a row for each score, and a line for each failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from seewhy.core.files import write_whole
from seewhy.core.reading import damaged, parse_json, read_lines, read_table
from seewhy.study.ledger import Failure, Result, Unit, canonical

if TYPE_CHECKING:
    import polars as pl

RESULTS, FAILURES = "results.parquet", "failures.jsonl"
CELLS: dict[str, Any] = {  # columns of JSON
    "draws": list[float],
    "chance": list[float],
    "notes": list[str],
}
NEEDED = ("metric", "label", "value", "probability")  # columns that every table has, beside those of its units
TEXTS = (
    *CELLS,
    "reason",
    "layer",
    "checks",
    "told",
    "before",
    "turned_to",
    "control",
)  # columns that studies of older versions may lack
_WRITE_AGAIN = "run the same study again into this folder, which writes it from the ledger"


class _Failed(TypedDict):
    """A line of the file of failures."""

    model: str
    method: str
    image: str
    error: str
    message: str


def table(results: Iterable[Result]) -> pl.DataFrame:
    """One line for each row of each result, in their order; a column that a row lacks is null there."""
    import polars as pl

    rows = [{**result.unit._asdict(), **row} for result in results for row in result.rows]
    found = dict.fromkeys(name for row in rows for name in row) or dict.fromkeys(NEEDED)
    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(Unit._fields) | found}
    text = dict.fromkeys((*Unit._fields, "metric"), pl.String)
    return pl.DataFrame(columns, schema_overrides=text, strict=False)


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
    """The table that `write` left in `out`.

    Raises:
        BadFile: it is missing or damaged.
    """
    path = out / RESULTS
    table = read_table(path, _WRITE_AGAIN, *_columns())
    if not table["value"].cast(float).drop_nulls().is_finite().all():
        raise damaged(path, "a score is no finite number", _WRITE_AGAIN)
    for name in CELLS.keys() & {*table.columns}:
        for cell in table[name].drop_nulls().unique():
            if not parse_json(cell, CELLS[name], path, _WRITE_AGAIN):
                raise damaged(path, f"there is nothing in {name}", _WRITE_AGAIN)
    return table


def _columns() -> tuple[dict[str, Any], dict[str, Any]]:
    """By name the types of the columns that every table has, and of those that some lack."""
    import polars as pl

    text, number = (pl.String, pl.Null), (pl.Float64, pl.Int64, pl.Null)
    needed = {
        **dict.fromkeys((*Unit._fields, "metric"), pl.String),
        "label": text,
        "value": number,
        "probability": number,
    }
    numbers = dict.fromkeys(("beside_chance", "other_classes", "without_overlay", "with_overlay"), number)
    return needed, {**dict.fromkeys(TEXTS, text), **numbers, "target": (pl.Int64, pl.Null)}


def read_failures(out: Path) -> list[Result]:
    """The failures that `write` left in `out`; none where there is no such file.

    Raises:
        BadFile: it is damaged.
    """
    path = out / FAILURES
    rows = read_lines(path, _Failed, _WRITE_AGAIN) if path.exists() else []
    return [Result(Unit(row["model"], row["method"], row["image"]), failure=Failure(row["error"], row["message"]))
            for row in rows]  # fmt: skip

"""What a study leaves beside its ledger: a row for each score, a line for each failure, and maps."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from shutil import copyfileobj, rmtree
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import TypedDict

from seewhy.core.files import whole_file, write_whole, writing
from seewhy.core.reading import TABLE_BYTES, damaged, open_regular, parse_json, read_lines, read_table, sound
from seewhy.study.maps import unpacked
from seewhy.study.plan import Failure, Result, Unit, canonical

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

RESULTS, FAILURES, MAPS = "results.parquet", "failures.jsonl", "maps.parquet"
PART = 400  # units at a time in memory
GROUP = 1 << 16  # rows

Item = TypeVar("Item")
CELLS: dict[str, Any] = {  # columns of JSON
    "draws": list[float],
    "chance": list[float],
    "notes": list[str],
    "view": list[float],
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


def write(results: Iterable[Result], maps: Iterable[tuple[Unit, bytes]], out: Path) -> list[Result]:
    """Write `RESULTS`, `FAILURES` and, where there are any, `MAPS`, each whole or not at all.

    Memory holds a part of each at a time.

    Returns:
        The results that are failures.
    """
    failures: list[Result] = []

    def sound() -> Iterator[Result]:
        for result in results:
            if result.failure:
                failures.append(result)
            else:
                yield result

    _write_parts((table(part) for part in _batches(sound(), PART)), out / RESULTS, table([]))
    _write_parts((_map_table(part) for part in _batches(maps, PART)), out / MAPS, None)
    write_whole(out / FAILURES, failure_lines(failures).encode())
    return failures


def _map_table(maps: Iterable[tuple[Unit, bytes]]) -> pl.DataFrame:
    import polars as pl

    kinds = {**dict.fromkeys(Unit._fields, pl.String), "map": pl.Binary}
    return pl.DataFrame([(*unit, data) for unit, data in maps], kinds, orient="row")


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """All of them in order, so many at a time."""
    left = iter(items)
    while part := [*islice(left, size)]:
        yield part


@contextmanager
def _emptied(folder: Path) -> Generator[Path]:
    """A new folder, gone afterwards; of a run that was killed one may be there still."""
    rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)


def _write_parts(parts: Iterable[pl.DataFrame], path: Path, empty: pl.DataFrame | None) -> None:
    """Tables, each with some of the columns, below each other in one file; of none the empty one, or no file."""
    import polars as pl

    with _emptied(path.with_name(f"{path.stem}.parts")) as folder, writing(path):
        files: list[Path] = []
        for number, part in enumerate(parts):
            files.append(folder / f"{number:06d}.parquet")
            part.write_parquet(files[-1])
        if not files and empty is None:
            path.unlink(missing_ok=True)
            return
        tables = [pl.scan_parquet(file) for file in files] or [pl.LazyFrame(empty)]
        joined = folder / "joined"
        # In order, and in groups of so many rows: neither hangs on how many threads there are.
        pl.concat(tables, how="diagonal_relaxed").sink_parquet(joined, row_group_size=GROUP, maintain_order=True)
        with whole_file(path) as file, joined.open("rb") as whole:
            copyfileobj(whole, file)


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
    numbers = dict.fromkeys(("beside_chance", "other_classes", "without_overlay", "with_overlay", "apart"), number)
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


def read_maps(out: Path, images: Sequence[str]) -> dict[tuple[str, str, str], np.ndarray]:
    """The maps `(h, w)` of these images that `write` left in `out`, by model, method and image.

    Raises:
        BadFile: the file is damaged.
    """
    import polars as pl

    path = out / MAPS
    if not path.exists():
        return {}
    with sound(path, _WRITE_AGAIN):
        with open_regular(path, _WRITE_AGAIN):
            pass
        kinds = {**dict.fromkeys(Unit._fields, pl.String), "map": pl.Binary}
        if dict(pl.read_parquet_schema(path)) != kinds:
            raise damaged(path, "it holds other columns", _WRITE_AGAIN)
        chosen = pl.scan_parquet(path).filter(pl.col("image").is_in([*images]))
        size = chosen.select(pl.col("map").bin.size().sum()).collect(engine="streaming").item()
        if size > TABLE_BYTES:
            raise damaged(
                path, f"the maps of {len(images)} pictures unpack to more than {TABLE_BYTES >> 20} MiB", _WRITE_AGAIN
            )
        found = chosen.collect(engine="streaming")
        try:
            return {(model, method, image): unpacked(data) for model, method, image, data in found.iter_rows()}
        except (TypeError, ValueError) as error:
            raise damaged(path, str(error), _WRITE_AGAIN) from error

"""The files of a case base: written whole or not at all, and checked before they are believed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, fields
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seewhy import __version__
from seewhy.cases import neighbours
from seewhy.cases.manifest import BUILD, MANIFEST, SCHEMA, About, Manifest
from seewhy.cases.neighbours import Index
from seewhy.core.files import write_json
from seewhy.core.reading import damaged, is_relative, open_regular, read_array, read_table, sound

if TYPE_CHECKING:
    import polars as pl

VECTORS, LOGITS, TABLE = "embeddings.npy", "logits.npy", "cases.parquet"
INDEX = {field.name: f"index-{field.name}.npy" for field in fields(Index)}
NEXT = "next"  # where a base is written before it takes the place of the old one
AGAIN = f"build it again: {BUILD}"
LENGTH = 1e-3  # by how much that of a vector may differ from 1
CHUNK = 4096  # rows looked at together
SUSPECT = r"\.\.|^[./\\]|^$|\x00|:"  # paths that may lead elsewhere; others are not looked at one by one


class Content(NamedTuple):
    """Vectors `(n, D)` and logits `(n, K)`, memory-mapped; the table of n rows; the lists to search, if there are."""

    vectors: np.ndarray
    logits: np.ndarray
    table: pl.DataFrame
    lists: Index | None


def read_content(folder: Path, manifest: Manifest) -> Content:
    """What the files of a base hold, which is what its manifest says.

    Raises:
        BadFile: one of them is missing, damaged or changed, or holds what no build writes.
    """
    count, dimensions, classes, files = manifest.cases, manifest.dimensions, manifest.classes, manifest.files
    if set(files) not in ({VECTORS, LOGITS, TABLE}, {VECTORS, LOGITS, TABLE, *INDEX.values()}) or not count:
        raise damaged(folder / MANIFEST, "it names no files of a case base", AGAIN)
    vectors = _array(folder / VECTORS, np.float32, (count, dimensions), mapped=True)
    logits = _array(folder / LOGITS, np.float32, (count, classes), mapped=True)
    index = _read_index(folder, count, dimensions) if len(files) > 3 else None
    for name, digest in files.items():
        with sound(folder / name, AGAIN):
            status = (folder / name).stat()
            check_file(folder / name, digest, (status.st_size, status.st_mtime_ns, status.st_ino))
    table = read_table(folder / TABLE, AGAIN, columns())
    if flaw := _flaw(table, count, classes):
        raise damaged(folder / TABLE, flaw, AGAIN)
    return Content(vectors, logits, table, index)


def columns() -> dict[str, pl.DataType]:
    """The columns of the table."""
    import polars as pl

    text = pl.String()
    return {
        "path": text,
        "sha256": text,
        "pixels": text,
        "print": pl.UInt64(),
        "label": text,
        "predicted": pl.Int32(),
    }


def _array(path: Path, dtype: type[np.generic], shape: tuple[int | None, ...], *, mapped: bool = False) -> np.ndarray:
    wanted = np.dtype(dtype)
    array = read_array(path, AGAIN, kinds=wanted.kind, shape=shape, mapped=mapped)
    if array.dtype != wanted or not array.flags.c_contiguous:
        raise damaged(path, f"it holds {array.dtype}, not rows of {wanted}", AGAIN)
    return array


def _read_index(folder: Path, count: int, dimensions: int) -> Index:
    centres = _array(folder / INDEX["centres"], np.float32, (None, dimensions))
    rows = _array(folder / INDEX["rows"], np.int64, (count,))
    starts = _array(folder / INDEX["starts"], np.int64, (None,))
    if flaw := Index(centres, rows, starts).flaw:
        raise damaged(folder / INDEX["starts"], flaw, AGAIN)
    return Index(centres, rows, starts)


def _flaw(table: pl.DataFrame, count: int, classes: int) -> str | None:
    """What keeps `table` from being that of `count` cases of `classes` classes; None where nothing does."""
    if len(table) != count:
        return f"it has {len(table)} rows, not {count}"
    if table.drop("label").null_count().sum_horizontal().item():
        return "values are missing"
    if not table["predicted"].is_between(0, classes - 1).all():
        return "it predicts classes that there are not"
    suspects = table["path"].filter(table["path"].str.contains(SUSPECT)).to_list()
    path = next((path for path in suspects if not is_relative(path)), None)
    return None if path is None else f"{path} is no path below a folder"


@lru_cache(maxsize=256)
def check_file(path: Path, digest: str, stamp: tuple[int, ...]) -> None:  # noqa: ARG001 - another stamp, another file
    """Refuse a file that has another SHA-256 than `digest`, or numbers that no network gives.

    Large files take seconds, so that one which was sound is not read again while size, time and place are its `stamp`.
    """
    with open_regular(path, AGAIN) as file:
        if file_digest(file, "sha256").hexdigest() != digest:
            raise damaged(path, "its bytes are not those that were written", AGAIN)
    if check := CHECKS.get(path.name):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not all(check(array[start : start + CHUNK]) for start in range(0, len(array), CHUNK)):
            raise damaged(path, "it holds numbers that no network gives", AGAIN)


def are_unit(vectors: np.ndarray) -> bool:
    """Whether each is of length 1, or 0 where a network saw nothing; NaN is neither."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    return bool(((np.abs(squares - 1) < 2 * LENGTH) | (squares == 0)).all())


def are_finite(logits: np.ndarray) -> bool:
    """Whether none is NaN or infinity."""
    return bool(np.isfinite(logits).all())


CHECKS: dict[str, Callable[[np.ndarray], bool]] = {
    VECTORS: are_unit,
    LOGITS: are_finite,
    INDEX["centres"]: are_finite,
}


# --- Writing ------------------------------------------------------------------------------------------------------


def write_content(
    folder: Path, about: About, parts: Iterable[tuple[np.ndarray, np.ndarray]], table: pl.DataFrame
) -> None:
    """Put a base in the place of whatever base `folder` held: the whole of it, whenever the process may end.

    `parts` gives vectors `(m, D)` and logits `(m, K)` in the order of `table`.
    """
    fresh = folder / NEXT
    clear(fresh)
    fresh.mkdir(parents=True)
    vectors, logits = _write_arrays(fresh, parts, len(table))
    table.write_parquet(fresh / TABLE)
    if len(vectors) > neighbours.EXACT:
        index = Index.of(vectors)
        for field, name in INDEX.items():
            np.save(fresh / name, getattr(index, field), allow_pickle=False)
    files = {path.name: _sealed(path) for path in sorted(fresh.iterdir())}
    manifest = Manifest(SCHEMA, __version__, about, len(table), vectors.shape[1], logits.shape[1], files)
    write_json(fresh / MANIFEST, asdict(manifest))
    finish_writing(folder)


def _write_arrays(folder: Path, parts: Iterable[tuple[np.ndarray, np.ndarray]], count: int) -> list[np.memmap]:
    """Part by part, so that they need not fit into memory."""
    files: list[np.memmap] = []
    start = 0
    for part in parts:
        files = files or [
            np.lib.format.open_memmap(folder / name, "w+", np.float32, (count, array.shape[1]))
            for name, array in zip((VECTORS, LOGITS), part, strict=True)
        ]
        for file, array in zip(files, part, strict=True):
            file[start : start + len(array)] = array
            file.flush()
        start += len(part[0])
    return files


def _sealed(path: Path) -> str:
    """SHA-256 of a file that lies on the disk for good."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return file_digest(file, "sha256").hexdigest()


def finish_writing(folder: Path) -> None:
    """Move what was written whole, and not yet moved, to its place; can be interrupted and done again.

    The manifest is written last and moved last, so that it stands for all that it speaks of.
    """
    fresh = folder / NEXT
    if fresh.is_symlink() or not (fresh / MANIFEST).is_file():  # no build makes a link
        return
    if (fresh / TABLE).exists():  # nothing is moved yet, and the next base may have no index
        for name in INDEX.values():
            (folder / name).unlink(missing_ok=True)
    for name in (TABLE, VECTORS, LOGITS, *INDEX.values(), MANIFEST):
        with suppress(FileNotFoundError):  # moved before, or none
            (fresh / name).replace(folder / name)
    with suppress(FileNotFoundError):
        clear(fresh)


def clear(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""Build a case base from a folder of pictures, or bring one up to date: what is known already is not embedded again.

A picture is known by the bytes of its file. What was embedded is kept in parts until the base is written, so that a
build that was interrupted goes on where it stood.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from seewhy.cases.base import MANIFEST, About, CaseBase, finish_writing, write_base
from seewhy.cases.embedders import Embedder
from seewhy.cases.queries import picture_print
from seewhy.core.files import whole_file, write_json
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import ExplainError, SeewhyError, UsageError
from seewhy.images import Entry, Folder, Image

JOURNAL, ABOUT, LOCK = "building", "about.json", ".lock.sqlite"
BATCH = 16  # always full, since from here on convolutions of one picture do not depend on its neighbours
PART = 128  # pictures; as many are embedded again at most after an interruption
CHUNK = 4096  # rows copied at once
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Built:
    """The base, the pictures that could not be embedded, and how many were."""

    base: CaseBase
    failures: tuple[Outcome[None], ...]
    embedded: int


class Part(NamedTuple):
    """Embedded pictures: hashes of their files and of what is seen, prints, vectors and logits."""

    files: np.ndarray
    pixels: np.ndarray
    prints: np.ndarray
    vectors: np.ndarray
    logits: np.ndarray


def build(folder: Folder, embedder: Embedder, out: Path, about: About, progress: Progress = silent) -> Built:
    """Make the case base in `out` hold the pictures of `folder`, embedding those alone that are new or changed.

    Raises:
        UsageError: `out` holds a base of another classifier or embedding, or somebody else is building it.
        ExplainError: not one picture can be embedded; the base stays as it was.
        Cancelled: `progress` said so; build again to go on.
    """
    out.mkdir(parents=True, exist_ok=True)
    journal = out / JOURNAL
    with _locked(out):
        known = _known(out, journal, embedder, about)
        places = _places(known)
        hashes = folder.hashes
        lacking = [entry for entry in folder.entries if hashes[entry.path] not in places]
        fresh = list({hashes[entry.path]: entry for entry in lacking}.values())
        failed: dict[str, SeewhyError] = {}
        for part in _embedded(folder, fresh, embedder, failed, progress):
            path = next(path for number in count() if not (path := journal / f"{number:06}.npz").exists())
            with whole_file(path) as file:
                np.savez(file, **part._asdict())
            known.append(part)
        base = _assembled(folder, out, about, known, failed)
    failures = [Outcome(each.path, error=failed.get(hashes[each.path])) for each in folder.entries]
    return Built(base, tuple(each for each in failures if each.error), len(fresh) - len(failed))


def _known(out: Path, journal: Path, embedder: Embedder, about: About) -> list[Part]:
    """What the base in `out` holds, and what an interrupted build had embedded."""
    finish_writing(out)
    known: list[Part] = []
    if (out / MANIFEST).exists():
        base = CaseBase.open(out)
        base.about.check(out, embedder)
        files, pixels, prints = (base.table[name].to_numpy() for name in ("sha256", "pixels", "print"))
        known.append(Part(files, pixels, prints, base.vectors, base.logits))
    note = journal / ABOUT
    mine = {name: value for name, value in asdict(about).items() if name in {"embedding", "fingerprint", "encoder"}}
    if not note.exists() or json.loads(note.read_text("utf-8")) != mine:
        shutil.rmtree(journal, ignore_errors=True)
        journal.mkdir()
        write_json(note, mine)
    for path in sorted(journal.glob("*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            known.append(Part(**arrays))
    return known


def _places(known: Sequence[Part]) -> dict[str, tuple[int, int]]:
    """Part and row of each file that was embedded, by its hash."""
    return {name: (part, row) for part, each in enumerate(known) for row, name in enumerate(each.files.tolist())}


# --- Embedding ----------------------------------------------------------------------------------------------------


def _embedded(
    folder: Folder, entries: Sequence[Entry], embedder: Embedder, failed: dict[str, SeewhyError], progress: Progress
) -> Iterator[Part]:
    """Parts of up to `PART` pictures; the errors of the others go into `failed`, by the hash of the file."""
    progress(0, len(entries), "pictures")
    done = 0
    for wanted in _batches(entries, PART):
        rows: list[Part] = []
        for batch in _batches(wanted, BATCH):
            opened: dict[str, Image] = {}  # by the hash of the file
            for entry in batch:
                try:
                    opened[folder.hashes[entry.path]] = folder.image(entry)
                except SeewhyError as error:
                    failed[folder.hashes[entry.path]] = error
            rows += _asked(opened, embedder, failed)
            done += len(batch)
            progress(done, len(entries), "pictures")
        if rows:
            yield Part(*map(np.concatenate, zip(*rows, strict=True)))


def _asked(opened: dict[str, Image], embedder: Embedder, failed: dict[str, SeewhyError]) -> list[Part]:
    """One part of all, or where the network cannot cope with some of them, one of each other."""
    if not opened:
        return []
    images = list(opened.values())
    try:
        vectors, logits = embedder([*images, *images[-1:] * (BATCH - len(images))])
    except SeewhyError as error:
        if len(opened) > 1:
            return [part for name, image in opened.items() for part in _asked({name: image}, embedder, failed)]
        failed[next(iter(opened))] = error
        return []
    pixels, prints = [image.sha256 for image in images], [picture_print(image) for image in images]
    return [
        Part(
            np.array(list(opened)),
            np.array(pixels),
            np.array(prints, np.uint64),
            vectors[: len(images)].numpy(),
            logits[: len(images)].numpy(),
        )
    ]


# --- Writing ------------------------------------------------------------------------------------------------------


def _assembled(
    folder: Folder, out: Path, about: About, known: Sequence[Part], failed: dict[str, SeewhyError]
) -> CaseBase:
    """The base of all pictures of `folder` that were embedded, in their order."""
    import polars as pl

    places = _places(known)
    entries = [entry for entry in folder.entries if folder.hashes[entry.path] in places]
    if not entries:
        raise ExplainError(
            f"none of the pictures in {folder.root} can be embedded; the first: {next(iter(failed.values()))}"
        )
    rows = [places[folder.hashes[entry.path]] for entry in entries]
    columns = {
        "path": [entry.path for entry in entries],
        "sha256": [folder.hashes[entry.path] for entry in entries],
        "pixels": [str(known[part].pixels[row]) for part, row in rows],
        "print": [int(known[part].prints[row]) for part, row in rows],
        "label": [entry.label for entry in entries],
        "predicted": [int(known[part].logits[row].argmax()) for part, row in rows],
    }
    table = pl.DataFrame(columns, schema_overrides={"print": pl.UInt64, "label": pl.String, "predicted": pl.Int32})
    arrays = (
        (
            np.stack([known[part].vectors[row] for part, row in chunk]),
            np.stack([known[part].logits[row] for part, row in chunk]),
        )
        for chunk in _batches(rows, CHUNK)
    )
    base = write_base(out, about, arrays, table)
    shutil.rmtree(out / JOURNAL, ignore_errors=True)
    return base


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


@contextmanager
def _locked(out: Path) -> Generator[None]:
    """Nobody else builds in `out` meanwhile. The lock is the operating system's: it ends with the process."""
    with closing(sqlite3.connect(out / LOCK, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise UsageError(f"somebody else is building {out} ({error}); wait, or give another --out") from error
        yield

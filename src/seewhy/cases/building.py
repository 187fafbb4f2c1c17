"""Build a case base from a folder of pictures, or bring one up to date: what is known already is not embedded again.

A picture is known by the bytes of its file. What was embedded is kept in parts until the base is written, so that a
build that was interrupted goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from filelock import FileLock, Timeout

from seewhy.cases.base import CaseBase, write_base
from seewhy.cases.embedders import Embedder
from seewhy.cases.manifest import MANIFEST, About, read_manifest
from seewhy.cases.queries import picture_print
from seewhy.cases.storage import AGAIN, are_finite, are_unit, clear, finish_writing
from seewhy.core.files import whole_file, write_json
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import damaged, path_below, read_arrays, read_json
from seewhy.errors import BadFile, ExplainError, SeewhyError, UsageError
from seewhy.images import Entry, Folder, Image

JOURNAL, ABOUT, LOCK = "building", "about.json", ".lock"
BATCH = 16  # always full, since from here on convolutions of one picture do not depend on its neighbours
PART = 128  # pictures; as many are embedded again at most after an interruption
CHUNK = 4096  # rows copied at once
LINKED = "cases are shown from inside the folder alone, so put a copy of the picture there, not a link"
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Built:
    """The base, the pictures that could not be embedded, how many were, and the damage that was left behind."""

    base: CaseBase
    failures: tuple[Outcome[None], ...]
    embedded: int
    damage: tuple[BadFile, ...] = ()


class Part(NamedTuple):
    """Embedded pictures: hashes of their files and of what is seen, prints, vectors and logits."""

    files: np.ndarray
    pixels: np.ndarray
    prints: np.ndarray
    vectors: np.ndarray
    logits: np.ndarray

    @property
    def is_sound(self) -> bool:
        """Whether these are arrays of as many pictures, of the kinds that a build writes."""
        count = self.files.size
        kinds = [(each.dtype.kind, each.ndim, len(each)) for each in self if each.ndim]
        texts, prints, numbers = ("U", 1, count), ("u", 1, count), ("f", 2, count)
        fitting = kinds == [texts, texts, prints, numbers, numbers] and self.logits.shape[1] > 0
        return fitting and are_unit(self.vectors) and are_finite(self.logits)


@dataclass(frozen=True)
class Journal:
    """What the parts of an interrupted build were embedded by."""

    embedding: str
    fingerprint: str
    encoder: str | None


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
        damage: list[BadFile] = []
        known = [*_stored(out, embedder, damage), *_resumed(journal, about, damage)]
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
    bad = tuple(each for each in failures if each.error)
    return Built(base, bad, len(fresh) - len(failed), tuple(damage))


def _stored(out: Path, embedder: Embedder, damage: list[BadFile]) -> Iterator[Part]:
    """What the base in `out` holds, if there is one; where its files are damaged, all is embedded again."""
    finish_writing(out)
    if not (out / MANIFEST).exists():
        return
    read_manifest(out).about.check(out, embedder)
    try:
        base = CaseBase.open(out)
    except BadFile as error:
        damage.append(error)
        return
    files, pixels, prints = (base.table[name].to_numpy() for name in ("sha256", "pixels", "print"))
    yield Part(files, pixels, prints, base.vectors, base.logits)


def _resumed(journal: Path, about: About, damage: list[BadFile]) -> Iterator[Part]:
    """What an interrupted build had embedded; a part that is damaged is removed."""
    mine, note = Journal(about.embedding, about.fingerprint, about.encoder), journal / ABOUT
    try:
        resumes = not journal.is_symlink() and note.exists() and read_json(note, Journal, AGAIN) == mine
    except BadFile as error:
        damage.append(error)
        resumes = False
    if not resumes:
        clear(journal)
        journal.mkdir()
        write_json(note, asdict(mine))
    for path in sorted(journal.glob("*.npz")):
        try:
            part = Part(**read_arrays(path, AGAIN, Part._fields, kinds="fuU"))
            if not part.is_sound:
                raise damaged(path, "it holds what no build writes", AGAIN)
            yield part
        except BadFile as error:
            damage.append(error)
            clear(path)


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
                    path_below(folder.root, entry.path, folder.root, LINKED)
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
    if len({(each.vectors.shape[1], each.logits.shape[1]) for each in known}) > 1:
        raise BadFile(f"the vectors in {out} are not of one length; remove the folder and build again")
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
    clear(out / JOURNAL)
    return base


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


@contextmanager
def _locked(out: Path) -> Generator[None]:
    """Nobody else builds in `out` meanwhile. The lock is the operating system's: it ends with the process."""
    try:
        lock = FileLock(out / LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise UsageError(f"somebody else is building {out}; wait, or give another --out") from error
    except OSError as error:
        raise UsageError(f"{out / LOCK} cannot be locked ({error.strerror}); remove it and build again") from error
    try:
        yield
    finally:
        lock.release()

"""Which pictures to learn from and which to keep for looking: the folder's own parts, or a split by a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from seewhy.core.reading import read_json
from seewhy.errors import UsageError
from seewhy.images.folder import Folder
from seewhy.train.labels import labelled_folder

PICTURES = "pictures.json"
PARTS = {
    "train": {"train", "training"},
    "validation": {"val", "valid", "validation", "dev"},
    "test": {"test", "testing"},
}
LAYOUT = "give a folder with one sub-folder of pictures for each class, or with train/ and val/ that hold these"


# A picture, as it is written; `class` is no name of Python's, and older versions did not write it.
PictureRow = TypedDict("PictureRow", {"path": str, "class": NotRequired[str], "part": str, "sha256": str})


@dataclass(frozen=True)
class Parts:
    """Pictures to learn from, to look at meanwhile, and where there are some, to test with at the end.

    `notes` are what the owner of the folder should know.
    """

    folder: Path
    train: Folder
    validation: Folder
    test: Folder | None = None
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted."""
        return self.train.classes

    @property
    def named(self) -> dict[str, Folder]:
        """Each part by its name."""
        parts = {"train": self.train, "validation": self.validation}
        return parts | ({"test": self.test} if self.test else {})


def open_parts(
    path: Path, fractions: Sequence[float], seed: int = 0, classes: Sequence[str] = (), labels: Path | None = None
) -> Parts:
    """The parts of the folder `path`: its own train/, val/ and test/, or these fractions of each class.

    `classes` leaves the pictures of all others out; `labels` is a table that names the labels of each picture, in
    place of class folders.

    Raises:
        UsageError: there are no class folders, fewer than two classes, an empty one, nothing to validate on, or parts
            that do not know the same classes.
    """
    if labels:
        return _labelled_parts(path, labels, fractions, seed, classes)
    folders = {part: _class_folder(each) for part, each in (_own_parts(path) or {"train": path}).items()}
    known = folders["train"].classes
    train = folders.pop("train").of_classes(classes)
    if len(train.classes) < 2:
        raise UsageError(f"there is one class, {', '.join(train.classes)}, and nothing to tell it from; {LAYOUT}")
    for part, folder in folders.items():
        if unknown := sorted({*folder.classes} - {*known}):
            raise UsageError(f"the {part} pictures are of classes that train has not: {', '.join(unknown)}")
    others = {part: _limited(folder, train.classes) for part, folder in folders.items()}
    if "validation" in others:
        parts = Parts(path, train, others["validation"], others.get("test"))
    elif others:
        parts = replace(_split(path, train, (fractions[0], 1 - fractions[0]), seed), test=others["test"])
    else:
        parts = _split(path, train, fractions, seed)
    return replace(parts, notes=tuple(_remarks(parts)))


def _labelled_parts(path: Path, labels: Path, fractions: Sequence[float], seed: int, classes: Sequence[str]) -> Parts:
    folder, notes = labelled_folder(path, labels, classes)
    own = {part: _below(folder, each.name) for part, each in _own_parts(path).items()}
    own = {part: each for part, each in own.items() if each.entries}
    if {"train", "validation"} <= {*own}:
        parts = Parts(path, own["train"], own["validation"], own.get("test"))
    else:
        parts = _split(path, folder, fractions, seed)
    learned = {label for entry in parts.train.entries for label in entry.labels or ()}
    if missing := [name for name in folder.classes if name not in learned]:
        raise UsageError(f"no picture to learn from has the label {', '.join(missing)}; add some, or leave it out")
    return replace(parts, notes=(*notes, *_remarks(parts)))


def _below(folder: Folder, name: str) -> Folder:
    return replace(folder, entries=tuple(each for each in folder.entries if each.path.startswith(f"{name}/")))


def judged_part(path: Path, classes: Sequence[str] = (), labels: Path | None = None) -> Folder:
    """The pictures to judge a classifier by: those for a test, or for validation, or else all of the folder.

    `labels` is a table that names the labels of each picture, in place of class folders.

    Raises:
        UsageError: there are no class folders, an empty one, or not those named.
    """
    own = _own_parts(path)
    if labels:
        folder, _ = labelled_folder(path, labels, classes)
        part = own.get("test") or own.get("validation")
        kept = _below(folder, part.name) if part else folder
        return kept if kept.entries else folder
    return _class_folder(own.get("test") or own.get("validation") or path).of_classes(classes)


def picture_rows(parts: Parts) -> list[PictureRow]:
    """Every picture with its class, its part and the hash of its content, for `PICTURES` beside a trained model."""
    return [
        {
            "path": entry.path,
            "class": ";".join(entry.labels or filter(None, [entry.label])),
            "part": part,
            "sha256": folder.hashes[entry.path],
        }
        for part, folder in parts.named.items()
        for entry in folder.entries
    ]


def trained_rows(model: str | Path) -> list[PictureRow]:
    """Of `picture_rows` those that `model`, a folder or `file:FOLDER`, has learned from; none where it is unknown."""
    if isinstance(model, str) and not model.startswith("file:"):
        return []
    path = Path(str(model).removeprefix("file:")).expanduser() / PICTURES
    rows = read_json(path, list[PictureRow], "train again") if path.exists() else []
    return [row for row in rows if row["part"] == "train"]


def _own_parts(path: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for child in sorted(path.iterdir()) if path.is_dir() else ():
        if child.is_dir() and (
            part := next((part for part, names in PARTS.items() if child.name.lower() in names), "")
        ):
            if part in found:
                raise UsageError(f"{found[part].name} and {child.name} in {path} both say '{part}'; keep one of them")
            found[part] = child
    return found if "train" in found and len(found) > 1 else {}


def _limited(folder: Folder, classes: Sequence[str]) -> Folder:
    kept = tuple(each for each in folder.entries if each.label in classes)
    return replace(folder, entries=kept, classes=tuple(classes))


def _split(path: Path, folder: Folder, fractions: Sequence[float], seed: int) -> Parts:
    train, validation, *rest = folder.split(fractions, seed)
    if not validation.entries:
        raise UsageError(f"{folder.root} has too few pictures to keep some for validation; add some, or lower --split")
    return Parts(path, train, validation, next((part for part in rest if part.entries), None))


def _class_folder(path: Path) -> Folder:
    folder = Folder.open(path)
    if not folder.classes:
        loose = next(entry.path for entry in folder.entries if "/" not in entry.path)
        raise UsageError(f"{loose} lies right in {path}, in no class; {LAYOUT}, or a CSV of labels (--labels)")
    children = sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    if empty := [child.name for child in children if child.name not in folder.classes]:
        raise UsageError(f"no pictures are in the class folders {', '.join(empty)}; add some, or remove the folders")
    return folder


def _remarks(parts: Parts) -> Iterator[str]:
    """Of classes that the validation says nothing about, and of equal files in several parts of somebody's own."""
    seen = {name for entry in parts.validation.entries for name in (entry.label, *(entry.labels or ()))}
    if absent := [name for name in parts.classes if name not in seen]:
        yield f"too few pictures of {', '.join(absent)} to keep one for validation: how well it is found stays unknown"
    places = Counter(content for folder in parts.named.values() for content in set(folder.hashes.values()))
    if shared := sum(count > 1 for count in places.values()):
        yield f"{shared} pictures are in more than one part, so validation flatters; remove them from one"

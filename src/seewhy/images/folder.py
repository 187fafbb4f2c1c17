"""A folder of pictures as data: classes, masks, content hashes and splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path, PurePath
from typing import NamedTuple

from seewhy.errors import UsageError
from seewhy.images.image import Image
from seewhy.images.masks import Mask, match_masks, noted, read_mask
from seewhy.images.opening import find_images, open_image

_UNREADABLE = "unreadable"


class Entry(NamedTuple):
    """One picture: its path below the folder, written with `/`, its class, the file of its mask, and its labels.

    `labels` is None but where pictures have several, which a table named.
    """

    path: str
    label: str | None = None
    mask: Path | None = None
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Folder:
    """Pictures below `root`; `classes` are those of the folder that was opened, also for a part of it."""

    root: Path
    entries: tuple[Entry, ...]
    classes: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: str | Path, masks: str | Path | None = None) -> Folder:
        """The pictures below `path`, sorted; none is opened yet.

        Where all of them lie in sub-folders, the first sub-folder on the way is the class; one picture right in `path`
        makes it a plain folder without classes. `match_masks` says which mask belongs to which picture; a folder of
        masks inside `path` holds no pictures.

        Raises:
            UsageError: there is no such folder, it holds no pictures, no mask fits any, it is unclear which does, or
                a name is not UTF-8.
        """
        root, drawn = Path(path), Path(masks) if masks else None
        found = _relative_paths(root, drawn)
        labels, fitting = _labels(found), match_masks(found, drawn) if drawn else {}
        entries = tuple(Entry(name, label, fitting.get(name)) for name, label in zip(found, labels, strict=True))
        return cls(root, entries, tuple(sorted({label for label in labels if label is not None})))

    def of_classes(self, names: Sequence[str]) -> Folder:
        """Its pictures of these classes; of all where none are named.

        Raises:
            UsageError: it has no such class.
        """
        if unknown := sorted({*names} - {*self.classes}):
            has = f"it has {', '.join(self.classes)}" if self.classes else "its pictures lie in no sub-folders"
            raise UsageError(f"{self.root} has no class {', '.join(unknown)}; {has}")
        kept = tuple(each for each in self.entries if each.label in names)
        return replace(self, entries=kept, classes=tuple(sorted({*names}))) if names else self

    def image(self, entry: Entry) -> Image:
        """The picture itself, called by its path below the folder."""
        return open_image(self.root / entry.path, name=entry.path)

    def mask(self, entry: Entry) -> Mask | None:
        """Its mask, bool `(H, W)`, as `open_mask` reads it; None without a mask."""
        return self.masked(entry)[1]

    def masked(self, entry: Entry) -> tuple[Image, Mask | None]:
        """The picture and its mask, with how that was read among the picture's notes."""
        image = self.image(entry)
        if entry.mask is None:
            return image, None
        read = read_mask(entry.mask, image)
        return noted(image, read), read.area

    @cached_property
    def named(self) -> dict[str, Entry]:
        """The entries by their paths."""
        return {entry.path: entry for entry in self.entries}

    @property
    def labelled(self) -> bool:
        """Whether pictures have labels of their own, of which several may be true, in place of a class."""
        return any(entry.labels is not None for entry in self.entries)

    @cached_property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the bytes of each picture file by its path; "unreadable" where they cannot be read."""
        return {entry.path: _hash(self.root / entry.path) for entry in self.entries}

    @cached_property
    def mask_hashes(self) -> dict[str, str]:
        """The same of the masks, by the paths of their pictures."""
        return {entry.path: _hash(entry.mask) for entry in self.entries if entry.mask}

    def split(self, fractions: Sequence[float], seed: int = 0) -> tuple[Folder, ...]:
        """Parts with these shares of each class; equal files stay together, so that no part knows another's pictures.

        The seed and the contents alone decide, whatever the files are called.
        """
        if not (fractions and min(fractions) > 0 and abs(sum(fractions) - 1) < 1e-9):
            raise UsageError(f"fractions are positive and sum to 1, such as 0.8 and 0.2; not {list(fractions)}")
        part_of = _partition(self.entries, self.hashes, fractions, seed)
        parts = [
            [entry for entry in self.entries if part_of[self.hashes[entry.path]] == part]
            for part in range(len(fractions))
        ]
        return tuple(replace(self, entries=tuple(part)) for part in parts)


def _relative_paths(root: Path, masks: Path | None) -> list[str]:
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}; give a folder of pictures, or of one sub-folder for each class")
    root = root.resolve()
    found = [path for path in find_images([root]) if not (masks and path.is_relative_to(masks.resolve()))]
    if not found:
        raise UsageError(f"the folder {root} holds no pictures beside the masks in {masks}; give the pictures' own")
    return sorted(_text(path.relative_to(root)) for path in found)


def _text(path: Path) -> str:
    try:
        return path.as_posix().encode().decode()
    except UnicodeEncodeError:
        raise UsageError(f"the name {str(path)!r} is not UTF-8, so no table can hold it; rename the file") from None


def _labels(paths: Sequence[str]) -> list[str | None]:
    parents = [PurePath(path).parts[:-1] for path in paths]
    return [parts[0] for parts in parents] if all(parents) else [None] * len(paths)


def _hash(path: Path) -> str:
    try:
        if path.is_file():  # a named pipe would wait for its writer
            with path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
    except OSError:
        pass
    return _UNREADABLE


def _partition(
    entries: Sequence[Entry], hashes: Mapping[str, str], fractions: Sequence[float], seed: int
) -> dict[str, int]:
    """The part of each content: class by class, in an order that the seed shuffles, to the part that lacks most."""
    counts = Counter(hashes[entry.path] for entry in entries)
    commonness = Counter(label for entry in entries for label in entry.labels or ())
    label_of = {  # of equal files the first one's; of several labels the rarest, of which a part may lack examples
        hashes[entry.path]: min(entry.labels, key=commonness.__getitem__) if entry.labels else entry.label
        for entry in reversed(entries)
    }
    part_of: dict[str, int] = {}
    for label in dict.fromkeys(label_of.values()):
        contents = [content for content in counts if label_of[content] == label]
        lacking = [fraction * sum(counts[content] for content in contents) for fraction in fractions]
        for content in sorted(contents, key=lambda each: sha256(f"{seed}:{each}".encode()).digest()):
            part_of[content] = max(range(len(lacking)), key=lacking.__getitem__)
            lacking[part_of[content]] -= counts[content]
    return part_of

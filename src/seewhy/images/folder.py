"""A folder of pictures as data: classes, masks, content hashes and splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path, PurePath
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import UsageError
from seewhy.images.finding import find_images
from seewhy.images.image import Image
from seewhy.images.opening import open_image

Mask: TypeAlias = NDArray[np.bool_]

_UNREADABLE = "unreadable"


class Entry(NamedTuple):
    """One picture: its path below the folder, written with `/`, its class and the file of its mask, if any."""

    path: str
    label: str | None = None
    mask: Path | None = None


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
        makes it a plain folder without classes. A mask belongs to the picture of the same relative path, endings
        aside, or else of the same stem. Pictures without one and masks without one are no error; a folder of masks
        inside `path` holds no pictures.

        Raises:
            UsageError: there is no such folder, it holds no pictures, no mask fits any, it is unclear which does, or
                a name is not UTF-8.
        """
        root, drawn = Path(path), Path(masks) if masks else None
        found = _relative_paths(root, drawn)
        labels, fitting = _labels(found), _fitting_masks(found, drawn) if drawn else {}
        entries = tuple(Entry(name, label, fitting.get(name)) for name, label in zip(found, labels, strict=True))
        return cls(root, entries, tuple(sorted({label for label in labels if label is not None})))

    def image(self, entry: Entry) -> Image:
        """The picture itself, called by its path below the folder.

        Raises:
            BadImage: it cannot be opened.
        """
        return open_image(self.root / entry.path, name=entry.path)

    def mask(self, entry: Entry) -> Mask | None:
        """Bool `(H, W)`, true where its mask is brighter than half the brightest of it; None without a mask.

        Raises:
            BadImage: the mask cannot be opened.
            UsageError: it has not the size of its picture.
        """
        if entry.mask is None:
            return None
        picture, drawn = self.image(entry), open_image(entry.mask)
        if drawn.pixels.shape != picture.pixels.shape:
            raise UsageError(
                f"the mask {entry.mask} is {drawn.width} × {drawn.height}, its picture {entry.path} is "
                f"{picture.width} × {picture.height}; a mask has the size of its picture"
            )
        return as_mask(drawn)

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

        Raises:
            UsageError: the fractions are not positive, or do not sum to 1.
        """
        if not (fractions and min(fractions) > 0 and abs(sum(fractions) - 1) < 1e-9):
            raise UsageError(f"fractions are positive and sum to 1, such as 0.8 and 0.2; not {list(fractions)}")
        part_of = _dealt(_twins(self.entries, self.hashes), fractions, seed)
        parts = [
            [entry for entry in self.entries if part_of[self.hashes[entry.path]] == part]
            for part in range(len(fractions))
        ]
        return tuple(replace(self, entries=tuple(part)) for part in parts)


def as_mask(drawn: Image) -> Mask:
    """Bool `(H, W)`: brighter, in any channel, than half the brightest; so 0 and 1 mean what 0 and 255 do."""
    levels = drawn.pixels.max(axis=2)
    return levels > levels.max() / 2


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


def _fitting_masks(paths: Sequence[str], masks: Path) -> dict[str, Path]:
    """The mask of each picture that has one."""
    if not masks.is_dir():
        raise UsageError(f"there is no folder {masks}; give the folder that holds the masks")
    drawn = [path.relative_to(masks) for path in find_images([masks])]
    by_path, by_stem = _grouped(drawn, _without_ending), _grouped(drawn, _stem)
    fitting = {path: by_path.get(_without_ending(path)) or by_stem.get(_stem(path), []) for path in paths}
    if not any(fitting.values()):
        raise UsageError(
            f"no mask in {masks} fits a picture; the mask of {paths[0]} would be called {_without_ending(paths[0])}.png"
        )
    found = {path: each[0] for path, each in fitting.items() if each}
    taken = Counter(found.values())
    if unclear := [path for path in found if len(fitting[path]) > 1 or taken[found[path]] > 1]:
        raise UsageError(
            f"it is unclear which mask in {masks} fits {unclear[0]}: several pictures or masks share that name; "
            "give the masks the same sub-folders as the pictures, and keep one of each"
        )
    return {path: masks / mask for path, mask in found.items()}


def _grouped(paths: Iterable[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        found[key(path)].append(path)
    return found


def _without_ending(path: str | Path) -> str:
    return PurePath(path).with_suffix("").as_posix()


def _stem(path: str | Path) -> str:
    return PurePath(path).stem


def _hash(path: Path) -> str:
    try:
        if path.is_file():  # a named pipe would wait for its writer
            with path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
    except OSError:
        pass
    return _UNREADABLE


def _twins(entries: Iterable[Entry], hashes: dict[str, str]) -> dict[str, list[Entry]]:
    """Pictures by their content; equal files share a place."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[hashes[entry.path]].append(entry)
    return found


def _dealt(twins: dict[str, list[Entry]], fractions: Sequence[float], seed: int) -> dict[str, int]:
    """The part of each content: class by class, in an order that the seed shuffles, to whoever lacks most."""
    by_class: defaultdict[str | None, list[str]] = defaultdict(list)
    for content, entries in twins.items():
        by_class[entries[0].label].append(content)
    part_of: dict[str, int] = {}
    for contents in by_class.values():
        lacking = [fraction * sum(len(twins[each]) for each in contents) for fraction in fractions]
        for content in sorted(contents, key=lambda each: sha256(f"{seed}:{each}".encode()).digest()):
            part_of[content] = max(range(len(lacking)), key=lacking.__getitem__)
            lacking[part_of[content]] -= len(twins[content])
    return part_of

"""Which pictures people mean: files, folders and the samples that are always there."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from seewhy.errors import UnknownName, UsageError
from seewhy.images.kinds import picture_suffixes

_SAMPLE_PREFIX = "sample:"
_SAMPLE_FILES = {
    "astronaut": "astronaut.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
}


def samples() -> dict[str, Path]:
    """The photos that come with scikit-image, by the names that `sample:NAME` knows."""
    spec = find_spec("skimage")
    folders = (spec.submodule_search_locations or []) if spec else []
    found = {name: Path(folder, "data", file) for folder in folders for name, file in _SAMPLE_FILES.items()}
    return {name: path for name, path in found.items() if path.is_file()}


def locate(source: str | Path) -> Path:
    """The path that `source` stands for; only a string can be `sample:NAME`.

    Raises:
        UnknownName: Where there is no such sample.
    """
    if not isinstance(source, str) or not source.startswith(_SAMPLE_PREFIX):
        return Path(source)
    name, known = source.removeprefix(_SAMPLE_PREFIX), samples()
    if name not in known:
        near = difflib.get_close_matches(name, known) or known
        raise UnknownName(f"there is no sample {name!r}; try {', '.join(_SAMPLE_PREFIX + each for each in near)}.")
    return known[name]


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """The picture files that `paths` name, in order; opening tells whether they are pictures indeed.

    Files stay as they are given, also where they do not exist. A folder gives the files below it that end like
    pictures, sorted, without hidden ones; linked folders are not followed.

    Raises:
        UsageError: Where a folder holds no picture.
        UnknownName: Where there is no such sample.
    """
    return [found for path in map(locate, paths) for found in (_below(path) if _is_folder(path) else [path])]


def _below(folder: Path) -> list[Path]:
    found = list(_walk(folder))
    if not found:
        endings = " ".join(sorted(picture_suffixes()))
        raise UsageError(f"the folder {folder} holds no pictures. Looked for: {endings}")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in picture_suffixes():
                yield Path(root, name)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, a folder above that may not be entered: opening will report it
        return False

"""A case base: pictures as vectors, what the classifier says of each, and how to find the nearest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seewhy.cases.manifest import About, read_manifest
from seewhy.cases.neighbours import Index, Neighbours
from seewhy.cases.storage import AGAIN, TABLE, finish_writing, read_content, write_content
from seewhy.core.reading import path_below
from seewhy.core.text import shown
from seewhy.errors import BadImage, UsageError
from seewhy.images import Image, open_image

if TYPE_CHECKING:
    import polars as pl

CHANGED = "build it again: what has not changed is not embedded again"


@dataclass(frozen=True, eq=False)
class CaseBase:
    """Pictures that explain by example. Row i of all arrays is the same picture.

    `vectors` `(n, D)` float32 of length 1 and `logits` `(n, K)` float32 are memory-mapped; `table` has the columns
    path (below the root), sha256 (of the file), pixels (hash of what is seen), print, label and predicted.
    """

    folder: Path
    about: About
    vectors: np.ndarray
    logits: np.ndarray
    table: pl.DataFrame
    index: Index | None = None

    @classmethod
    def open(cls, folder: str | Path) -> CaseBase:
        """Open what `seewhy cases build` wrote.

        Raises:
            UsageError: the folder holds no case base, a damaged one, or one of another schema.
        """
        folder = Path(folder)
        finish_writing(folder)
        manifest = read_manifest(folder)
        return cls(folder, manifest.about, *read_content(folder, manifest))

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class that the classifier gives each picture, int64 `(n,)`."""
        return self.table["predicted"].to_numpy().astype(np.int64)

    @cached_property
    def prints(self) -> np.ndarray:
        """What survives scaling and saving again of each picture, uint64 `(n,)`."""
        return self.table["print"].to_numpy()

    @cached_property
    def neighbours(self) -> Neighbours:
        """The search among the vectors."""
        return Neighbours(self.vectors, self.index)

    def image(self, row: int) -> Image:
        """The picture itself. Whatever file the base names, none is shown but one whose pixels have the hash it knows.

        Raises:
            BadImage: it is gone.
            UsageError: it was changed since the base was built, or lies outside the folder of the pictures.
        """
        name, root = self.table["path"][row], self.about.pictures(self.folder)
        path = path_below(root, name, self.folder / TABLE, AGAIN)
        try:
            image = open_image(path, name=name)
        except BadImage as error:
            if error.code != "not_found":
                raise
            where = f"the folder {shown(root.name)}, of which the case base {self.folder.name} was built"
            raise BadImage(error.code, f"{shown(name)} is no longer in {where}; {CHANGED}") from error
        if image.sha256 != self.table["pixels"][row]:
            raise UsageError(f"{shown(name)} was changed since the case base {self.folder.name} was built; {CHANGED}")
        return image


def write_base(
    folder: Path, about: About, parts: Iterable[tuple[np.ndarray, np.ndarray]], table: pl.DataFrame
) -> CaseBase:
    """Put a base in the place of whatever base `folder` held; see `write_content`."""
    write_content(folder, about, parts, table)
    return CaseBase.open(folder)

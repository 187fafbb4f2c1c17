"""What a case base says of itself: its pictures, its classifier, and a hash of each of its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from seewhy.core.reading import read_json
from seewhy.core.text import shown
from seewhy.errors import UsageError
from seewhy.models.load import SOURCES, check_told, declaration

if TYPE_CHECKING:
    from seewhy.cases.embedders import Embedder

SCHEMA = 2
MANIFEST = "manifest.json"
BUILD = "seewhy cases build PICTURES --out DIR"
REMOVE = f"remove the folder and build it again: {BUILD}"


@dataclass(frozen=True)
class About:
    """What a case base was made from: `root` is the folder of the pictures, `model` and `weights` open the classifier.

    `fingerprint` is the classifier's, `encoder` that of a second network where the vectors come from one. `beside` is
    `root` as it lies from the base's own folder, so that both can be moved together.
    """

    root: str
    embedding: str
    classifier: str
    fingerprint: str
    encoder: str | None
    model: str
    weights: str | None = None
    beside: str | None = None

    @classmethod
    def of(
        cls,
        root: Path,
        embedder: Embedder,
        model: str | None = None,
        weights: Path | None = None,
        out: Path | None = None,
    ) -> About:
        """What a base in `out` of the pictures below `root` by `embedder` says of itself."""
        other = embedder.network is not embedder.classifier
        return cls(
            root=str(root.resolve()),
            embedding=embedder.name,
            classifier=embedder.classifier.name,
            fingerprint=embedder.classifier.fingerprint,
            encoder=embedder.network.fingerprint if other else None,
            model=model or embedder.classifier.name,
            weights=str(weights.resolve()) if weights else None,
            beside=_from(out.resolve(), root.resolve()) if out else None,
        )

    def pictures(self, folder: Path) -> Path:
        """Where the pictures are of the base that lies in `folder` now: where they were, or moved along with it."""
        moved = folder.resolve() / self.beside if self.beside else None
        return moved if moved and not Path(self.root).is_dir() and moved.is_dir() else Path(self.root)

    def check(self, folder: Path, embedder: Embedder) -> None:
        """Refuse another classifier or embedding than the base in `folder` was built with.

        Raises:
            UsageError: which says what differs.
        """
        mine = About.of(Path(), embedder)
        cure = "give the model it was built with, or build another: seewhy cases build FOLDER --out …"
        if mine.fingerprint != self.fingerprint:
            raise UsageError(
                f"{folder} holds cases of another classifier ({shown(self.classifier)}, fingerprint "
                f"{shown(self.fingerprint, 13)}; this one is {mine.classifier}, {mine.fingerprint[:12]}…): weights, "
                f"architecture or preprocessing differ, so its vectors and predictions mean nothing here; {cure}"
            )
        if (mine.embedding, mine.encoder) != (self.embedding, self.encoder):
            same = " with other weights" if mine.embedding == self.embedding else ""
            other = shown(without_folders(self.embedding))
            raise UsageError(f"{folder} is embedded by {other}, not by {mine.embedding}{same}; {cure}")

    def public(self) -> About:
        """The same for strangers: of folders and files their names alone."""
        return replace(
            self,
            root=last_part(self.root),
            embedding=without_folders(self.embedding),
            model=without_folders(self.model),
            weights=last_part(self.weights) if self.weights else None,
            beside=None,
        )


def _from(folder: Path, root: Path) -> str | None:
    """The way from one folder to the other; None where there is none, as between two drives."""
    try:
        return Path(os.path.relpath(root, folder)).as_posix()
    except ValueError:
        return None


def without_folders(model: str) -> str:
    """A model's name with the last part of its path alone, if it has one.

    >>> without_folders("file:/home/ann/birds?gives=sigmoid")
    'file:birds?gives=sigmoid'
    """
    declared = declaration(model)
    prefix, _, rest = declared.plain.partition(":")
    if prefix not in SOURCES or not SOURCES[prefix].is_path:
        return model
    return str(declared._replace(plain=f"{prefix}:{last_part(rest)}"))


def last_part(path: str) -> str:
    r"""The name of the file or folder, of whatever system the path is.

    >>> last_part("C:\birds\photos"), last_part("/home/ann/photos/")
    ('photos', 'photos')
    """
    return PureWindowsPath(path).name


@dataclass(frozen=True)
class Manifest:
    """What stands in `manifest.json`: counts of rows, of numbers a vector and of scores, and SHA-256 of each file."""

    schema: int
    seewhy: str
    about: About
    cases: int
    dimensions: int
    classes: int
    files: dict[str, str]


@dataclass(frozen=True)
class _Schema:
    schema: int


def read_manifest(folder: Path) -> Manifest:
    """The manifest in `folder`.

    Raises:
        UsageError: there is none, it is damaged, or of another schema.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(f"{folder} holds no case base (no {MANIFEST}); make one: {BUILD}")
    if (schema := read_json(path, _Schema, REMOVE).schema) != SCHEMA:
        raise UsageError(f"the case base {folder} has schema {schema}, and this seewhy reads {SCHEMA}; {REMOVE}")
    return read_json(path, Manifest, REMOVE)


def model_of(folder: Path) -> tuple[str, str | None]:
    """Name and weights of the classifier, as the manifest in `folder` has them.

    Raises:
        BadFile: it names code; give the model yourself.
        UsageError: it is no manifest.
    """
    about = read_manifest(folder).about
    return check_told(about.model, folder / MANIFEST), about.weights

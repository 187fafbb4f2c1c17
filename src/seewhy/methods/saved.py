"""What a saved explanation consists of: arrays and pictures, and a manifest that knows them by their hashes.

manifest.json   `schema`, `seewhy`, `image`, `explanation`: all but the arrays; `files`: size and SHA-256 of each file
values.npy      float32 `(h, w)`; `errors.npy` the same, where the method knows them
others.npy      float32 `(h, w)`, the mean map of other classes, where they were asked about
regions.npy     int32 `(h, w)`, where it is about regions
image.png       what is shown of the photo; `image.npy` all channels, where it has others than grey or RGB
picture.png     how it is drawn
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seewhy.core.folders import MANIFEST, Listing, check_mark, settle
from seewhy.core.reading import damaged, read_array, read_json
from seewhy.core.text import shown
from seewhy.draw import Unit
from seewhy.errors import BadFile, BadImage
from seewhy.images import Image, reopen_image
from seewhy.methods.evidence import Pair, RegionWeights, Rule
from seewhy.models import Box, Prediction, Target
from seewhy.models.head import Meaning

SCHEMA = 1
VALUES, ERRORS, OTHERS, REGIONS = "values.npy", "errors.npy", "others.npy", "regions.npy"
PHOTO, PICTURE = "image.png", "picture.png"
BANDS = "image.npy"  # of a photo that has other channels than grey or RGB
CURE = "explain again"
FARTHEST = 1000  # longer sides of the photo that a view may reach beyond it; numbers far larger have no differences
UNKNOWN = "An older seewhy saved this explanation without hashes, so nobody can tell whether it was changed since."


@dataclass(frozen=True)
class SavedImage:
    """What is said of the photo beside its pixels."""

    name: str
    sha256: str
    notes: tuple[str, ...] = ()
    composite: bool = False


@dataclass(frozen=True)
class SavedCost:
    """What the explanation took."""

    forwards: int
    backwards: int
    seconds: float


@dataclass(frozen=True)
class SavedRegions:
    """Of regions, all but where they lie."""

    weights: list[float]
    errors: list[float] | None = None
    unit: Unit = ""
    least: float = 0.0
    company: str = ""
    alone: list[float | None] | None = None
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SavedFields:
    """The fields of an `Explanation`, but for its arrays; what older manifests lack has a default."""

    view: Box
    target: Target
    target_label: str
    predictions: tuple[Prediction, ...]
    method: str
    signed: bool
    classifier: str
    fingerprint: str
    layer: str | None
    parameters: dict[str, Any]
    seed: int | None
    cost: SavedCost
    checks: dict[str, float]
    regions: SavedRegions | None
    rule: Rule | None
    notes: tuple[str, ...] = ()
    meaning: Meaning = "classes"
    computed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Saved(Listing):
    """The manifest."""

    seewhy: str
    image: SavedImage
    explanation: SavedFields


@dataclass(frozen=True)
class Schema:
    """What is read first: other schemas may have other fields."""

    schema: int


class Read(NamedTuple):
    """What the files hold, and what the manifest says of it."""

    values: np.ndarray
    errors: np.ndarray | None
    others: np.ndarray | None
    regions: RegionWeights | None
    image: Image
    about: SavedFields


def read_saved(folder: Path) -> Read:
    """A saved explanation, in which all fits together.

    Raises:
        BadFile: the folder holds no explanation, one of another schema, or a damaged one.
    """
    settle(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise BadFile(f"{shown(folder)} holds no explanation (no {MANIFEST}); name the folder that has it")
    if (schema := read_json(path, Schema, CURE).schema) != SCHEMA:
        raise BadFile(f"{shown(folder)} has schema {schema}, this seewhy reads {SCHEMA}; update seewhy, or {CURE}")
    saved = read_json(path, Saved, CURE)
    values = _array(folder, saved, VALUES, "f")
    if values is None:
        raise BadFile(f"{shown(path)} names no {VALUES}; {CURE}")
    image, about = _photo(folder, saved), saved.explanation
    _check(path, about, image)
    if not saved.files:
        about = replace(about, notes=(*about.notes, UNKNOWN))
    errors, others = (_array(folder, saved, name, "f", values.shape) for name in (ERRORS, OTHERS))
    return Read(values, errors, others, _regions(folder, saved), image, about)


def _present(folder: Path, saved: Saved, name: str) -> Path | None:
    """The path of a file that the manifest knows, and that is as it was; None where there was none.

    A manifest of an older seewhy knows none, so that it is whatever is there.
    """
    if not saved.files:
        return folder / name if (folder / name).exists() else None
    return check_mark(folder / name, saved.files[name], CURE) if name in saved.files else None


def _array(
    folder: Path, saved: Saved, name: str, kinds: str, shape: tuple[int | None, ...] = (None, None)
) -> np.ndarray | None:
    path = _present(folder, saved, name)
    return None if path is None else read_array(path, CURE, kinds=kinds, shape=shape, finite=True)


def _photo(folder: Path, saved: Saved) -> Image:
    about, path = saved.image, _present(folder, saved, PHOTO)
    _present(folder, saved, BANDS)  # which is opened with the photo
    if path is None:
        raise BadFile(f"{shown(folder / PHOTO)} is missing; {CURE}")
    try:
        image = reopen_image(path, about.name, about.notes, composite=about.composite)
    except (BadImage, ValueError) as error:
        raise damaged(path, str(error), CURE) from error
    if image.sha256 != about.sha256:
        raise BadFile(f"{shown(path)} was changed since the explanation was saved; {CURE}")
    return image


def _regions(folder: Path, saved: Saved) -> RegionWeights | None:
    about = saved.explanation.regions
    if about is None:
        return None
    labels = _array(folder, saved, REGIONS, "iu")
    if labels is None:
        raise BadFile(f"{shown(folder / REGIONS)} is missing; {CURE}")
    count = len(about.weights)
    if not labels.size or labels.min() < 0 or labels.max() >= count:
        raise damaged(folder / MANIFEST, f"it has weights of {count} regions, which are not those of {REGIONS}", CURE)
    if about.errors is not None and len(about.errors) != count:
        raise damaged(folder / MANIFEST, f"it has {len(about.errors)} errors for {count} weights", CURE)
    if about.alone is not None and len(about.alone) != count:
        raise damaged(folder / MANIFEST, f"it has {len(about.alone)} answers for {count} regions", CURE)
    errors = None if about.errors is None else np.array(about.errors)
    alone = None if about.alone is None else tuple(about.alone)
    return RegionWeights(
        labels, np.array(about.weights), errors, about.unit, about.least, about.company, alone, about.pairs
    )


def _check(path: Path, about: SavedFields, image: Image) -> None:
    """What types do not say."""
    known = {each.index for each in about.predictions}
    if not {about.target.index, *about.target.also} <= known:
        raise damaged(path, "the target is none of its predictions", CURE)
    if any(each.probability is None and each.value is None for each in about.predictions):
        raise damaged(path, "a prediction has neither probability nor value", CURE)
    left, top, right, bottom = about.view
    meets = left < right and top < bottom and right > 0 and bottom > 0 and left < image.width and top < image.height
    if not meets or max(map(abs, about.view)) > FARTHEST * max(image.width, image.height):
        raise damaged(path, "the view is no part of the photo", CURE)
    if about.rule and not (about.regions and set(about.rule.regions) <= set(range(len(about.regions.weights)))):
        raise damaged(path, "the rule is about regions that are not there", CURE)

"""Correspond: carry points or drawn parts from some photos of a folder to all others, and divide maps by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow

from seewhy.cases.correspondence import (
    Fields,
    Match,
    best_match,
    carry_masks,
    cell_shares,
    enlarged,
    find_point,
    part_shares,
)
from seewhy.core.files import photo_folders, write_json
from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.core.reading import read_json
from seewhy.draw import png_bytes
from seewhy.errors import UsageError
from seewhy.images import Box, Folder
from seewhy.images.folder import Entry
from seewhy.methods import Method, find_method
from seewhy.models import Classifier
from seewhy.models.foreign import require_own
from seewhy.models.preprocessing import pasted
from seewhy.report.correspond import correspond_page
from seewhy.train.data import Pictures, open_pictures
from seewhy.verbs.result import Result

Points = Mapping[str, Mapping[str, Sequence[float]]]  # of photos the points by name, x and y in [0, 1] of the photo
POINTS, MASKS = "points.json", "masks"
CURE = 'it is a JSON object such as {"cat.jpg": {"nose": [0.5, 0.4]}}, with x and y as shares of the photo'


@dataclass(frozen=True, eq=False)
class Carried:
    """One photo: its parts as `masks` `(parts, h, w)` over what the network saw, or its points as matches by name.

    `drawn` ones are people's; `shares` are those of the map's evidence in each part, and in none.
    """

    path: str
    label: str | None
    index: int
    drawn: bool
    masks: np.ndarray | None = None
    points: Mapping[str, Match] = field(default_factory=dict[str, Match])
    shares: np.ndarray | None = None

    @property
    def lacking(self) -> bool:
        """Whether nothing of it corresponds to anything that was drawn."""
        return not any(each.found for each in self.points.values()) if self.masks is None else not self.masks.any()


@dataclass(frozen=True, eq=False)
class Correspondence(Result):
    """What corresponds to what in a folder; `parts` are the names of parts or points."""

    model: str
    parts: tuple[str, ...]
    photos: Sequence[Carried]
    pictures: Pictures
    method: str = ""
    failures: Sequence[Outcome[Any]] = ()

    @property
    def attribution(self) -> dict[str, list[float]]:
        """By class folder, or for all photos, the mean share of the evidence in each part, and in none."""
        rows: dict[str, list[np.ndarray]] = {}
        for each in self.photos:
            if each.shares is not None and each.shares.any() and not each.lacking:
                rows.setdefault(each.label or "all photos", []).append(each.shares)
        return {name: np.mean(shares, 0).tolist() for name, shares in rows.items()}

    def to_dict(self) -> dict[str, Any]:
        """See `Result`."""
        return {
            "model": self.model,
            "parts": list(self.parts),
            "method": self.method or None,
            "attribution": self.attribution,
            "photos": [self._photo(each) for each in self.photos],
            "failures": [{"source": each.source, "error": str(each.error)} for each in self.failures],
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row for each photo: where each part is, or how much of the photo it covers."""
        return [
            {"photo": each.path, "drawn": "yes" if each.drawn else "", **dict(zip(self.parts, cells, strict=True))}
            for each in self.photos
            for cells in [self._cells(each)]
        ]

    def page(self) -> str:
        """See `Result`."""
        return correspond_page(self)

    def write(self, folder: Path) -> None:
        """Write the report, and what was carried as people would draw it: `masks/PART/PHOTO.png`, or `points.json`."""
        carried = [each for each in self.photos if not each.drawn and not each.lacking]
        if any(each.masks is not None for each in carried):
            for number, part in enumerate(self.parts):
                root = folder / MASKS / part
                for each, place in zip(carried, photo_folders([each.path for each in carried], root), strict=True):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.with_name(f"{place.name}.png").write_bytes(png_bytes(self._whole_mask(each, number)))
        else:
            found = {each.path: self._photo(each)["points"] for each in carried}
            write_json(folder / POINTS, {path: {name: at[:2] for name, at in points.items()}
                                         for path, points in found.items()})  # fmt: skip
        super().write(folder)

    def _cells(self, each: Carried) -> list[str]:
        if each.masks is not None:
            return [f"{mask.mean():.1%}" if mask.any() else "no match" for mask in each.masks]
        at = {
            name: f"{match.x:.2f}, {match.y:.2f}" if _inside((match.x, match.y)) else "beyond what the model sees"
            for name, match in each.points.items()
            if match.found
        }
        return [at.get(name, "" if each.drawn else "no match") for name in self.parts]

    def _photo(self, each: Carried) -> dict[str, Any]:
        image = self.pictures.image(each.index)
        view = self.pictures.preprocessing.view(image)
        points = {
            name: [*_of_photo(match, view, image.width, image.height), match.similarity]
            for name, match in each.points.items()
            if match.found
        }
        shares = None if each.shares is None else each.shares.tolist()
        areas = None if each.masks is None else [float(mask.mean()) for mask in each.masks]
        return {"photo": each.path, "drawn": each.drawn, "points": points, "areas": areas, "shares": shares}

    def _whole_mask(self, each: Carried, number: int) -> np.ndarray:
        """A part as a white area on black, of the photo's size."""
        image = self.pictures.image(each.index)
        masks = np.zeros((0, 1, 1)) if each.masks is None else each.masks
        view = self.pictures.preprocessing.view(image)
        size = (round(view.width), round(view.height))
        seen = np.asarray(Pillow.fromarray(masks[number]).resize(size, Pillow.Resampling.NEAREST))
        return pasted(np.repeat(seen[..., None], 3, 2) * np.uint8(255), view, (image.height, image.width))


def correspond(
    photos: str | Path,
    classifier: Classifier,
    *,
    masks: Mapping[str, str | Path] | None = None,
    points: str | Path | Points | None = None,
    method: str | Method | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Correspondence:
    """Find what corresponds to parts or points that people drew in some photos of a folder in all others.

    Args:
        photos: the folder.
        classifier: whose features say what is alike.
        masks: by the name of each part a folder of masks, named like the photos that they were drawn on.
        points: in place of masks, of some photos the places of points by name, or a JSON file of that.
        method: of masks, whose maps are divided by part.
        seed: of the method.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: neither or both were given, no photo has a drawing, or the network's layers cover no picture.
    """
    if bool(masks) == (points is not None):
        raise UsageError("give parts as --masks NAME=FOLDER, or points as --points FILE.json, one of the two")
    if method and not masks:
        raise UsageError("a map is divided by drawn parts: give --masks, or leave --method out")
    made = find_method(method) if isinstance(method, str) else method
    folder = Folder.open(photos)
    require_own(classifier.preprocessing, classifier.name)
    marked = _points(points) if points is not None else {}
    drawings = {name: Folder.open(photos, each) for name, each in (masks or {}).items()}
    pictures, failures = open_pictures(folder, folder.classes, classifier.preprocessing, progress)
    fields = Fields.of(classifier, pictures, progress)
    if masks:
        found = _carry_masks(fields, pictures, drawings, progress)
    else:
        found = _carry_points(fields, pictures, marked, progress)
    names = tuple(drawings) or tuple(dict.fromkeys(name for each in marked.values() for name in each))
    if made:
        found = [_with_shares(each, classifier, pictures, made, seed) for each in found]
    return Correspondence(classifier.name, names, found, pictures, made.name if made else "", failures)


def _carry_masks(
    fields: Fields, pictures: Pictures, drawings: Mapping[str, Folder], progress: Progress
) -> list[Carried]:
    size = pictures.preprocessing.size
    known: dict[int, np.ndarray] = {}
    for index, entry in enumerate(pictures.entries):
        if any(folder.named[entry.path].mask for folder in drawings.values()):
            known[index] = np.stack([_drawn(folder, entry, pictures, size) for folder in drawings.values()])
    if not known:
        raise UsageError("none of the photos that can be opened has a mask; name masks like the photos")
    said = [(index, torch.stack([cell_shares(mask, fields.side) for mask in masks])) for index, masks in known.items()]
    found: list[Carried] = []
    for index, entry in enumerate(pictures.entries):
        progress(index, len(pictures), "carrying parts")
        masks = known[index] if index in known else enlarged(carry_masks(fields, said, index), size)
        found.append(Carried(entry.path, entry.label, index, index in known, masks))
    return found


def _drawn(folder: Folder, entry: Entry, pictures: Pictures, size: tuple[int, int]) -> np.ndarray:
    mask = folder.mask(folder.named[entry.path])
    return np.zeros(size, bool) if mask is None else pictures.preprocessing.mask(mask)


def _carry_points(fields: Fields, pictures: Pictures, marked: Points, progress: Progress) -> list[Carried]:
    starts: dict[int, dict[str, tuple[float, float]]] = {}
    for index, entry in enumerate(pictures.entries):
        if entry.path in marked:
            image = pictures.image(index)
            view = pictures.preprocessing.view(image)
            starts[index] = {
                name: ((x * image.width - view.left) / view.width, (y * image.height - view.top) / view.height)
                for name, (x, y) in marked[entry.path].items()
            }
    if not starts:
        raise UsageError(f"none of the photos that can be opened is named among the points; {CURE}")
    names = tuple(dict.fromkeys(name for each in starts.values() for name in each))
    found: list[Carried] = []
    for index, entry in enumerate(pictures.entries):
        progress(index, len(pictures), "carrying points")
        if index in starts:
            points = {name: Match(*at, 1.0, 0.0) for name, at in starts[index].items()}
        else:
            points = {
                name: best_match([find_point(fields, one, index, *each[name])
                                  for one, each in starts.items() if name in each and _inside(each[name])]
                                 or [Match(0, 0, 0, float(fields.side))])
                for name in names
            }  # fmt: skip
        found.append(Carried(entry.path, entry.label, index, index in starts, points=points))
    return found


def _with_shares(each: Carried, classifier: Classifier, pictures: Pictures, method: Method, seed: int) -> Carried:
    if each.masks is None or each.lacking:
        return each
    image, generator = pictures.image(each.index), torch.Generator().manual_seed(seed)
    (found,) = method(classifier, [image], generator=generator)
    return replace(each, shares=part_shares(found.values, each.masks))


def _points(given: str | Path | Points) -> Points:
    found = given if isinstance(given, Mapping) else read_json(Path(given), dict[str, dict[str, list[float]]], CURE)
    for path, points in found.items():
        for name, at in points.items():
            if len(at) != 2 or not all(0 <= each <= 1 for each in at):
                raise UsageError(f"the point {name} of {path} is {list(at)}; {CURE}")
    return found


def _inside(at: tuple[float, float]) -> bool:
    return all(0 <= each <= 1 for each in at)


def _of_photo(match: Match, view: Box, width: int, height: int) -> tuple[float, float]:
    """A place in what the network saw as shares of the whole photo."""
    return (view.left + match.x * view.width) / width, (view.top + match.y * view.height) / height

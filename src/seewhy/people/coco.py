"""Masks as COCO data sets: out of the store, and from any tool into it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from seewhy.core.reading import damaged, parse_json, read_json
from seewhy.core.text import shown
from seewhy.errors import BadFile, SeewhyError
from seewhy.images import Mask
from seewhy.people.masks import MaskRevision, drawn, save_runs
from seewhy.people.names import LONGEST_HASH, LONGEST_IMAGE, LONGEST_LABEL, LONGEST_NAME, checked_label, checked_text
from seewhy.people.players import join
from seewhy.people.polygons import Pen
from seewhy.people.runs import checked_runs, compressed, united
from seewhy.people.store import Store

CURE = "give a COCO data set with masks, or a .jsonl file of `seewhy people export`"

Identity = Annotated[int, Field(ge=0, lt=2**63)] | Annotated[str, Field(max_length=LONGEST_IMAGE)]
Side = Annotated[int, Field(ge=1, lt=2**31)]


@dataclass
class CocoImage:
    """A picture; `sha256` of its pixels stands where seewhy wrote the file."""

    id: Identity
    file_name: Annotated[str, Field(min_length=1, max_length=LONGEST_IMAGE)]
    height: Side
    width: Side
    sha256: Annotated[str, Field(max_length=LONGEST_HASH)] | None = None


@dataclass
class CocoCategory:
    """A label."""

    id: Identity
    name: Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL)]


@dataclass
class CocoRuns:
    """Run lengths, compressed or not; `size` is height and width."""

    size: tuple[Side, Side]
    counts: str | list[int]


@dataclass
class CocoArea:
    """An annotation; `annotator` and `simulated` stand where seewhy wrote the file."""

    image_id: Identity
    category_id: Identity
    segmentation: list[list[float]] | CocoRuns
    annotator: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    simulated: bool = False


@dataclass
class Coco:
    """A data set."""

    images: list[CocoImage]
    categories: list[CocoCategory]
    annotations: list[CocoArea]


class Drawing(NamedTuple):
    """Which mask an annotation belongs to."""

    player: str
    simulated: bool
    image: str
    image_hash: str
    label: str
    height: int
    width: int


def read_coco(path: Path) -> Coco:
    """The data set in a file.

    Raises:
        BadFile: it is none.
    """
    return read_json(path, Coco, CURE)


def parse_coco(text: str, path: Path = Path("masks.json")) -> Coco:
    """The data set in text that came from `path`; raises as `read_coco`."""
    return parse_json(text, Coco, path, CURE)


def export_coco(masks: Sequence[MaskRevision]) -> dict[str, Any]:
    """A COCO data set: a category for each label, an annotation for each player's mask, its last state."""
    images = {each.image_hash: each for each in masks}
    image_ids = {image_hash: number for number, image_hash in enumerate(images, start=1)}
    category_ids = {label: number for number, label in enumerate(sorted({each.label for each in masks}), start=1)}
    return {
        "info": {"description": "Masks that people drew in seewhy"},
        "images": [
            {
                "id": image_ids[each.image_hash],
                "file_name": each.image,
                "height": each.height,
                "width": each.width,
                "sha256": each.image_hash,
            }
            for each in images.values()
        ],
        "categories": [{"id": number, "name": label} for label, number in category_ids.items()],
        "annotations": [
            {
                "id": number,
                "image_id": image_ids[each.image_hash],
                "category_id": category_ids[each.label],
                "segmentation": {"size": [each.height, each.width], "counts": each.counts},
                **measures(each.mask),
                "iscrowd": 0,
                "annotator": each.player,
                "revision": each.revision,
                "simulated": each.simulated,
            }
            for number, each in enumerate(masks, start=1)
        ],
    }


def import_coco(
    store: Store,
    document: Coco,
    player: str = "imported",
    hashes: Mapping[str, str] | None = None,
    path: Path = Path("masks.json"),
) -> int:
    """Save masks as further revisions, where they differ from the last; returns how many were saved.

    Areas of one class on one picture by one annotator become one mask. Where the file names no annotator it is
    `player`; where it holds no hash of the picture, `hashes` gives it by the name of its file.

    Raises:
        BadFile: an annotation is not what it must be, or a picture's hash is not known.
    """
    areas = _areas(document, player, hashes or {}, path)
    last = {(each.player, each.image_hash, each.label): each for each in drawn(store)}
    saved = 0
    for each, counts in areas.items():
        annotator = join(store, each.player, simulated=each.simulated)
        before = last.get((annotator, each.image_hash, each.label))
        if before is None or before.counts != counts:
            base = before.revision if before else 0
            key = sha256(f"coco:{base}:{counts}".encode()).hexdigest()
            shape = (each.height, each.width)
            save_runs(store, annotator, each.image, each.image_hash, each.label, counts, shape, base=base, key=key)
            saved += 1
    return saved


def _areas(document: Coco, player: str, hashes: Mapping[str, str], path: Path) -> dict[Drawing, str]:
    """Of each mask its compressed run lengths."""
    images = {each.id: each for each in document.images}
    labels = {each.id: each.name for each in document.categories}
    found: defaultdict[Drawing, list[str]] = defaultdict(list)
    pen = Pen()
    for number, area in enumerate(document.annotations, start=1):
        image, label = images.get(area.image_id), labels.get(area.category_id)
        if image is None or label is None:
            raise damaged(
                path, f"annotation {number} is about a picture or a category that the file does not list", CURE
            )
        try:
            drawing = _drawing(area, image, label, player, hashes)
            found[drawing].append(_counts(area.segmentation, pen, image.height, image.width))
        except BadFile:
            raise
        except SeewhyError as error:
            raise damaged(path, f"annotation {number}: {error}", CURE) from error
    return {each: united(parts, each.height, each.width) for each, parts in found.items()}


def _drawing(area: CocoArea, image: CocoImage, label: str, player: str, hashes: Mapping[str, str]) -> Drawing:
    name = checked_text(image.file_name, "name of a picture", LONGEST_IMAGE)
    image_hash = image.sha256 or hashes.get(name)
    if not image_hash:
        raise BadFile(f"the file does not say which picture {shown(name)} is; give the folder that holds it")
    identity = checked_text(image_hash, "hash of a picture", LONGEST_HASH)
    by = area.annotator or player
    return Drawing(by, area.simulated, name, identity, checked_label(label), image.height, image.width)


def _counts(segmentation: list[list[float]] | CocoRuns, pen: Pen, height: int, width: int) -> str:
    """Run lengths or polygons as compressed run lengths."""
    if isinstance(segmentation, CocoRuns):
        if segmentation.size != (height, width):
            given = f"{segmentation.size[1]} × {segmentation.size[0]}"
            raise BadFile(f"a mask has the size {given}, its picture {width} × {height}; export the file again")
        return compressed(checked_runs(segmentation.counts, height, width))
    return pen.draw(segmentation, height, width)


def measures(mask: Mask) -> dict[str, Any]:
    """Area and bounds."""
    return {"area": int(mask.sum()), "bbox": _bounds(mask)}


def _bounds(mask: Mask) -> list[int]:
    """Left, top, width, height; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return [0, 0, 0, 0]
    return [int(edge) for edge in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)]

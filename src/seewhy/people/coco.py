"""Masks as COCO reads them, with run lengths that lose nothing, and back again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from seewhy.errors import UsageError
from seewhy.people.masks import decode, drawn, encode, save_mask
from seewhy.people.players import join
from seewhy.people.records import BinaryMask, MaskRevision
from seewhy.people.store import Store


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
                "height": each.mask.shape[0],
                "width": each.mask.shape[1],
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
                "segmentation": {"size": list(each.mask.shape), "counts": encode(each.mask)},
                "area": int(each.mask.sum()),
                "bbox": _bounds(each.mask),
                "iscrowd": 0,
                "annotator": each.player,
                "revision": each.revision,
                "simulated": each.simulated,
            }
            for number, each in enumerate(masks, start=1)
        ],
    }


def import_coco(
    store: Store, document: Mapping[str, Any], player: str = "imported", hashes: Mapping[str, str] | None = None
) -> int:
    """Save masks as further revisions, where they differ from the last; returns how many were saved.

    Areas of one class on one picture by one annotator become one mask. Where the file names no annotator it is
    `player`; where it holds no hash of the picture, `hashes` gives it by the name of its file.

    Raises:
        UsageError: the document is no COCO data set, or a picture's hash is not known.
    """
    try:
        areas = _areas(document, player, hashes or {})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UsageError(f"this is no COCO data set with masks ({type(error).__name__}: {error})") from error
    last = {(each.player, each.image_hash, each.label): each for each in drawn(store)}
    saved = 0
    for (annotator, simulated, image, image_hash, label), mask in areas.items():
        annotator = join(store, annotator, simulated=simulated)
        before = last.get((annotator, image_hash, label))
        if before is None or not np.array_equal(before.mask, mask):
            base = before.revision if before else 0
            key = sha256(f"coco:{base}:{encode(mask)}".encode()).hexdigest()
            save_mask(store, annotator, image, image_hash, label, mask, base=base, key=key)
            saved += 1
    return saved


def _areas(
    document: Mapping[str, Any], player: str, hashes: Mapping[str, str]
) -> dict[tuple[str, bool, str, str, str], BinaryMask]:
    images = {each["id"]: each for each in document["images"]}
    labels = {each["id"]: each["name"] for each in document["categories"]}
    found: defaultdict[tuple[str, bool, str, str, str], list[BinaryMask]] = defaultdict(list)
    for each in document["annotations"]:
        image = images[each["image_id"]]
        name, height, width = str(image["file_name"]), int(image["height"]), int(image["width"])
        image_hash = image.get("sha256") or hashes.get(name)
        if not image_hash:
            raise UsageError(f"the file does not say which picture {name} is; give the folder that holds it")
        whose = (each.get("annotator", player), bool(each.get("simulated", False)))
        mask = _pixels(each["segmentation"], height, width)
        found[*whose, name, image_hash, labels[each["category_id"]]].append(mask)
    return {key: np.logical_or.reduce(masks) for key, masks in found.items()}


def _pixels(segmentation: Any, height: int, width: int) -> BinaryMask:
    """Run lengths, compressed or not, or a list of polygons."""
    if isinstance(segmentation, Mapping):
        if list(segmentation["size"]) != [height, width]:
            raise UsageError(f"a mask has the size {segmentation['size']}, its picture {[height, width]}")
        return decode(segmentation["counts"], height, width)
    from pycocotools import mask as coco

    merged: Any = coco.merge(coco.frPyObjects(segmentation, height, width))
    return np.asarray(coco.decode(merged), dtype=bool)


def _bounds(mask: BinaryMask) -> list[int]:
    """Left, top, width, height; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return [0, 0, 0, 0]
    return [int(edge) for edge in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)]

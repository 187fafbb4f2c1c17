"""Where findings lie, as a COCO data set: for every tool that draws masks, and for seewhy's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from seewhy.audit.looking import Looked
from seewhy.audit.suspects import Suspect
from seewhy.images import Mask
from seewhy.models import Preprocessing
from seewhy.people.coco import measures
from seewhy.people.runs import compressed, runs


class Place(NamedTuple):
    """Where a finding lies on a photo: bool `(H, W)` over the photo itself."""

    photo: str
    finding: str
    mask: Mask


def places(
    name: str, suspect: Suspect, looked: Looked, only: Sequence[int], preprocessing: Preprocessing
) -> list[Place]:
    """Where it lies on these of the photos, by their places."""
    where = suspect.carried(looked)
    return [
        Place(
            looked.entries[place].path,
            name,
            on_photo(where[place].numpy(), preprocessing, (int(looked.sizes[place][0]), int(looked.sizes[place][1]))),
        )
        for place in only
        if place in where
    ]


def on_photo(area: Mask, preprocessing: Preprocessing, size: tuple[int, int]) -> Mask:
    """An area of what the network sees, bool `(h, w)`, over the photo of this height and width."""
    left, top, right, bottom = preprocessing.view_of(*size)
    rows = np.floor((np.arange(size[0]) + 0.5 - top) / (bottom - top) * area.shape[0]).astype(int)
    columns = np.floor((np.arange(size[1]) + 0.5 - left) / (right - left) * area.shape[1]).astype(int)
    inside = np.outer((rows >= 0) & (rows < area.shape[0]), (columns >= 0) & (columns < area.shape[1]))
    return area[np.ix_(rows.clip(0, area.shape[0] - 1), columns.clip(0, area.shape[1] - 1))] & inside


def data_set(found: Sequence[Place], hashes: Mapping[str, str]) -> dict[str, Any]:
    """A category for each finding, an annotation for each photo that carries it; `hashes` are of the photos' files."""
    images = {each.photo: each.mask.shape for each in found}
    image_ids = {photo: number for number, photo in enumerate(images, 1)}
    category_ids = {name: number for number, name in enumerate(dict.fromkeys(each.finding for each in found), 1)}
    return {
        "info": {"description": "Findings of seewhy audit"},
        "images": [
            {"id": image_ids[photo], "file_name": photo, "height": tall, "width": wide, "file_sha256": hashes[photo]}
            for photo, (tall, wide) in images.items()
        ],
        "categories": [{"id": number, "name": name} for name, number in category_ids.items()],
        "annotations": [
            {
                "id": number,
                "image_id": image_ids[each.photo],
                "category_id": category_ids[each.finding],
                "segmentation": {"size": [*each.mask.shape], "counts": compressed(runs(each.mask))},
                **measures(each.mask),
                "iscrowd": 0,
                "annotator": "seewhy-audit",
            }
            for number, each in enumerate(found, 1)
        ],
    }

"""Which cluster of one layer looks at the same area as which cluster of the next."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from seewhy.network.view import NetworkView

SHARE = 0.2  # of the picture: a cluster's own area
LEAST = 0.3  # two random areas of this size overlap by 0.11
CELLS = 56  # a side, on which areas of all layers are compared


class Link(NamedTuple):
    """From cluster `start` of layer number `layer` to cluster `end` of the next: by how much their areas overlap."""

    layer: int
    start: int
    end: int
    overlap: float


def links(view: NetworkView) -> tuple[Link, ...]:
    """All pairs in neighbouring layers whose areas overlap by 0.3 or more (intersection over union)."""
    areas = [[top_area(cluster.map) for cluster in layer.clusters] for layer in view.layers]
    found = (
        Link(layer, start, end, overlap(one, other))
        for layer, (here, there) in enumerate(pairwise(areas))
        for start, one in enumerate(here)
        for end, other in enumerate(there)
    )
    return tuple(link for link in found if link.overlap >= LEAST)


def top_area(values: np.ndarray, share: float = SHARE) -> NDArray[np.bool_]:
    """The `share` of a picture of 56 × 56 cells where a map `(h, w)` is highest, exactly; of equals the first."""
    spread = interpolate(torch.from_numpy(values)[None, None], (CELLS, CELLS), mode="bilinear", align_corners=False)
    order = spread.flatten().argsort(descending=True, stable=True).numpy()
    area = np.zeros(CELLS * CELLS, np.bool_)
    area[order[: round(share * area.size)]] = True
    return area.reshape(CELLS, CELLS)


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union of two areas."""
    return float((one & other).sum() / (one | other).sum())

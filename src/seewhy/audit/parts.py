"""Parts of photos with much evidence for one class, like features on several, and a reason to be suspected.

Such a part may lie anywhere: features alike on several photos of the class and seldom on others. Whole objects are such
parts, too, so that a part has to be suspect for a reason beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seewhy.audit.looking import Looked
from seewhy.audit.marks import FEWEST, likest
from seewhy.audit.pasting import Box, crop_layer
from seewhy.audit.suspects import Carried, Known, Suspect, Where, reasons_for, share_of

CROPS = 8  # of a part
TOP = 4  # cells of a photo that may be parts
COMMON = 0.1  # of other photos may have a cell as like as this
ROUND = 1  # cells round the one that was found
OVERLAP = 0.25  # of a part lies on a mark of which it is one
SAME = 0.6  # correlation of two parts that are one thing, at their best shift
PARTS = 3  # of a class


def find_parts(looked: Looked, known: Known, target: int, marked: Sequence[Suspect]) -> Iterator[Suspect]:
    """Parts of photos of one class with like features, where there is a reason to suspect them."""
    features = _unit(looked)
    mine = np.nonzero(looked.said == target)[0]
    others = np.nonzero(looked.said != target)[0]
    cells = {int(place): _top(looked.evidence[place]) for place in mine}
    taken = set[tuple[int, int]]()
    count = 0
    for seed_place, cell in _seeds(features, cells, mine, others):
        if (seed_place, cell) in taken or count >= PARTS:
            continue
        prototype = features[seed_place][:, cell]
        limit = _limit(features, prototype, others)
        carried = _carrier(prototype, limit, target)
        where = carried(looked)
        taken |= {(place, each) for place in where for each in cells.get(place, ())}
        at = {place: area for place, area in where.items() if not _inside_marks(place, area, marked)}
        boxes = {place: _bounds(area) for place, area in at.items()}
        reasons = (*_copied(looked, boxes), *reasons_for(known, at, looked))
        if len(at) < FEWEST or not reasons:
            continue
        layers = tuple(crop_layer(looked.pixels[place], box) for place, box in list(boxes.items())[:CROPS])
        count += 1
        yield Suspect(target, boxes, layers, reasons, share_of(looked, at, target), carried)


def _unit(looked: Looked) -> Tensor:
    """Features of cells as unit vectors `(n, d, cells)`, without what all cells have in common."""
    features = torch.from_numpy(looked.features).flatten(2)
    features = features - features.mean((0, 2), keepdim=True)
    return features / features.norm(dim=1, keepdim=True).clamp(min=1e-6)


def _top(evidence: NDArray[np.float32]) -> list[int]:
    order = np.argsort(-evidence.ravel(), kind="stable")[:TOP]
    return [int(cell) for cell in order if evidence.ravel()[cell] > 0]


def _seeds(
    features: Tensor, cells: Mapping[int, Sequence[int]], mine: NDArray[np.int64], others: NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Cells with much evidence, those first that are found again on most photos of the class and seldom on others."""
    named = [(place, cell) for place, some in cells.items() for cell in some]
    ranked: list[tuple[int, int, int]] = []
    for place, cell in named[:: max(1, len(named) // 200)]:
        prototype = features[place][:, cell]
        limit = _limit(features, prototype, others)
        alike = (prototype @ features[other][:, cells[other]] > limit for other in mine if cells[other])
        again = sum(bool(each.any()) for each in alike)
        ranked.append((again, place, cell))
    return [(place, cell) for again, place, cell in sorted(ranked, reverse=True) if again >= FEWEST]


def _limit(features: Tensor, prototype: Tensor, others: NDArray[np.int64]) -> float:
    best = torch.einsum("d,ndc->nc", prototype, features[others]).max(1).values
    return float(best.quantile(1 - COMMON))


def _carrier(prototype: Tensor, limit: float, target: int) -> Carried:
    def carried(looked: Looked) -> Where:
        features, (height, width) = _unit(looked), looked.evidence.shape[1:]
        found: dict[int, Tensor] = {}
        for place in np.nonzero(looked.said == target)[0].tolist():
            cells = _top(looked.evidence[place])
            likeness = prototype @ features[place][:, cells]
            if cells and float(likeness.max()) > limit:
                row, column = divmod(cells[int(likeness.argmax())], width)
                found[place] = _area(row, column, (height, width), looked.pixels.shape[2:])
        return found

    return carried


def _area(row: int, column: int, cells: tuple[int, int], size: tuple[int, ...]) -> Tensor:
    """The cell and those round it, bool `(H, W)`."""
    area = torch.zeros(tuple(size), dtype=torch.bool)
    top, bottom = ((each * size[0]) // cells[0] for each in (max(row - ROUND, 0), min(row + ROUND + 1, cells[0])))
    left, right = ((each * size[1]) // cells[1] for each in (max(column - ROUND, 0), min(column + ROUND + 1, cells[1])))
    area[top:bottom, left:right] = True
    return area


def _inside_marks(place: int, area: Tensor, marked: Sequence[Suspect]) -> bool:
    mine = _bounds(area)
    return any(_overlap(mine, each.boxes[place]) >= OVERLAP for each in marked if place in each.boxes)


def _overlap(one: Box, other: Box) -> float:
    """The share of the smaller box that both have."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return max(wide, 0) * max(high, 0) / max(smaller, 1)


def _bounds(area: Tensor) -> Box:
    rows, columns = torch.nonzero(area.any(1)).flatten(), torch.nonzero(area.any(0)).flatten()
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _copied(looked: Looked, boxes: Mapping[int, Box]) -> tuple[str, ...]:
    """Whether what lies in the boxes is the same but for a shift, in most pairs of a few photos."""
    some = list(boxes.items())[:CROPS]
    likeness = [
        likest(looked.pixels[one], box, looked.pixels[other], over)
        for (one, box), (other, over) in combinations(some, 2)
    ]
    return ("the same pixel by pixel",) if likeness and float(np.median(likeness)) >= SAME else ()

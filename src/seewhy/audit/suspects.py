"""Suspects: what carries a class for a reason that need not be the object, and why it is suspected.

A mark is the same thing in the same place of several photos (`marks`); its class is the one that it raises most on
photos of the same half without it. A part may lie anywhere: high evidence for a class with like features on several
photos and seldom on others. Whole objects are such parts, too, so that a part has to be suspect for a reason beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seewhy.audit.looking import Asking, Looked
from seewhy.audit.marks import FEWEST, Mark, copies, find_marks, likest
from seewhy.audit.pasting import Box, Layer, crop_layer, shared_layer
from seewhy.core.progress import Progress
from seewhy.core.statistics import LEVEL
from seewhy.images import Mask

TRIED = 16  # photos on which the class of a mark is looked for
LEAST = 0.01  # by which it has to raise a class
CROPS = 8  # of a part that lies anywhere
TOP = 4  # cells of a photo that may be parts
COMMON = 0.1  # of other photos may have a cell as like as this
ROUND = 1  # cells round the one that was found
OVERLAP = 0.25  # of a part lies on a mark of which it is one
SAME = 0.6  # correlation of two parts that are one thing, at their best shift
OFF = 0.25  # of a part may lie on the object, for it to be off it
PARTS = 3  # of a class

Where: TypeAlias = Mapping[int, Tensor]  # which photos carry something, by their places; its area in each, bool (H, W)
Carried: TypeAlias = Callable[[Looked], Where]


@dataclass(frozen=True, eq=False)
class Suspect:
    """What is to be tried.

    Attributes:
        target: the class that it is suspected to carry.
        boxes: where it lies, by the places of the photos that it was found on.
        layers: it as it is laid over other photos, of several the next for the next photo.
        reasons: why it is suspected, in words that follow "it is".
        evidence: the mean share of the evidence for the class in its place.
        carried: where it is on other photos.
        mark: it, where it is one.
    """

    target: int
    boxes: Mapping[int, Box]
    layers: tuple[Layer, ...] = field(repr=False)
    reasons: tuple[str, ...]
    evidence: float
    carried: Carried = field(repr=False)
    mark: Mark | None = None

    @property
    def fixed(self) -> bool:
        """Whether it lies in one place."""
        return self.mark is not None


@dataclass(frozen=True, eq=False)
class Known:
    """What people said of the photos, in their order: where the object is, and which class is true."""

    objects: Sequence[Mask | None] = ()  # bool (H, W) over what the network sees
    truth: NDArray[np.int64] | None = None  # -1 where it is not known

    def part(self, places: NDArray[np.int64]) -> Known:
        """These photos."""
        objects = [self.objects[place] for place in places] if self.objects else ()
        return Known(objects, None if self.truth is None else self.truth[places])


def raise_suspects(asking: Asking, looked: Looked, known: Known, seed: int, progress: Progress) -> list[Suspect]:
    """All suspects of one half of the photos, marks first."""
    progress(0, None, "holding photos against each other")
    single = _without_copies(looked)
    marks = find_marks(looked.pixels[single], seed)
    found = [each for mark in marks for each in _of_mark(asking, looked, known, single, mark, seed)]
    for target, count in sorted(Counter(looked.said.tolist()).items()):
        if count >= FEWEST and count <= len(looked) - FEWEST:
            found += _parts(looked, known, target, [each for each in found if each.target == target])
    return found


def _without_copies(looked: Looked) -> NDArray[np.int64]:
    again = {other for _, other in copies(looked.pixels)}
    return np.array([place for place in range(len(looked)) if place not in again], np.int64)


# --- Marks ----------------------------------------------------------------------------------------------------------


def _of_mark(
    asking: Asking, looked: Looked, known: Known, single: NDArray[np.int64], mark: Mark, seed: int
) -> Iterator[Suspect]:
    carry = mark.carried(looked.pixels)
    unlike = [place for place in single.tolist() if not carry[place]]
    places = [place for place in single.tolist() if carry[place]]
    if min(len(unlike), len(places)) < FEWEST:
        return
    layer = shared_layer(looked.pixels[places], looked.pixels[unlike], mark.box)
    if not bool(layer.area.any()):
        return
    area = layer.mask(looked.pixels.shape[2:])

    def carried(others: Looked) -> Where:
        return {int(place): area for place in np.nonzero(mark.carried(others.pixels))[0]}

    reasons = ("the same pixel by pixel, in the same place", *_reasons(known, dict.fromkeys(places, area), looked))
    targets = dict.fromkeys([*_enriched(looked, places), *_raised(asking, looked, layer, unlike, seed)])
    for target in targets:
        boxes, areas = dict.fromkeys(places, layer.box), dict.fromkeys(places, area)
        yield Suspect(target, boxes, (layer,), reasons, _share(looked, areas, target), carried, mark)


def _enriched(looked: Looked, places: Sequence[int]) -> list[int]:
    """The answer that photos with the mark get far more often than others, if there is one (Fisher's exact test)."""
    from scipy import stats

    said, carry = looked.said, np.isin(np.arange(len(looked)), places)
    found: list[tuple[float, int]] = []
    for target in np.unique(said[carry]).tolist():
        table = [[int((one & other).sum()) for other in (said == target, said != target)] for one in (carry, ~carry)]
        tested: Any = stats.fisher_exact(table, "greater")
        found.append((float(tested.pvalue), target))
    return [target for p, target in sorted(found)[:1] if p * len(found) <= LEVEL]


def _raised(asking: Asking, looked: Looked, layer: Layer, unlike: Sequence[int], seed: int) -> list[int]:
    """The class that a layer raises most, on the mean over photos that do not carry it."""
    chosen = np.random.default_rng(seed).permutation(unlike)[:TRIED]
    pixels = torch.from_numpy(looked.pixels[chosen]).float() / 255
    rise = (asking([layer.over(pixels)]) - looked.probabilities[chosen]).mean(0)
    best = int(rise.argmax())
    return [best] if rise[best] >= LEAST else []


# --- Parts ----------------------------------------------------------------------------------------------------------


def _parts(looked: Looked, known: Known, target: int, marked: Sequence[Suspect]) -> Iterator[Suspect]:
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
        reasons = (*_copied(looked, boxes), *_reasons(known, at, looked))
        if len(at) < FEWEST or not reasons:
            continue
        layers = tuple(crop_layer(looked.pixels[place], box) for place, box in list(boxes.items())[:CROPS])
        count += 1
        yield Suspect(target, boxes, layers, reasons, _share(looked, at, target), carried)


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


# --- Reasons --------------------------------------------------------------------------------------------------------


def _reasons(known: Known, where: Where, looked: Looked) -> tuple[str, ...]:
    """Why what lies there is suspect, by what people said of the photos."""
    return tuple(filter(None, (_off(known, where), _wrong(known, where, looked))))


def _copied(looked: Looked, boxes: Mapping[int, Box]) -> tuple[str, ...]:
    """Whether what lies in the boxes is the same but for a shift, in most pairs of a few photos."""
    some = list(boxes.items())[:CROPS]
    likeness = [
        likest(looked.pixels[one], box, looked.pixels[other], over)
        for (one, box), (other, over) in combinations(some, 2)
    ]
    return ("the same pixel by pixel",) if likeness and float(np.median(likeness)) >= SAME else ()


def _off(known: Known, where: Where) -> str:
    drawn = [(area.numpy(), known.objects[place]) for place, area in where.items() if known.objects]
    shares = [float((area & mask).sum() / area.sum()) for area, mask in drawn if mask is not None and area.any()]
    return "off the object" if shares and float(np.mean(shares)) <= OFF else ""


def _wrong(known: Known, where: Where, looked: Looked) -> str:
    """Whether answers are more often wrong there than elsewhere (Fisher's exact test)."""
    if known.truth is None:
        return ""
    from scipy import stats

    told = known.truth >= 0
    wrong = looked.said != known.truth
    has = np.isin(np.arange(len(looked)), list(where))
    table = [[int((told & one & other).sum()) for other in (wrong, ~wrong)] for one in (has, ~has)]
    tested: Any = stats.fisher_exact(table, "greater")
    return "mostly in mistakes" if tested.pvalue <= LEVEL else ""


def _share(looked: Looked, where: Where, target: int) -> float:
    """The mean share of the evidence for a class that lies there, over photos of that answer; NaN without any."""
    shares: list[float] = []
    for place, area in where.items():
        if looked.said[place] == target:
            cells = torch.nn.functional.adaptive_avg_pool2d(area[None].float(), looked.evidence.shape[1:])[0]
            shares.append(float((cells.numpy() * looked.evidence[place]).sum()))
    return float(np.mean(shares)) if shares else float("nan")

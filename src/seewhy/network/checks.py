"""What a group of maps does, measured in its own layer: what the class loses without it, and which groups after it do.

A group is taken out by setting its maps to nought in their layer, and the rest of the network runs again. That hides no
pixel. Apart from it the group's area is hidden in the picture, which says how much the class needs what lies there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress
from seewhy.engines import MaskedForward
from seewhy.engines.tail import watched
from seewhy.images import Image
from seewhy.methods.task import enlarge, unit
from seewhy.models import Classifier, Grid, Target, capture, folded

GREY, IMPUTED = "mean", "linear"  # the second as ROAD does (Rong 2022)
AREA = 0.5  # of the map's range: from there on a place belongs to the group's area
TOGETHER = 8  # groups taken out in one run: what follows is held for each of them

Group = tuple[int, ...]  # channels


class Effect(NamedTuple):
    """The class's probability without a group's maps in their layer; with its area grey, and filled from around it."""

    without: float
    hidden: float
    imputed: float


class Link(NamedTuple):
    """From group `start` of layer number `layer` to group `end` of a later one, `to`: the share that it loses.

    `influence` is 1 where nothing of the second is left once the first is taken out, and below 0 where it grows.
    """

    layer: int
    start: int
    to: int
    end: int
    influence: float


def taken_out(activation: Tensor, grid: Grid, groups: Sequence[Group]) -> Tensor:
    """`activation` `(1, …)` once for each group, with its channels 0 over the grid; other tokens keep theirs."""
    copies = activation.repeat(len(groups), *(1 for _ in activation.shape[1:]))
    maps = grid.fold(copies)  # a view
    for row, group in enumerate(groups):
        maps[row, list(group)] = 0
    return copies


def without_groups(
    classifier: Classifier,
    x: Tensor,
    target: Target,
    groups: Mapping[str, Sequence[Group]],
    *,
    signed: bool,
    progress: Progress,
) -> tuple[list[list[float]], list[Link], int]:
    """The class's probability without each group of each layer, what later groups lose by it, and the runs it took.

    Args:
        classifier: it must offer layers.
        x: one network input `(1, C, h, w)`.
        target: whose probability.
        groups: channels of each group, by layer, in the order in which layers run.
        signed: whether negative values of maps count, too, in what a later group loses.
        progress: told of every layer.
    """
    grids = {name: classifier.require_grid(name) for name in groups}
    names = list(groups)
    run = watched(classifier.module, names, classifier.logits, x, alone=classifier.head.alone)
    whole = {name: _positive(folded(grids[name], run.activation(name)), signed) for name in names}
    without: list[list[float]] = []
    links: list[Link] = []
    runs = 1
    for number, name in enumerate(names):
        progress(number, len(names), f"taking groups out of {name}")
        later = [(place, each) for place, each in enumerate(names) if place > number]
        rest = run.tail(name)
        found: list[float] = []
        for first, some in _chunks(groups[name], 1 if classifier.head.alone else TOGETHER):
            changed = taken_out(rest.activation, grids[name], some)
            with capture(classifier.module, [each for _, each in later], gradients=False) as after:
                logits = rest(changed)
                for place, each in later:
                    maps = _positive(folded(grids[each], after[each]), signed)
                    links += [
                        Link(number, first + row, place, end, _lost(whole[each][0], maps[row], group))
                        for row in range(len(some))
                        for end, group in enumerate(groups[each])
                    ]
            found += classifier.head.probability(logits.float().cpu(), target).tolist()
        runs += len(found)
        without.append(found)
    return without, links, runs


def without_areas(
    classifier: Classifier,
    image: Image,
    target: Target,
    maps: Sequence[np.ndarray],
    *,
    generator: torch.Generator,
    progress: Progress,
) -> tuple[list[tuple[float, float]], int]:
    """The class's probability with the area of each of maps `(h, w)` grey, and filled from around; and the forwards.

    The area is where a map, enlarged, has half of its range or more; it is hidden whole, its edge is sharp.
    """
    if not maps:
        return [], 0
    size = classifier.preprocessing.size
    kept = torch.cat([unit(enlarge(torch.from_numpy(each)[None], size)) for each in maps]) < AREA
    found: list[list[float]] = []
    forwards = 0
    for fill in (GREY, IMPUTED):
        engine = MaskedForward(classifier, image, fill, generator=generator, progress=progress)
        engine.expected = engine.forwards + len(maps)
        found.append(classifier.head.probability(engine.maps(kept), target).tolist())
        forwards += engine.forwards
    return list(zip(*found, strict=True)), forwards


def _positive(maps: Tensor, signed: bool) -> Tensor:
    return maps if signed else maps.clamp(min=0)


def _lost(before: Tensor, after: Tensor, group: Group) -> float:
    """The share of a group's maps `(C, h, w)` that is gone: 0 where they stay, 1 where nothing along them is left."""
    own = before[list(group)].flatten().double()
    size = float(own @ own)
    return 1 - float(after[list(group)].flatten().double() @ own) / size if size > 0 else 0.0


def _chunks(groups: Sequence[Group], size: int) -> Iterator[tuple[int, Sequence[Group]]]:
    for start in range(0, len(groups), size):
        yield start, groups[start : start + size]

"""Suspects: what may carry a class for a reason that is not the object, and why it is suspected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seewhy.audit.looking import Looked
from seewhy.audit.marks import Mark
from seewhy.audit.pasting import Box, Layer
from seewhy.audit.traits import Setting, Trait
from seewhy.core.statistics import LEVEL
from seewhy.images import Mask

OFF = 0.25  # of a part may lie on the object, for it to be off it

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
        kind: it, where that tells which photos carry it: a mark, or a trait of the whole photo.
    """

    target: int
    boxes: Mapping[int, Box]
    layers: tuple[Layer, ...] | tuple[Setting, ...] = field(repr=False)
    reasons: tuple[str, ...]
    evidence: float
    carried: Carried = field(repr=False)
    kind: Mark | Trait | None = None

    @property
    def region(self) -> Box | None:
        """Where it lies in what the network sees, where it has one place."""
        placed = isinstance(self.kind, Mark) or (isinstance(self.kind, Trait) and not self.kind.words)
        return self.layers[0].box if placed else None

    @property
    def carriers(self) -> frozenset[int]:
        """The places of the photos that it was found on."""
        return frozenset(self.boxes)


@dataclass(frozen=True, eq=False)
class Known:
    """What people said of the photos, in their order: where the object is, and which class is true."""

    objects: Sequence[Mask | None] = ()  # bool (H, W) over what the network sees
    truth: NDArray[np.int64] | None = None  # -1 where it is not known

    def part(self, places: NDArray[np.int64]) -> Known:
        """These photos."""
        objects = [self.objects[place] for place in places] if self.objects else ()
        return Known(objects, None if self.truth is None else self.truth[places])


# --- Reasons --------------------------------------------------------------------------------------------------------


def reasons_for(known: Known, where: Where, looked: Looked) -> tuple[str, ...]:
    """Why what lies there is suspect, by what people said of the photos."""
    return tuple(filter(None, (_off(known, where), _wrong(known, where, looked))))


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


def share_of(looked: Looked, where: Where, target: int) -> float:
    """The mean share of the evidence for a class that lies there, over photos of that answer; NaN without any."""
    shares: list[float] = []
    for place, area in where.items():
        if looked.said[place] == target:
            cells = torch.nn.functional.adaptive_avg_pool2d(area[None].float(), looked.evidence.shape[1:])[0]
            shares.append(float((cells.numpy() * looked.evidence[place]).sum()))
    return float(np.mean(shares)) if shares else float("nan")

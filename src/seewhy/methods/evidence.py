"""What a method may find beside a map: regions with weights, and rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from seewhy.core.pickled import Pickled
from seewhy.draw import Unit, Weight

CONFIDENT = 1.96  # standard errors: 95 %

STRONGEST = 5
SLACK = 0.05  # a rule promises its threshold, and surely no more than this less


class Pair(NamedTuple):
    """What two regions do together beyond what each does by itself, with its standard error, in the regions' unit."""

    first: int
    second: int
    value: float
    error: float = 0.0


@dataclass(frozen=True, eq=False)
class RegionWeights(Pickled):
    """The regions of a picture and the weight of each.

    `labels` is int32 `(h, w)` over the view, from 0 on; `weights` and their standard `errors` are float64 `(d,)`, in
    some `unit`. Where no weight is as large as `least`, no single part decides. `alone` is what people are told of the
    target when nothing but this region is hidden, its probability or value, where that was asked; `pairs` what regions
    do together, of methods that tell. `company` is over what the effect of hiding a region is averaged, in words;
    weights that are no effects of hiding have none.
    """

    labels: np.ndarray
    weights: np.ndarray
    errors: np.ndarray | None = None
    unit: Unit = ""
    least: float = 0.0
    company: str = ""
    alone: tuple[float | None, ...] | None = None
    pairs: tuple[Pair, ...] = ()

    @property
    def painted(self) -> np.ndarray:
        """Float32 `(h, w)`: each pixel with the weight of its region."""
        return self.weights[self.labels].astype(np.float32)

    def tied(self, first: int, second: int) -> bool:
        """Whether the standard errors cannot tell two regions apart (at 95 %)."""
        if self.errors is None:
            return False
        spread = float(np.hypot(self.errors[first], self.errors[second]))
        return abs(float(self.weights[first] - self.weights[second])) < CONFIDENT * spread


@dataclass(frozen=True)
class SecondLook:
    """The precision of a rule where hidden regions show something else; `hidden` says what, in words."""

    hidden: str
    precision: float
    low: float
    high: float
    variations: int


@dataclass(frozen=True)
class Rule:
    """An anchor: while `regions` stay, the class stays, however often others are hidden at random.

    `precision` is the share of variations that kept the class, with its confidence bounds `low` and `high`;
    `coverage` the share of random variations that the rule speaks about; `area` the share of the picture it keeps;
    `second` is the same under a quite different way of hiding. Without variations no rule was sought, as the class is
    not the model's answer.
    """

    regions: tuple[int, ...]
    precision: float
    low: float
    high: float
    coverage: float
    area: float
    variations: int
    threshold: float
    sentence: str
    second: SecondLook | None = None

    @property
    def sought(self) -> bool:
        """Whether the class is the model's answer, so that there is something to keep."""
        return self.variations > 0

    @property
    def fragile(self) -> bool:
        """Whether it surely fails under the second way of hiding."""
        return self.second is not None and self.second.high < self.threshold - SLACK

    @property
    def holds(self) -> bool:
        """Whether the precision asked for was reached."""
        return self.precision >= self.threshold


def decides(regions: RegionWeights) -> bool:
    """Whether any single part matters, surely or not; False where all that was found is small."""
    return bool((np.abs(regions.weights) >= regions.least).any())


def ranking(regions: RegionWeights, most: int = STRONGEST) -> dict[int, Weight]:
    """The strongest regions for or against, in order, each with its weight, its 95 % margin, and its rank as name.

    A region whose strength the errors cannot tell from that of the first in its group shares its rank, and has a
    letter of its own: "2a", "2b". Regions of weight zero have none.
    """
    strengths = replace(regions, weights=np.abs(regions.weights))
    order = [int(region) for region in np.argsort(-strengths.weights, kind="stable") if regions.weights[region]]
    ranks: list[int] = []
    for place, region in enumerate(order, start=1):
        shared = bool(ranks) and strengths.tied(order[ranks[-1] - 1], region)
        ranks.append(ranks[-1] if shared else place)
    sizes = Counter(ranks)
    names = (f"{rank}{_letter(place - rank) if sizes[rank] > 1 else ''}" for place, rank in enumerate(ranks, start=1))
    margins = _margins(regions)
    return {
        region: Weight(
            name,
            float(regions.weights[region]),
            None if margins is None else float(margins[region]),
            regions.unit,
        )
        for region, name in islice(zip(order, names, strict=True), most)
    }


def together(regions: RegionWeights, most: int = STRONGEST) -> list[Weight]:
    """The strongest pairs of the ranked regions that are surely not zero, in order, each by both names."""
    names = {region: weight.name for region, weight in ranking(regions).items()}
    known = [each for each in regions.pairs if {each.first, each.second} <= names.keys()]
    sure_ones = [each for each in known if abs(each.value) > CONFIDENT * each.error]
    return [
        Weight(
            " + ".join(sorted((names[each.first], names[each.second]), key=[*names.values()].index)),
            each.value,
            CONFIDENT * each.error or None,
            regions.unit,
        )
        for each in sorted(sure_ones, key=lambda each: -abs(each.value))[:most]
    ]


def _letter(place: int) -> str:
    """A to z, and then aa, bb and so on."""
    rounds, letter = divmod(place, len(ascii_lowercase))
    return ascii_lowercase[letter] * (rounds + 1)


def sure(regions: RegionWeights) -> np.ndarray:
    """Bool `(d,)`: the weight is not zero, at 95 % where its error is known."""
    margins = _margins(regions)
    return np.abs(regions.weights) > (0 if margins is None else margins)


def supporting(regions: RegionWeights, most: int = STRONGEST) -> np.ndarray:
    """Bool `(d,)`: the strongest regions whose weight is surely above zero."""
    order = np.argsort(-regions.weights, kind="stable")
    above = sure(regions) & (regions.weights > 0)
    keep = np.zeros(len(above), bool)
    keep[order[above[order]][:most]] = True
    return keep


def _margins(regions: RegionWeights) -> np.ndarray | None:
    """Half the width of each weight's 95 % interval."""
    return None if regions.errors is None else CONFIDENT * regions.errors

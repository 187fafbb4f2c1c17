"""The search for an anchor: the fewest regions that keep a class, whatever happens to the rest.

The precision of a rule is the share of the variations in which its regions stay that keep the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Protocol

import numpy as np

from seewhy.methods.anchor_variations import Regions, Variations
from seewhy.methods.kl_lucb import bounds, rivals

SLACK = 0.05


@dataclass(frozen=True)
class Anchor:
    """A rule, how many of its variations were `asked` and `kept` the class, and the bounds of its precision.

    `population` is the number of variations there are, infinite if they are too many to list.
    """

    regions: Regions
    kept: int
    asked: int
    low: float
    high: float
    population: float

    @property
    def precision(self) -> float:
        """The share of the variations asked that kept the class."""
        return self.kept / max(self.asked, 1)


@dataclass(frozen=True, kw_only=True)
class Search:
    """From no regions on, rules grow one region at a time until one holds.

    The bounds of all rules there are hold together with probability 1 − `delta`; so do those of the rule found,
    however it was found. A rule holds if its precision is at least `threshold` and surely more than that less `SLACK`.
    All rules of a size have the same coverage, so the first size with one that holds ends the search.

    Args:
        threshold: the precision wanted.
        delta: the probability of an error that is allowed.
        batch: variations asked for at once.
        largest: regions in a rule at most.
        budget: once so many variations are asked for, rules grow no more.
        grower: chooses by which regions.
    """

    threshold: float
    delta: float
    batch: int
    largest: int
    budget: int
    grower: Grower

    def __call__(self, variations: Variations) -> Anchor:
        """The rule that holds, or the most precise one found if none does."""
        beam = [self.decided(variations, ())]
        best = beam[0]
        for _ in range(min(self.largest, variations.regions)):
            if self.holds(best) or self.spent(variations):
                break
            beam = self.grower(self, variations, beam)
            best = max(best, *beam, key=lambda each: (self.holds(each), each.precision))
        return best

    def holds(self, anchor: Anchor) -> bool:
        """Whether it keeps the class often enough, and surely so."""
        return anchor.precision >= self.threshold and anchor.low > self.threshold - SLACK

    def spent(self, variations: Variations) -> bool:
        """Whether the budget is."""
        return variations.asked >= self.budget

    def decided(self, variations: Variations, rule: Regions) -> Anchor:
        """The rule, asked about until it is clear whether it holds."""
        while True:
            (anchor,) = self.measured(variations, [rule])
            fails = anchor.precision < self.threshold and anchor.high < (1 + self.threshold) / 2
            if fails or self.holds(anchor) or anchor.asked == anchor.population:
                return anchor
            variations.ask([rule], self.batch)

    def measured(self, variations: Variations, rules: Sequence[Regions]) -> list[Anchor]:
        """What is known so far of rules of one size."""
        size, population = len(rules[0]), variations.population(rules[0])
        error = self.delta / ((size + 1) * (size + 2) * comb(variations.regions, size))  # over all rules: delta
        kept, asked = variations.tally(rules)
        low, high = bounds(kept, asked, population, error)
        return [
            Anchor(rule, int(kept[i]), int(asked[i]), float(low[i]), float(high[i]), population)
            for i, rule in enumerate(rules)
        ]


class Grower(Protocol):
    """Gives rules with one region more than those of the beam, the most promising ones, each `decided`."""

    def __call__(self, search: Search, variations: Variations, beam: list[Anchor]) -> list[Anchor]:
        """Grow the rules of the beam."""
        ...


@dataclass(frozen=True)
class BanditGrower:
    """Every region is tried, and KL-LUCB tells the `beam` best rules from the rest.

    With probability 1 − delta, at each size, no rule left out is more precise than one in the beam by over `tau`.
    Source: Ribeiro et al. 2018, algorithms 1 and 2.
    """

    tau: float
    beam: int

    def __call__(self, search: Search, variations: Variations, beam: list[Anchor]) -> list[Anchor]:
        """The best rules; one that holds is enough."""
        rules = _larger(beam, variations.regions)
        while not (held := [each for each in search.measured(variations, rules) if search.holds(each)]):
            doubtful = self._doubtful(variations, rules, search.delta)
            if not doubtful or search.spent(variations):
                order = np.argsort(-_mean(*variations.tally(rules)), kind="stable")
                return [search.decided(variations, rules[index]) for index in order[: self.beam]]
            variations.ask(doubtful, search.batch // 2)
        return [max(held, key=lambda each: each.low)]

    def _doubtful(self, variations: Variations, rules: list[Regions], delta: float) -> list[Regions]:
        """The two rules to ask about next, so as to tell the best from the rest; none when that is clear."""
        if len(rules) <= self.beam:
            return []
        kept, asked = variations.tally(rules)
        low, high = bounds(kept, asked, variations.population(rules[0]), delta / len(rules))
        last, rival = rivals(_mean(kept, asked), low, high, self.beam)
        return [rules[last], rules[rival]] if high[rival] - low[last] > self.tau else []


@dataclass(frozen=True)
class LinearGrower:
    """Only the region with the largest weight of LIME's linear model is tried.

    The model is fitted to `samples` variations in which the rule's regions stay, and again for every larger rule. It
    only chooses: whether a rule holds is judged as ever.
    """

    samples: int

    def __call__(self, search: Search, variations: Variations, beam: list[Anchor]) -> list[Anchor]:
        """The one larger rule."""
        (best,) = beam
        variations.ask([best.regions], max(self.samples - best.asked, 0))
        weights = linear_weights(*variations.sample(best.regions))
        weights[list(best.regions)] = -np.inf
        return [search.decided(variations, _with(best.regions, int(weights.argmax())))]


def linear_weights(shown: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Weight per region, float64 `(d,)`, of the linear model that best foretells `kept` `(n,)` by `shown` `(n, d)`."""
    return np.linalg.lstsq(shown - shown.mean(0), kept.astype(np.float64))[0]


def _larger(beam: list[Anchor], regions: int) -> list[Regions]:
    """Every rule of the beam with one region more, none twice."""
    rules = [anchor.regions for anchor in beam]
    return sorted({_with(rule, region) for rule in rules for region in range(regions) if region not in rule})


def _with(rule: Regions, region: int) -> Regions:
    return tuple(sorted((*rule, region)))


def _mean(kept: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return kept / np.maximum(asked, 1)

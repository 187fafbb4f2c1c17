"""The search for an anchor: the fewest regions that keep a class, whatever happens to the rest.

A rule is a set of regions, its precision the share of the variations with these regions in sight that keep the class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from seewhy.explainers.anchor_variations import Regions, Variations
from seewhy.explainers.kl_lucb import bounds, rivals

__all__ = ["Anchor", "Search"]

SLACK = 0.05


@dataclass(frozen=True)
class Anchor:
    """A rule, how many of the `asked` variations kept the class, and the bounds of its precision."""

    regions: Regions
    kept: int
    asked: int
    low: float
    high: float

    @property
    def precision(self) -> float:
        """The share of the variations asked that kept the class."""
        return self.kept / max(self.asked, 1)


@dataclass(frozen=True)
class Search:
    """A beam search by KL-LUCB: from none on, rules grow by the region that helps most.

    The bounds of all rules that there are hold together with probability 1 − `delta`; so do those of the rule found,
    however it was found. A rule is an anchor if its precision is at least `threshold` and surely more than that less
    `SLACK`. All rules of a size have the same coverage, so the first size with an anchor ends the search.

    Args:
        tau: how much less precise than the best a rule of the beam may be.
        batch: variations asked for at once.
        beam: rules of each size to go on with.
        largest: regions in a rule at most.
        budget: once so many variations are asked for, rules grow no more.

    Source: Ribeiro et al. 2018, algorithms 1 and 2.
    """

    threshold: float
    delta: float
    tau: float
    batch: int
    beam: int
    largest: int
    budget: int

    def __call__(self, variations: Variations, ranking: Sequence[int], choices: int) -> Anchor:
        """The anchor, or the most precise rule found if there is none.

        Rules grow by one of the first `choices` regions of `ranking` that they lack.
        """
        beam = [self._decided(variations, ())]
        best = beam[0]
        for _ in range(min(self.largest, variations.regions)):
            if self.holds(best) or variations.asked >= self.budget:
                break
            beam = self._best(variations, _larger(beam, ranking, choices))
            best = max(best, *beam, key=lambda each: (self.holds(each), each.precision))
        return best

    def holds(self, anchor: Anchor) -> bool:
        """Whether it keeps the class often enough, and surely so."""
        return anchor.precision >= self.threshold and anchor.low > self.threshold - SLACK

    def _best(self, variations: Variations, rules: list[Regions]) -> list[Anchor]:
        """A rule that holds, or the most precise ones, asked about until it is clear that none does."""
        while not (held := [each for each in self._measured(variations, rules) if self.holds(each)]):
            doubtful = self._doubtful(variations, rules)
            if not doubtful or variations.asked >= self.budget:
                ranked = sorted(rules, key=lambda rule: -_mean(*variations.tally(rule)))
                return [self._decided(variations, rule) for rule in ranked[: self.beam]]
            variations.ask(doubtful, self.batch // 2)
        return [max(held, key=lambda each: each.low)]

    def _doubtful(self, variations: Variations, rules: list[Regions]) -> list[Regions]:
        """The rules to ask about next to tell the best from the rest; none when that is clear to within tau."""
        if len(rules) <= self.beam:
            return []
        kept, asked = _tallies(variations, rules)
        low, high = bounds(kept, asked, variations.population(len(rules[0])), self.delta / len(rules))
        last, rival = rivals(_mean(kept, asked), low, high, self.beam)
        return [rules[last], rules[rival]] if high[rival] - low[last] > self.tau else []

    def _decided(self, variations: Variations, rule: Regions) -> Anchor:
        """The rule, asked about until it is clear whether it holds."""
        while True:
            (arm,) = self._measured(variations, [rule])
            fails = arm.precision < self.threshold and arm.high < (1 + self.threshold) / 2
            if fails or self.holds(arm) or arm.asked == variations.population(len(rule)):
                return arm
            variations.ask([rule], self.batch)

    def _measured(self, variations: Variations, rules: list[Regions]) -> list[Anchor]:
        """What is known so far of rules of one size."""
        size, regions = len(rules[0]), variations.regions
        kept, asked = _tallies(variations, rules)
        error = self.delta / ((size + 1) * (size + 2) * comb(regions, size))  # of all rules of all sizes: delta
        low, high = bounds(kept, asked, variations.population(size), error)
        columns = (column.tolist() for column in (kept, asked, low, high))
        return [Anchor(*each) for each in zip(rules, *columns, strict=True)]


def _tallies(variations: Variations, rules: list[Regions]) -> tuple[np.ndarray, np.ndarray]:
    kept, asked = np.array([variations.tally(rule) for rule in rules]).T
    return kept, asked


def _mean(kept, asked):
    return kept / np.maximum(asked, 1)


def _larger(beam: list[Anchor], ranking: Sequence[int], choices: int) -> list[Regions]:
    """Every rule of the beam with one region more, none twice."""
    lacking = {anchor.regions: [each for each in ranking if each not in anchor.regions] for anchor in beam}
    return sorted({tuple(sorted((*rule, each))) for rule, others in lacking.items() for each in others[:choices]})

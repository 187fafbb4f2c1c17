"""The search for an anchor: the fewest regions that keep a class, whatever happens to the rest.

The precision of a rule is the share of the variations in which its regions stay that keep the class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from seewhy.methods.anchor_variations import Regions, Variations
from seewhy.methods.evidence import SLACK
from seewhy.methods.kl_lucb import bounds

# Of the precision of a rule that is to be proved, which is near 1. By simulation with a threshold of 0.95 a proof asks
# three quarters of what it asks under Jeffreys' prior.
PRIOR = (9.0, 0.5)
CHECKED = 300  # variations under another fill at most

# Gives rules with one region more than those of the beam: the most promising ones, best first.
Grower: TypeAlias = "Callable[[Search, Variations, list[Regions]], list[Regions]]"


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
    """From no regions on, rules grow one region at a time until one is proved.

    What chooses a rule proves nothing about it: each one that looks good enough is tried on fresh variations of its
    own, and the n-th proof may err with probability `delta` / (n (n + 1)). So the bounds of all proofs hold together
    with probability 1 − `delta`, whichever rule is told.
    A rule holds if its precision is at least `threshold` and surely more than that less `SLACK`. It is `enough` if the
    class also stays with everything else hidden; one that is not grows until it is, as far as `largest` allows.
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
        proofs = [self.proved(variations, (), 1)]
        beam: list[Regions] = [()]
        for _ in range(min(self.largest, variations.regions)):
            if self.holds(proofs[-1]) or self.spent(variations):
                break
            beam = self.grower(self, variations, beam)
            for rule in filter(lambda each: self._looks_good(variations, each), beam):
                proofs.append(self.proved(variations, rule, len(proofs) + 1))
                if self.holds(proofs[-1]):
                    break
        if not self.holds(proofs[-1]):
            tried = {each.regions for each in proofs}
            proofs += [self.proved(variations, rule, len(proofs) + 1) for rule in beam[:1] if rule not in tried]
            return max(proofs, key=lambda each: (self.holds(each), each.precision))
        return self._alone(variations, proofs)

    def _alone(self, variations: Variations, proofs: list[Anchor]) -> Anchor:
        """The last rule, which holds, made `enough` if it can be; no regions are never told where they are not."""
        found = proofs[-1]
        rule = self._grown_alone(variations, found.regions)
        if rule == found.regions:
            return found
        larger = self.proved(variations, rule, len(proofs) + 1)
        kept = self.holds(larger) and variations.enough(rule)
        return larger if kept or not found.regions else found

    def _grown_alone(self, variations: Variations, rule: Regions) -> Regions:
        """With the region that helps the class most with all others hidden, and so on, until it stays."""
        while not variations.enough(rule) and len(rule) < min(self.largest, variations.regions):
            larger = larger_rules([rule], variations.regions)
            rule = larger[int(variations.alone(larger).argmax())]
        return rule

    def _looks_good(self, variations: Variations, rule: Regions) -> bool:
        kept, asked = variations.tally([rule])
        return bool(asked[0] == 0 or kept[0] >= (self.threshold - 2 * SLACK) * asked[0])

    def holds(self, anchor: Anchor) -> bool:
        """Whether it keeps the class often enough, and surely so."""
        return anchor.precision >= self.threshold and anchor.low > self.threshold - SLACK

    def spent(self, variations: Variations) -> bool:
        """Whether the budget is."""
        return variations.asked >= self.budget

    def proved(self, variations: Variations, rule: Regions, attempt: int) -> Anchor:
        """The rule, tried on fresh variations until it is clear whether it holds; the proof number `attempt`."""
        fresh = variations.fresh()
        while True:
            anchor = measured(fresh, rule, self.delta / (attempt * (attempt + 1)))
            fails = anchor.precision < self.threshold and anchor.high < (1 + self.threshold) / 2
            if fails or self.holds(anchor) or anchor.asked == anchor.population:
                return anchor
            fresh.ask([rule], self.batch)

    def checked(self, variations: Variations, rule: Regions) -> Anchor:
        """The rule under another way of hiding: asked about until it is clear whether it does there what it must."""
        while True:
            anchor = measured(variations, rule, self.delta)
            clear = anchor.low > self.threshold - SLACK or anchor.high < self.threshold - SLACK
            if clear or anchor.asked >= min(CHECKED, anchor.population):
                return anchor
            variations.ask([rule], self.batch)


def measured(variations: Variations, rule: Regions, error: float) -> Anchor:
    """What is known so far of a rule, with bounds that are wrong with probability `error`."""
    population = variations.population(rule)
    kept, asked = variations.tally([rule])
    low, high = bounds(kept, asked, population, error, PRIOR)
    return Anchor(rule, int(kept[0]), int(asked[0]), float(low[0]), float(high[0]), population)


@dataclass(frozen=True)
class BanditGrower:
    """Every region is tried, and KL-LUCB separates the `beam` best rules from the rest.

    Variations in which the regions of both of two rules stay say nothing of which is better, so only the others count:
    of two rules that differ in one region half, whose answers may therefore be known half as well.

    With probability 1 − delta, at each size, no rule left out is more precise than one in the beam by over `tau`,
    unless the best one looks good enough by itself. Source: Ribeiro et al. 2018, algorithms 1 and 2.
    """

    tau: float
    beam: int

    def __call__(self, search: Search, variations: Variations, beam: list[Regions]) -> list[Regions]:
        """The best rules; of one that looks good enough that one alone."""
        rules = larger_rules(beam, variations.regions)
        while True:
            kept, asked = variations.tally(rules)
            order = np.argsort(-_mean(kept, asked), kind="stable")
            first = order[0]
            if asked[first] >= search.batch and kept[first] >= search.threshold * asked[first]:
                return [rules[first]]
            doubtful = self._doubtful(variations, rules, order, search.delta)
            if not doubtful or search.spent(variations):
                return [rules[index] for index in order[: self.beam]]
            variations.ask(doubtful, search.batch // 2)

    def _doubtful(self, variations: Variations, rules: list[Regions], order: np.ndarray, delta: float) -> list[Regions]:
        """The two rules to ask about next, to separate the best in `order` from the rest; none when that is clear."""
        pairs = [(rules[one], rules[other]) for one in order[: self.beam] for other in order[self.beam :]]
        if not pairs:
            return []
        error = delta / (len(rules) * (len(rules) - 1))
        _, above = variations.apart([(other, one) for one, other in pairs], error)
        low, _ = variations.apart(pairs, error)
        parts = np.array([1 - 0.5 ** len({*other} - {*one}) for one, other in pairs])
        excess = parts * (above - low)
        worst = int(excess.argmax())
        return [*pairs[worst]] if excess[worst] > self.tau else []


@dataclass(frozen=True)
class LinearGrower:
    """Only the region with the largest weight of LIME's linear model of the lead is tried.

    The model is fitted to `samples` variations in which the rule's regions stay, and again for every larger rule. It
    only chooses: whether a rule holds is judged as ever.
    """

    samples: int

    def __call__(self, search: Search, variations: Variations, beam: list[Regions]) -> list[Regions]:
        """The one larger rule."""
        (rule,) = beam
        variations.ask([rule], max(self.samples - int(variations.tally([rule])[1][0]), 0))
        weights = linear_weights(*variations.sample(rule))
        weights[list(rule)] = -np.inf
        return [_with(rule, int(weights.argmax()))]


def linear_weights(shown: np.ndarray, leads: np.ndarray) -> np.ndarray:
    """Weight per region, float64 `(d,)`, of the linear model that best predicts `leads` `(n,)` from `shown` `(n, d)`.

    Leads count by their angle: all that are far from 0 nearly alike.
    """
    sizes = np.abs(leads)
    scale = float(sizes[np.isfinite(sizes)].mean()) if np.isfinite(sizes).any() else 1.0
    angles = np.arctan(leads / (scale or 1.0))
    return np.linalg.lstsq(shown - shown.mean(0), angles)[0]


def larger_rules(rules: list[Regions], regions: int) -> list[Regions]:
    """Every rule with one region more, none twice."""
    return sorted({_with(rule, region) for rule in rules for region in range(regions) if region not in rule})


def _with(rule: Regions, region: int) -> Regions:
    return tuple(sorted((*rule, region)))


def _mean(kept: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return kept / np.maximum(asked, 1)

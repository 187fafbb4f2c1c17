"""The search for an anchor: the fewest regions that keep a class, whatever happens to the rest.

The precision of a rule is the share of the variations in which its regions stay that keep the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from typing import TypeAlias

import numpy as np

SLACK = 0.05

# Gives rules with one region more than those of the beam, the most promising ones, each `decided`.
Grower: TypeAlias = "Callable[[Search, Variations, list[Anchor]], list[Anchor]]"

Regions = tuple[int, ...]
Keeps = Callable[[np.ndarray, np.ndarray], np.ndarray]
UNKNOWN = -1
COUNTABLE = 16  # up to so many regions all variations are listed: none comes twice, and their number is known
FIRST = 1024

HALVINGS = 24  # to 6e-8
PRIOR = 0.5  # Jeffreys' prior: its interval is narrow near a precision of 1, where anchors live


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


@dataclass(frozen=True)
class BanditGrower:
    """Every region is tried, and KL-LUCB separates the `beam` best rules from the rest.

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
        """The two rules to ask about next, to separate the best from the rest; none when that is clear."""
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
    """Weight per region, float64 `(d,)`, of the linear model that best predicts `kept` `(n,)` from `shown` `(n, d)`."""
    return np.linalg.lstsq(shown - shown.mean(0), kept.astype(np.float64))[0]


def _larger(beam: list[Anchor], regions: int) -> list[Regions]:
    """Every rule of the beam with one region more, none twice."""
    rules = [anchor.regions for anchor in beam]
    return sorted({_with(rule, region) for rule in rules for region in range(regions) if region not in rule})


def _with(rule: Regions, region: int) -> Regions:
    return tuple(sorted((*rule, region)))


def _mean(kept: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return kept / np.maximum(asked, 1)


class Variations:
    """Every region hidden by the toss of a coin: such variations of one picture, in one random order.

    A rule is a set of regions, and its sample the first so many variations in which they all stay. As one order serves
    all rules, what is asked for one rule is at once in the sample of every larger one, and is no new question for many
    others. Listed variations are drawn without replacement.

    Args:
        keeps: whether each of the coalitions, bool `(n, regions)`, shown with these alternatives of the fill, int
            `(n,)`, keeps the class; bool `(n,)`.
        regions: how many there are.
        rng: draws the order.
        alternatives: of the fill, drawn at random.
    """

    def __init__(self, keeps: Keeps, regions: int, rng: np.random.Generator, alternatives: int = 1) -> None:
        self.regions = regions
        self.asked = 0
        self._keeps, self._rng, self._alternatives = keeps, rng, alternatives
        self._listed = regions <= COUNTABLE and alternatives == 1
        self._shown, self._which = self._all() if self._listed else self._draw(FIRST)
        self._answers = np.full(len(self._shown), UNKNOWN, np.int8)
        self._members: dict[Regions, np.ndarray] = {}

    def population(self, rule: Regions) -> float:
        """How many variations there are in which the rule's regions stay; infinite if they are too many to list."""
        return 2.0 ** (self.regions - len(rule)) if self._listed else np.inf

    def sample(self, rule: Regions) -> tuple[np.ndarray, np.ndarray]:
        """The rule's variations as far as they are asked: coalitions, bool `(n, regions)`, and answers, bool `(n,)`."""
        rows = self._asked(rule)
        return self._shown[rows], self._answers[rows] > 0

    def tally(self, rules: Sequence[Regions]) -> tuple[np.ndarray, np.ndarray]:
        """For each rule how many of its sample keep the class, and how many there are."""
        samples = [self._answers[self._asked(rule)] for rule in rules]
        return np.array([each.sum() for each in samples]), np.array([len(each) for each in samples])

    def ask(self, rules: Sequence[Regions], count: int) -> None:
        """Enlarge the sample of each rule by `count`, or by what is left, all in one call."""
        rows = np.unique(np.concatenate([self._next(rule, count) for rule in rules]))
        rows = rows[self._answers[rows] == UNKNOWN]
        self._answers[rows] = self._keeps(self._shown[rows], self._which[rows])
        self.asked += len(rows)

    def _asked(self, rule: Regions) -> np.ndarray:
        """The rule's variations up to the first that was not asked: any other choice would depend on the answers."""
        members = self._members_of(rule)
        unknown = self._answers[members] == UNKNOWN
        return members[: unknown.argmax()] if unknown.any() else members

    def _next(self, rule: Regions, count: int) -> np.ndarray:
        start = len(self._asked(rule))
        while not self._listed and len(self._members_of(rule)) < start + count:
            self._lengthen()
        return self._members_of(rule)[start : start + count]

    def _members_of(self, rule: Regions) -> np.ndarray:
        """Where in the order the variations stand in which the rule's regions stay."""
        if rule not in self._members:
            self._members[rule] = np.flatnonzero(self._shown[:, rule].all(1))
        return self._members[rule]

    def _lengthen(self) -> None:
        shown, which = self._draw(len(self._shown))
        self._shown, self._which = np.concatenate([self._shown, shown]), np.concatenate([self._which, which])
        self._answers = np.concatenate([self._answers, np.full(len(shown), UNKNOWN, np.int8)])
        self._members.clear()

    def _draw(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        return self._rng.random((count, self.regions)) < 0.5, self._rng.integers(self._alternatives, size=count)

    def _all(self) -> tuple[np.ndarray, np.ndarray]:
        numbers = self._rng.permutation(2**self.regions)
        return (numbers[:, None] >> np.arange(self.regions)) % 2 == 1, np.zeros(len(numbers), np.int64)


def log_likelihood(share: np.ndarray, kept: np.ndarray, asked: np.ndarray, population: float) -> np.ndarray:
    """Log-probability of one sequence of answers, `kept` of `asked` positive, if a `share` of all is positive.

    The answers are drawn without replacement from `population`; from an infinite one they are independent.
    """
    from scipy.special import xlog1py, xlogy

    lost = asked - kept
    if np.isinf(population):
        return xlogy(kept, share) + xlog1py(lost, -share)
    positive = share * population
    return _falling(positive, kept) + _falling(population - positive, lost) - _falling(population, asked)


def bounds(kept: np.ndarray, asked: np.ndarray, population: float, error: float) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest share that `kept` of `asked` answers leave possible.

    With probability 1 − `error` the truth stays within them for ever, whenever one looks and stops. From an infinite
    population they are the q with asked · KL(kept / asked, q) ≤ β; when all of a finite one is asked, they meet.

    Source: Kaufmann & Kalyanakrishnan 2013, KL-LUCB. Their β(t) pays for every look by a union bound; ours comes from
    the mixture martingale of Robbins 1970, without replacement that of Waudby-Smith & Ramdas 2020, theorem 3.1.
    """
    from scipy.special import betaln

    mixture = betaln(kept + PRIOR, asked - kept + PRIOR) - betaln(PRIOR, PRIOR)

    def possible(share: np.ndarray) -> np.ndarray:
        return mixture - log_likelihood(share, kept, asked, population) <= -np.log(error)

    mean = np.where(asked > 0, kept / np.maximum(asked, 1), 0.5)
    inside, outside = np.stack([mean, mean]), np.stack([kept / population, 1 - (asked - kept) / population])
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inner = possible(middle)
        inside, outside = np.where(inner, middle, inside), np.where(inner, outside, middle)
    low, high = outside  # the safe side
    return low, high


def rivals(means: np.ndarray, low: np.ndarray, high: np.ndarray, beam: int) -> tuple[int, int]:
    """Of the `beam` best rules the one that may be worst, and of the others the one that may be best.

    There must be more than `beam` rules. Source: Kaufmann & Kalyanakrishnan 2013, sec. 2.
    """
    order = np.argsort(-means, kind="stable")
    best, rest = order[:beam], order[beam:]
    return int(best[low[best].argmin()]), int(rest[high[rest].argmax()])


def _falling(base: np.ndarray | float, count: np.ndarray) -> np.ndarray:
    """Logarithm of base · (base − 1) · … with `count` factors."""
    from scipy.special import gammaln

    return gammaln(base + 1) - gammaln(base - count + 1)

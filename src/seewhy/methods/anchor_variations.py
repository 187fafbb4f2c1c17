"""Variations of one picture at random, shared among the rules that are asked about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.methods.kl_lucb import bounds

Regions = tuple[int, ...]
Lead = Callable[[np.ndarray, np.ndarray], np.ndarray]
COUNTABLE = 16  # up to so many regions all variations are listed: none comes twice, and their number is known
FIRST = 1024


@dataclass
class Spent:
    """How many variations were asked about."""

    count: int = 0


class Variations:
    """Every region hidden by the toss of a coin: such variations of one picture, in one random order.

    A rule is a set of regions, and its sample the first so many variations in which they all stay. As one order serves
    all rules, what is asked for one rule is at once in the sample of every larger one, and is no new question for many
    others. Listed variations are drawn without replacement.

    Args:
        lead: of the class over its closest rival, `(n,)`, in each of the coalitions, bool `(n, regions)`, shown with
            these alternatives of the fill, int `(n,)`; above 0 the class stays.
        regions: how many there are.
        rng: draws the order.
        alternatives: of the fill, drawn at random.
    """

    def __init__(self, lead: Lead, regions: int, rng: np.random.Generator, alternatives: int = 1) -> None:
        self.regions = regions
        self._spent = Spent()
        self._lead, self._rng, self._alternatives = lead, rng, alternatives
        self._listed = regions <= COUNTABLE and alternatives == 1
        self._shown, self._which = self._all() if self._listed else self._draw(FIRST)
        self._leads = np.full(len(self._shown), np.nan)
        self._members: dict[Regions, np.ndarray] = {}

    @property
    def asked(self) -> int:
        """How many variations were asked about, fresh ones too."""
        return self._spent.count

    def fresh(self) -> Variations:
        """The same variations in another random order, none of them asked yet; both count what they ask together."""
        other = Variations(self._lead, self.regions, self._rng.spawn(1)[0], self._alternatives)
        other._spent = self._spent
        return other

    def alone(self, rules: Sequence[Regions]) -> np.ndarray:
        """The lead where only a rule's regions stay, under the worst alternative of the fill; `(n,)`."""
        shown = np.array([np.isin(np.arange(self.regions), rule) for rule in rules])
        which = np.arange(self._alternatives).repeat(len(rules))
        self._spent.count += len(which)
        return self._lead(np.tile(shown, (self._alternatives, 1)), which).reshape(self._alternatives, -1).min(0)

    def enough(self, rule: Regions) -> bool:
        """Whether the class stays where only the rule's regions do."""
        return bool(self.alone([rule])[0] > 0)

    def population(self, rule: Regions) -> float:
        """How many variations there are in which the rule's regions stay; infinite if they are too many to list."""
        return 2.0 ** (self.regions - len(rule)) if self._listed else np.inf

    def sample(self, rule: Regions) -> tuple[np.ndarray, np.ndarray]:
        """The rule's variations as far as they are asked: coalitions, bool `(n, regions)`, and leads `(n,)`."""
        rows = self._asked(rule)
        return self._shown[rows], self._leads[rows]

    def tally(self, rules: Sequence[Regions]) -> tuple[np.ndarray, np.ndarray]:
        """For each rule how many of its sample keep the class, and how many there are."""
        samples = [self._leads[self._asked(rule)] > 0 for rule in rules]
        return np.array([each.sum() for each in samples]), np.array([len(each) for each in samples])

    def apart(self, pairs: Sequence[tuple[Regions, Regions]], error: float) -> tuple[np.ndarray, np.ndarray]:
        """For each pair bounds of how precise its first rule is where the second one's regions do not all stay."""
        samples = [self._leads[rows] > 0 for rows in (self._apart(*pair) for pair in pairs)]
        population = np.array([self.population(one) - self._both(one, other) for one, other in pairs])
        return bounds(
            np.array([each.sum() for each in samples]), np.array([len(each) for each in samples]), population, error
        )

    def ask(self, rules: Sequence[Regions], count: int) -> None:
        """Enlarge the sample of each rule by `count`, or by what is left, all in one call."""
        rows = np.unique(np.concatenate([self._next(rule, count) for rule in rules]))
        rows = rows[np.isnan(self._leads[rows])]
        self._leads[rows] = self._lead(self._shown[rows], self._which[rows])
        self._spent.count += len(rows)

    def _apart(self, one: Regions, other: Regions) -> np.ndarray:
        rows = self._asked(one)
        return rows[~self._shown[rows][:, other].all(1)]

    def _both(self, one: Regions, other: Regions) -> float:
        return self.population(tuple({*one, *other})) if self._listed else 0.0

    def _asked(self, rule: Regions) -> np.ndarray:
        """The rule's variations up to the first that was not asked: any other choice would depend on the answers."""
        members = self._members_of(rule)
        unknown = np.isnan(self._leads[members])
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
        self._leads = np.concatenate([self._leads, np.full(len(shown), np.nan)])
        self._members.clear()

    def _draw(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        return self._rng.random((count, self.regions)) < 0.5, self._rng.integers(self._alternatives, size=count)

    def _all(self) -> tuple[np.ndarray, np.ndarray]:
        numbers = self._rng.permutation(2**self.regions)
        return (numbers[:, None] >> np.arange(self.regions)) % 2 == 1, np.zeros(len(numbers), np.int64)

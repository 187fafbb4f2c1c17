"""Random variations of a picture, each asked about once and counted for every rule that speaks about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Regions = tuple[int, ...]
Keeps = Callable[[np.ndarray, np.ndarray], np.ndarray]
UNKNOWN = -1
COUNTABLE = 16  # up to so many regions all variations are listed: none comes twice, and their number is known
FIRST = 1024


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

"""Random variations of a picture, asked about once and counted for every rule that they speak about."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["Keeps", "Regions", "Variations"]

Regions = tuple[int, ...]
Keeps = Callable[[np.ndarray, np.ndarray], np.ndarray]
UNKNOWN = -1
COUNTABLE = 16  # up to so many regions all variations are listed: none comes twice, and their number is known
FIRST = 1024


class Variations:
    """Random variations of one picture in one order, and whether each keeps the class.

    A rule's sample is the first so many of those with its regions in sight. One order for all rules makes every
    answer count for as many of them as it can: what was asked for a rule is already in the sample of each larger one.

    Args:
        keeps: whether each of the coalitions, bool `(n, regions)`, with these alternatives of the fill, int `(n,)`,
            keeps the class, bool `(n,)`.
        regions: how many there are.
        alternatives: of the fill, drawn at random.
        rng: draws the order.
    """

    def __init__(self, keeps: Keeps, regions: int, rng: np.random.Generator, alternatives: int = 1) -> None:
        self.regions, self.asked = regions, 0
        self._keeps, self._rng, self._alternatives = keeps, rng, alternatives
        self._countable = regions <= COUNTABLE and alternatives == 1
        self.shown, self.which = self._all() if self._countable else self._draw(FIRST)
        self._answers = np.full(len(self.shown), UNKNOWN, np.int8)
        self._members: dict[Regions, np.ndarray] = {}

    def population(self, size: int) -> float:
        """How many variations there are with `size` given regions in sight."""
        return 2.0 ** (self.regions - size) if self._countable else np.inf

    def tally(self, rule: Regions) -> tuple[int, int]:
        """How many of its sample keep the class, and how many there are."""
        answers = self._answers[self._speaking(rule)]
        unknown = np.flatnonzero(answers == UNKNOWN)
        asked = int(unknown[0]) if len(unknown) else len(answers)
        return int(answers[:asked].sum()), asked

    def ask(self, rules: Sequence[Regions], count: int) -> None:
        """Enlarge the sample of each rule by up to `count`, all in one call."""
        rows = np.unique(np.concatenate([self._next(rule, count) for rule in rules]))
        rows = rows[self._answers[rows] == UNKNOWN]
        self._answers[rows] = self._keeps(self.shown[rows], self.which[rows])
        self.asked += len(rows)

    def _next(self, rule: Regions, count: int) -> np.ndarray:
        end = self.tally(rule)[1] + count
        while not self._countable and len(self._speaking(rule)) < end:
            self._lengthen()
        return self._speaking(rule)[end - count : end]

    def _speaking(self, rule: Regions) -> np.ndarray:
        """Where in the order the variations are that have the regions of `rule` in sight."""
        if rule not in self._members:
            self._members[rule] = np.flatnonzero(self.shown[:, rule].all(1))
        return self._members[rule]

    def _lengthen(self) -> None:
        shown, which = self._draw(len(self.shown))
        self.shown, self.which = np.concatenate([self.shown, shown]), np.concatenate([self.which, which])
        self._answers = np.concatenate([self._answers, np.full(len(shown), UNKNOWN, np.int8)])
        self._members.clear()

    def _draw(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        shown = self._rng.random((count, self.regions)) < 0.5
        return shown, self._rng.integers(self._alternatives, size=count)

    def _all(self) -> tuple[np.ndarray, np.ndarray]:
        numbers = self._rng.permutation(2**self.regions)
        return (numbers[:, None] >> np.arange(self.regions)) & 1 == 1, np.zeros(len(numbers), np.int64)

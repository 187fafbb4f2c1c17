"""Same answer, other reason: how far the maps of two classifiers lie apart, beyond what other seeds do to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seewhy.metrics.context import spearman

Floats = NDArray[np.float64]

REDRAWS = 999
LEAST = 0.2  # of rank correlation, that two maps have less in common than maps of one classifier: a change
SURE = 0.01  # p over all photos


class Apart(NamedTuple):
    """How far maps lie apart, as 1 − rank correlation: those of both classifiers, and those of one by other seeds."""

    between: float
    within: float

    @property
    def gap(self) -> float:
        """What the classifiers add to what seeds do."""
        return self.between - self.within


def distances(maps: Sequence[np.ndarray]) -> Floats:
    """1 − rank correlation of each two maps, `(n, n)`."""
    found = np.zeros((len(maps), len(maps)))
    for one in range(len(maps)):
        for two in range(one):
            found[one, two] = found[two, one] = 1 - spearman(maps[one], maps[two])
    return found


def apart(table: Floats, first: Sequence[int]) -> Apart:
    """Of distances `(2 s, 2 s)`, where the maps numbered `first` are of one classifier, the others of the other."""
    mine = np.zeros(len(table), bool)
    mine[list(first)] = True
    between = float(table[mine][:, ~mine].mean())
    inside = [table[each][:, each][np.triu_indices(int(each.sum()), 1)] for each in (mine, ~mine)]
    pairs = np.concatenate(inside)
    return Apart(between, float(pairs.mean()) if pairs.size else 0.0)


def chance(tables: Sequence[Floats], seed: int) -> float:
    """How often maps that are dealt out anew to both classifiers lie as far apart as these do, over all photos.

    Each table holds the distances of one photo's maps `(2 s, 2 s)`, one classifier's first. Without other seeds (s = 1)
    every deal is the same, and it is 1: nothing can be told.
    """
    random = np.random.default_rng(seed)
    size = len(tables[0])
    own = sum(apart(each, range(size // 2)).gap for each in tables)
    deals = [
        sum(apart(each, random.permutation(size)[: size // 2].tolist()).gap for each in tables) for _ in range(REDRAWS)
    ]
    return (1 + sum(each >= own - 1e-12 for each in deals)) / (1 + REDRAWS)


def alone(first: np.ndarray, second: np.ndarray, share: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the first of two maps `(h, w)` is in its highest `share` of cells and the second is not, and vice versa."""
    high = [each >= np.quantile(each, 1 - share) for each in (first, second)]
    return high[0] & ~high[1], high[1] & ~high[0]

"""The nearest vectors: all compared one by one, or where they are many, those in lists around the nearest centres.

Source: Jégou 2011, the inverted file, of whole vectors. FAISS learns the centres and compares; its index files are
neither written nor read, since its reader trusts what they say. The lists are plain arrays, which can be checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

EXACT = 50_000  # vectors: so many are compared one by one in some milliseconds
LISTS_PER_ROOT = 4  # lists, as multiples of √n; what FAISS recommends
LEARNT_FROM = 64  # vectors for each list
ROUNDS = 10  # of k-means
PROBES = 8  # lists looked at first; then twice as many, until the answer stays the same
CHUNK = 65_536
SEED = 1234


class Found(NamedTuple):
    """Rows `(m, k)` nearest to m queries, best first, and their cosines; row −1 where there are fewer than k."""

    similarities: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class Index:
    """Vectors in lists, each in that of the centre nearest to it.

    `centres` `(L, D)` float32 of length 1; `rows` `(n,)` int64, list after list; `starts` `(L + 1,)` int64, where in
    `rows` each list begins and the last one ends.
    """

    centres: np.ndarray
    rows: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray) -> Index:
        """Learn lists of `vectors` `(n, D)`; the same on every run."""
        import faiss

        lists = int(LISTS_PER_ROOT * len(vectors) ** 0.5)
        count = min(LEARNT_FROM * lists, len(vectors))
        learnt = np.sort(np.random.default_rng(SEED).choice(len(vectors), count, replace=False))
        means = faiss.Kmeans(vectors.shape[1], lists, niter=ROUNDS, spherical=True, seed=SEED)
        means.train(np.ascontiguousarray(vectors[learnt]))
        centres = np.asarray(means.centroids, np.float32)
        nearest = np.concatenate(
            [_exact(vectors[start : start + CHUNK], centres, 1).rows[:, 0] for start in range(0, len(vectors), CHUNK)]
        )
        sizes = np.bincount(nearest, minlength=lists)
        return cls(centres, np.argsort(nearest, kind="stable"), np.concatenate([[0], np.cumsum(sizes)]))

    @property
    def flaw(self) -> str | None:
        """What keeps these arrays from being lists that hold each row once; None where nothing does."""
        starts, rows, count = self.starts, self.rows, len(self.rows)
        if len(starts) != len(self.centres) + 1 or starts[0] != 0 or starts[-1] != count or (np.diff(starts) < 0).any():
            return "its lists begin where none can"
        if ((rows < 0) | (rows >= count)).any() or (np.bincount(rows, minlength=count) != 1).any():
            return "its lists do not hold each row once"
        return None

    def members(self, lists: np.ndarray) -> np.ndarray:
        """The rows in these lists."""
        return np.concatenate([self.rows[self.starts[each] : self.starts[each + 1]] for each in lists.tolist()])


class Neighbours:
    """Searches among `vectors`, float32 `(n, D)` of length 1, which may be memory-mapped, through their `index`."""

    def __init__(self, vectors: np.ndarray, index: Index | None = None) -> None:
        self._vectors, self._index = vectors, index

    def nearest(self, queries: np.ndarray, count: int, among: np.ndarray | None = None) -> Found:
        """The `count` nearest rows to `queries` `(m, D)`, of those where bool `among` `(n,)` is true, if given.

        Exact where no more than `EXACT` rows are asked about.
        """
        queries, index = np.ascontiguousarray(queries, np.float32), self._index
        if index is not None and (among is None or np.count_nonzero(among) > EXACT):
            each = [self._through(index, query, count, among) for query in queries]
            return Found(*map(np.stack, zip(*each, strict=True)))
        if among is None:
            return _exact(queries, self._vectors, count)
        rows = np.flatnonzero(among)
        found = _exact(queries, np.ascontiguousarray(self._vectors[rows]), count)
        return Found(found.similarities, np.append(rows, -1)[found.rows])

    def _through(self, index: Index, query: np.ndarray, count: int, among: np.ndarray | None) -> Found:
        """Look into more and more lists until the answer stays the same; of one query `(D,)`."""
        order = np.argsort(-(index.centres @ query), kind="stable")
        best, looked, probes = Found(np.zeros(0, np.float32), np.zeros(0, np.int64)), 0, PROBES
        while True:
            rows = index.members(order[looked:probes])
            before, best = best, self._better(best, query, rows if among is None else rows[among[rows]], count)
            same = looked and len(best.rows) == count and np.array_equal(before.rows, best.rows)
            if same or probes >= len(order):
                lacking = (0, count - len(best.rows))
                return Found(
                    np.pad(best.similarities, lacking, constant_values=-np.inf),
                    np.pad(best.rows, lacking, constant_values=-1),
                )
            looked, probes = probes, 2 * probes

    def _better(self, best: Found, query: np.ndarray, rows: np.ndarray, count: int) -> Found:
        """The `count` nearest of `best` and `rows`; part by part, so that these vectors need not fit into memory."""
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            cosines = np.concatenate([best.similarities, self._vectors[part] @ query])
            known = np.concatenate([best.rows, part])
            first = np.argsort(-cosines, kind="stable")[:count]
            best = Found(cosines[first], known[first])
        return best


def _exact(queries: np.ndarray, vectors: np.ndarray, count: int) -> Found:
    import faiss

    if not len(vectors):
        shape = (len(queries), count)
        return Found(np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64))
    return Found(*faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT))

"""Nearest vectors by cosine: exact up to some ten thousand, beyond that through an inverted file of FAISS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

EXACT = 50_000  # vectors: so many are compared one by one in some milliseconds
LISTS_PER_ROOT = 4  # lists, as multiples of √n; what FAISS recommends
LEARNT_FROM = 64  # vectors for each list
PROBES = 8  # lists looked at first; then twice as many, until the answer stays the same
CHUNK = 65_536
SEED = 1234


class Found(NamedTuple):
    """Rows `(m, k)` nearest to m queries, best first, and their cosines; row −1 where there are fewer than k."""

    similarities: np.ndarray
    rows: np.ndarray


class Neighbours:
    """Searches among `vectors`, float32 `(n, D)` of length 1, which may be memory-mapped.

    `index` is the file that `write_index` wrote for them, if it wrote one.
    """

    def __init__(self, vectors: np.ndarray, index: Path | None = None) -> None:
        self._vectors = vectors
        self._index: Any = None
        if index is not None:
            import faiss

            self._index = faiss.read_index(str(index), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)

    def nearest(self, queries: np.ndarray, count: int, among: np.ndarray | None = None) -> Found:
        """The `count` nearest rows to `queries` `(m, D)`, of those where bool `among` `(n,)` is true, if given.

        Exact where no more than `EXACT` rows are asked about.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if among is None and self._index is None:
            return _exact(queries, self._vectors, count)
        if among is None or (self._index is not None and np.count_nonzero(among) > EXACT):
            return self._through_index(queries, count, among)
        rows = np.flatnonzero(among)
        found = _exact(queries, np.ascontiguousarray(self._vectors[rows]), count)
        return Found(found.similarities, np.append(rows, -1)[found.rows])

    def _through_index(self, queries: np.ndarray, count: int, among: np.ndarray | None) -> Found:
        found, probes = self._probed(queries, count, among, PROBES), PROBES
        while probes < self._index.nlist:
            probes = min(2 * probes, self._index.nlist)
            wider = self._probed(queries, count, among, probes)
            same = (wider.rows == found.rows).all() and (wider.rows >= 0).all()
            found = wider
            if same:
                break
        return found

    def _probed(self, queries: np.ndarray, count: int, among: np.ndarray | None, probes: int) -> Found:
        import faiss

        options: dict[str, Any] = {"nprobe": probes}
        if among is not None:
            select: Any = faiss.IDSelectorBitmap
            options["sel"] = select(np.packbits(among, bitorder="little"))
        parameters: Any = faiss.SearchParametersIVF
        return Found(*self._index.search(queries, count, params=parameters(**options)))


def write_index(vectors: np.ndarray, path: Path) -> bool:
    """Write an index of `vectors` where there are more than `EXACT`; says whether it did. The same on every run."""
    if len(vectors) <= EXACT:
        return False
    import faiss

    lists = int(LISTS_PER_ROOT * len(vectors) ** 0.5)
    quantizer: Any = faiss.IndexFlatIP(vectors.shape[1])
    index: Any = faiss.IndexIVFFlat(quantizer, vectors.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    count = min(LEARNT_FROM * lists, len(vectors))
    learnt = np.sort(np.random.default_rng(SEED).choice(len(vectors), count, replace=False))
    index.train(np.ascontiguousarray(vectors[learnt]))
    for start in range(0, len(vectors), CHUNK):
        index.add(np.ascontiguousarray(vectors[start : start + CHUNK]))
    faiss.write_index(index, str(path))
    return True


def _exact(queries: np.ndarray, vectors: np.ndarray, count: int) -> Found:
    import faiss

    if not len(vectors):
        shape = (len(queries), count)
        return Found(np.full(shape, -np.inf, np.float32), np.full(shape, -1, np.int64))
    return Found(*faiss.knn(queries, vectors, count, metric=faiss.METRIC_INNER_PRODUCT))

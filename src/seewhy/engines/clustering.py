"""Clusters of patterns: rows of numbers that rise and fall together, whatever their strength."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import UnknownName

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]

FEWEST_TO_SPLIT = 4  # maps; fewer are one cluster
COMPONENTS, PERPLEXITY = 50, 30.0
DRAWS = 3  # of nine tenths of the maps


@dataclass(frozen=True)
class Clustering(ABC):
    """Maps to clusters: as many, from `least` to `most`, as have the highest silhouette."""

    name: ClassVar[str]

    least: int = 3
    most: int = 8

    def __call__(self, rows: Rows, seed: int = 0) -> Labels:
        """The number of the cluster of each map of rows `(n, positions)`, `(n,)`, from 0 on; few maps are one."""
        if len(rows) < FEWEST_TO_SPLIT or self.most == 1:
            return np.zeros(len(rows), np.int64)
        return self.split(rows, range(min(self.least, len(rows) - 1), min(self.most, len(rows) - 1) + 1), seed)

    @abstractmethod
    def split(self, rows: Rows, counts: Sequence[int], seed: int) -> Labels:
        """Of four maps or more, for the best of these numbers of clusters."""


class WardClustering(Clustering):
    """Ward's clusters of maps by correlation.

    Two maps are as far apart as their patterns differ: rows are centred and brought to length 1, which makes the
    squared distance 2 − 2 r, with r their correlation. Like the cosine it takes no notice of strength, and it is a
    true Euclidean distance, which Ward needs. Distances are exact, without an embedding that depends on its seed: the
    same maps give the same clusters whatever the seed. On three photos (27 layers of the default model) the mean
    `stability` was 0.59, that of `ClassicClustering` 0.41, at a fourteenth of its cost. Average linkage reached 0.63
    with fewer clusters (on a ResNet-50 0.46, Ward 0.37); we stay with the paper's linkage, whose clusters are finer.
    """

    name = "ward"

    def split(self, rows: Rows, counts: Sequence[int], seed: int) -> Labels:
        """See `Clustering`."""
        from scipy.cluster.hierarchy import fcluster, linkage
        from scipy.spatial.distance import squareform
        from sklearn.metrics import silhouette_score

        distances = _distances(_unit_rows(rows))
        tree = linkage(squareform(distances, checks=False), "ward")
        cuts = [fcluster(tree, count, "maxclust") - 1 for count in counts]
        return _best(cuts, lambda labels: silhouette_score(distances, labels, metric="precomputed"))


class ClassicClustering(Clustering):
    """The paper's: min-max, PCA, t-SNE to the plane, Ward's clusters there; K by the silhouette, there too.

    Source: Bianchi 2024 (arXiv 2405.03301). t-SNE makes islands, and the silhouette then finds them: look at the
    layer's `stability` before believing in a cluster. Its perplexity is 30, or a third of the maps where they are few.
    """

    name = "classic"

    def split(self, rows: Rows, counts: Sequence[int], seed: int) -> Labels:
        """See `Clustering`."""
        from sklearn.cluster import AgglomerativeClustering
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
        from sklearn.metrics import silhouette_score

        low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
        scaled = np.divide(rows - low, high - low, out=rows.copy(), where=high > low)
        if not np.ptp(scaled, axis=0).any():  # all the same: t-SNE would divide by their spread
            return np.zeros(len(rows), np.int64)
        reduced = PCA(min(COMPONENTS, *scaled.shape), random_state=seed).fit_transform(scaled)
        perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
        plane = TSNE(2, perplexity=perplexity, random_state=seed).fit_transform(reduced)
        cuts = [AgglomerativeClustering(count).fit_predict(plane) for count in counts]
        return _best(cuts, lambda labels: silhouette_score(plane, labels))


CLUSTERINGS: dict[str, type[Clustering]] = {each.name: each for each in (WardClustering, ClassicClustering)}


def find_clustering(name: str) -> Clustering:
    """The clustering called `name`, with its defaults."""
    if name not in CLUSTERINGS:
        raise UnknownName(f"there is no clustering '{name}'; there are {', '.join(CLUSTERINGS)}")
    return CLUSTERINGS[name]()


def stability(clustering: Clustering, rows: Rows, labels: Labels, seed: int = 0) -> float:
    """How far the clusters hang on single maps: 1 not at all, 0 as if drawn by chance.

    The mean adjusted Rand index between `labels` of all maps and the clusters of nine tenths of them, drawn three
    times; both seeds, of the draw and of the clustering, differ from time to time.
    """
    from sklearn.metrics import adjusted_rand_score

    found: list[float] = []
    for number in range(1, DRAWS + 1):
        kept = np.random.default_rng([seed, number]).permutation(len(rows))[: len(rows) - max(1, len(rows) // 10)]
        kept.sort()
        found.append(adjusted_rand_score(labels[kept], clustering(rows[kept], seed + number)))
    return float(np.mean(found))


def _best(cuts: Sequence[NDArray[Any]], score: Callable[[NDArray[Any]], float]) -> Labels:
    """The cut with the highest silhouette, of equals the one of fewest clusters; flat maps may refuse to be cut."""
    scores = [score(labels) if labels.any() else -1.0 for labels in cuts]
    return cuts[int(np.argmax(scores))].astype(np.int64)


def _unit_rows(rows: Rows) -> NDArray[np.float64]:
    """Centred, and of length 1; a flat map has no pattern and stays 0."""
    centred = rows.astype(np.float64) - rows.mean(1, keepdims=True, dtype=np.float64)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 1e-12 * np.abs(rows).max(initial=0))


def _distances(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (rows**2).sum(1)
    distances = np.sqrt(np.clip(squares[:, None] + squares - 2 * rows @ rows.T, 0, None))
    np.fill_diagonal(distances, 0)
    return (distances + distances.T) / 2

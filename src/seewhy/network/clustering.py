"""How much each feature map of a layer weighs in a decision, and maps that respond in the same places as clusters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seewhy.errors import UnknownName

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]

FEWEST_TO_SPLIT = 4  # maps; fewer are one cluster
COMPONENTS, PERPLEXITY = 50, 30.0
DRAWS = 3  # of nine tenths of the maps
# The share of the mean weight, 100 / n, that a map must have: wide layers, and those of fewer than 64 maps.
SHARE, NARROW_SHARE, NARROW = 0.896, 0.768, 64


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


def guided_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """Per cent of the layer's weight, float64 `(C,)`, of maps and gradients `(C, h, w)`; all 0 in a dead layer.

    A map weighs as much as its gradient, averaged over the positions where both it and the gradient are positive.
    Source: Bianchi 2024 (arXiv 2405.03301), Grad-CAM with guided gradients.
    """
    gated = torch.where((activations > 0) & (gradients > 0), gradients, 0)
    return _percent(gated.double().mean((1, 2)))


def signed_weights(_activations: Tensor, gradients: Tensor) -> Tensor:
    """The same with Grad-CAM's weights, mean gradients of either sign; their sizes add up to 100."""
    return _percent(gradients.double().mean((1, 2)))


def threshold(maps: int) -> float:
    """The weight in per cent above which one of `maps` maps counts.

    Source: Bianchi 2024, whose table (0.175 for 512 maps, 0.35 for 256, 0.7 for 128, 1.4 for 64) this repeats and
    continues between and beyond its entries, where theirs has steps: a map must weigh nine tenths of the mean.
    """
    return 100 * (SHARE if maps >= NARROW else NARROW_SHARE) / maps


def heavy(weights: Sequence[float]) -> list[bool]:
    """Which clusters of one layer to show: a third of the heaviest at least, and half of the mean.

    Source: Bianchi 2024; signed weights count by their size.
    """
    sizes = np.abs(weights)
    least = max(sizes.max(initial=0) / 3, sizes.mean() / 2 if sizes.size else 0)
    return [bool(size >= least) for size in sizes]


def merged_map(maps: Tensor, weights: Tensor) -> Tensor:
    """The mean `(h, w)` of maps `(n, h, w)` by weights `(n,)`; divided by the sum of their sizes, so signs stay."""
    total = weights.abs().sum()
    shares = torch.where(total > 0, weights / total, torch.zeros_like(weights))
    return torch.einsum("n,nhw->hw", shares.to(maps), maps)


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


def _percent(weights: Tensor) -> Tensor:
    total = weights.abs().sum()
    return 100 * weights / total if total > 0 else torch.zeros_like(weights)

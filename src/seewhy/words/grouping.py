"""Phrases that mean the same: agglomerative clusters of their points, by cosine and complete linkage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seewhy.words.embed import Points

Grouping: TypeAlias = Callable[[Points], NDArray[np.intp]]

THRESHOLD = 0.45


def group_by_distance(points: Points, threshold: float = THRESHOLD) -> NDArray[np.intp]:
    """Group of each of `(n, d)` points: within one, no two are farther apart than `threshold` by cosine.

    Differs from the paper, which takes the number of groups with the best silhouette (`group_by_silhouette`): that
    number is never one and never all, which few phrases need.
    """
    return _clustered(points, threshold=threshold)


def group_by_silhouette(points: Points) -> NDArray[np.intp]:
    """Group of each point, by the number of groups from 2 to n − 1 with the highest silhouette, the smaller of equals.

    Source: Bianchi et al. 2024, their label analysis; the silhouette is Euclidean there, and so it is here.
    """
    from sklearn.metrics import silhouette_score

    if len(points) < 3:
        return np.arange(len(points))
    candidates = [_clustered(points, count=count) for count in range(2, len(points))]
    return max(candidates, key=lambda groups: silhouette_score(points, groups))


def _clustered(points: Points, *, count: int | None = None, threshold: float | None = None) -> NDArray[np.intp]:
    if len(points) < 2:
        return np.zeros(len(points), np.intp)
    from sklearn.cluster import AgglomerativeClustering

    clusters: Any = AgglomerativeClustering(
        metric="cosine",
        linkage="complete",
        n_clusters=count,  # pyright: ignore[reportArgumentType] - None where there is a threshold
        distance_threshold=threshold,
    )
    return clusters.fit_predict(points)

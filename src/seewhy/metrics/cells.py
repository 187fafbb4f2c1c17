"""Maps reduced to cells, so that areas and single pixels can be compared like with like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seewhy.methods import Explanation
from seewhy.metrics.registry import Metric


def cell_labels(size: tuple[int, ...], cells: int) -> np.ndarray:
    """The cell of each pixel, int `(h, w)`, of `cells` × `cells`, row by row; a pixel is where its centre lies."""
    rows, columns = ((2 * np.arange(length) + 1) * cells // (2 * length) for length in size)
    return rows[:, None] * cells + columns


def cell_means(values: np.ndarray, cells: int) -> np.ndarray:
    """The mean of a map `(h, w)` in each cell, float64 `(cells²,)`; 0 where a cell holds no pixel."""
    labels = cell_labels(values.shape, cells).ravel()
    sums = np.bincount(labels, values.ravel().astype(np.float64), cells * cells)
    return sums / np.maximum(np.bincount(labels, minlength=cells * cells), 1)


def in_cells(values: np.ndarray, cells: int) -> np.ndarray:
    """A map `(h, w)` with every pixel the mean of its cell."""
    return cell_means(values, cells)[cell_labels(values.shape, cells)]


def reduced(explanation: Explanation, cells: int) -> Explanation:
    """The explanation with its map in cells; as it is where `cells` is 0."""
    return replace(explanation, values=in_cells(explanation.values, cells), errors=None) if cells else explanation


def sees_cells(metric: Metric) -> bool:
    """Whether a metric holds maps against the network, so that areas and pixels must be made alike first."""
    return metric.info.family == "faithfulness" and "method" not in metric.info.needs

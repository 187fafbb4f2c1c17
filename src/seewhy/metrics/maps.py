"""Attribution maps as arrays: masks of the top-k pixels, cells, and how alike two maps are."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch

End = Literal["highest", "lowest"]


class TopK(NamedTuple):
    """Hide this many pixels from one end of a map's order."""

    end: End
    pixels: int

    @classmethod
    def share(cls, end: End, share: float, total: int) -> TopK:
        """Hide this share of so many pixels."""
        return cls(end, round(share * total))


NOTHING = TopK("highest", 0)


def draw_ties(size: tuple[int, int], seed: int) -> np.ndarray:
    """Random order `(h, w)` in which equal pixels stand: a permutation, the same for every map."""
    order = torch.randperm(size[0] * size[1], generator=torch.Generator().manual_seed(seed))
    return order.view(size).numpy()


def pixel_ranks(values: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Rank of each pixel, int32 `(h, w)`: 0 for the least relevant, equal ones in the order of `ties`."""
    order = np.lexsort((ties.ravel(), values.ravel()))
    ranks = np.empty(values.size, np.int32)
    ranks[order] = np.arange(values.size, dtype=np.int32)
    return ranks.reshape(values.shape)


def keep_of(ranks: np.ndarray, hidden: TopK) -> np.ndarray:
    """Bool `(h, w)`, true where a pixel stays visible."""
    if hidden.end == "highest":
        return ranks < ranks.size - hidden.pixels
    return ranks >= hidden.pixels


def evidence(values: np.ndarray) -> np.ndarray:
    """What speaks for the class: negative values are 0."""
    return values.clip(min=0)


def soft_mask(values: np.ndarray) -> np.ndarray:
    """The evidence for the class stretched to [0, 1]; a flat map shows everything, an empty one nothing."""
    positive = evidence(values)
    low, high = positive.min(), positive.max()
    return (positive - low) / (high - low) if low < high else np.where(positive > 0, 1, positive)


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
    """Maps `(…, h, w)` with every pixel the mean of its cell: areas and single pixels are compared like with like."""
    labels = cell_labels(values.shape[-2:], cells)
    maps = values.reshape(-1, *labels.shape)
    means = np.array([cell_means(each, cells) for each in maps]).reshape(-1, cells * cells)
    return means[:, labels].reshape(values.shape)


def is_flat(values: np.ndarray) -> bool:
    """Whether all values are the same, so that there is nothing to compare."""
    return bool(values.min() == values.max())


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Linear correlation in [-1, 1]; 0 where either is flat."""
    if is_flat(one) or is_flat(other):
        return 0.0
    left, right = (_standardised(each) for each in (one, other))
    return float(np.clip(left @ right, -1, 1))


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of ranks in [-1, 1], equal values sharing their mean rank; 0 where either is flat."""
    from scipy.stats import rankdata

    return pearson(rankdata(one), rankdata(other))


def _standardised(values: np.ndarray) -> np.ndarray:
    """Flat, with mean 0 and length 1."""
    centred = values.ravel().astype(np.float64)
    centred = centred / np.abs(centred).max()
    centred -= centred.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > 0 else centred

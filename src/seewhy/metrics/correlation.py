"""How alike two maps are."""

from __future__ import annotations

import numpy as np


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

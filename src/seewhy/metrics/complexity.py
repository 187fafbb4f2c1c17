"""Complexity: how much is there to look at? None of it says whether the map is right."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.metrics.context import Question, Score, soft_mask
from seewhy.metrics.metric import Metric


def sparseness(values: np.ndarray) -> float:
    """Gini index of |a|: Σ (2i − n − 1) a_(i) / (n Σ a), a_(i) rising. Source: Chalasani 2020.

    Args:
        values: a map `(h, w)` that is not empty.

    >>> sparseness(np.eye(2)), sparseness(np.ones((2, 2)))
    (0.5, 0.0)
    """
    sizes = np.sort(np.abs(values).ravel().astype(np.float64))
    count = len(sizes)
    return float((2 * np.arange(1, count + 1) - count - 1) @ sizes / (count * sizes.sum()))


def entropy(values: np.ndarray) -> float:
    """Entropy of |a| / Σ |a| as a share of the most there can be, ln n. Source: Bhatt 2020, in nats.

    >>> entropy(np.ones((2, 2)))
    1.0
    """
    sizes = np.abs(values).ravel().astype(np.float64)
    shares = sizes[sizes > 0] / sizes.sum()
    return float(np.clip(-(shares @ np.log(shares)) / np.log(max(values.size, 2)), 0, 1))


def effective_complexity(values: np.ndarray, threshold: float = 0.01) -> float:
    """The share of pixels with |a| above `threshold` times the largest. Source: after Nguyen & Martínez 2020."""
    sizes = np.abs(values)
    return float((sizes > threshold * sizes.max()).mean())


def mean_area(values: np.ndarray) -> float:
    """Mean of the map stretched to [0, 1]. Source: Poppi 2021."""
    return float(soft_mask(values).mean(dtype=np.float64))


class _Complexity(Metric):
    family = "complexity"
    bounds = (0, 1)

    @abstractmethod
    def measure(self, values: np.ndarray) -> float:
        """Of a map that is not empty."""

    @override
    def scores(self, asked: Question) -> list[Score]:
        asked.progress(0, len(asked.maps), "maps")
        empty = Score.undefined("the map is empty")
        return [Score(self.measure(each.values)) if each.values.any() else empty for each in asked.maps]


class Sparseness(_Complexity):
    """The Gini index of absolute values."""

    name = "sparseness"
    title = "Sparseness"
    paper = "Chalasani et al. 2020"
    arxiv = "1810.06583"
    question = "Does the map put its weight on few pixels?"
    reading = (
        "0 means that all pixels weigh the same, close to 1 that very few hold everything. It says nothing about "
        "whether they are the right ones."
    )

    @override
    def measure(self, values: np.ndarray) -> float:
        return sparseness(values)


class Entropy(_Complexity):
    """The entropy of absolute values, as a share of the largest possible."""

    name = "entropy"
    title = "Entropy"
    paper = "Bhatt et al. 2020"
    arxiv = "2005.00631"
    higher_is_better = False
    question = "How widely does the map spread its weight?"
    reading = "1 means evenly over the whole picture, 0 on a single pixel. It says nothing about whether that is right."

    @override
    def measure(self, values: np.ndarray) -> float:
        return entropy(values)


class EffectiveComplexity(_Complexity):
    """The share of pixels whose absolute value exceeds `threshold` times the largest."""

    name = "effective-complexity"
    title = "Effective complexity"
    paper = "after Nguyen & Martínez 2020"
    arxiv = "2007.07584"
    higher_is_better = False
    question = "What share of the pixels counts at all?"
    reading = "0.3 means that three pixels in ten have more than a hundredth of the largest weight."

    threshold: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise UsageError(
                f"threshold is a share of the map's largest value, from 0 to below 1, not {self.threshold:g}"
            )

    @override
    def measure(self, values: np.ndarray) -> float:
        return effective_complexity(values, self.threshold)


class MeanArea(_Complexity):
    """The mean of the map as a soft mask."""

    name = "area"
    title = "Mean area"
    paper = "Poppi et al. 2021"
    arxiv = "2104.10252"
    higher_is_better = False
    question = "How much of the picture does the map light up?"
    reading = "1 means all of it. A map with a large area gets a good average drop for nothing."

    @override
    def measure(self, values: np.ndarray) -> float:
        return mean_area(values)

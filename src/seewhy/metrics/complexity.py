"""Complexity: how much is there to look at? None of it says whether the map is right."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.errors import UsageError
from seewhy.methods import Explanation
from seewhy.metrics.one_by_one import OneByOne
from seewhy.metrics.ordering import soft_mask
from seewhy.metrics.registry import register_metric
from seewhy.metrics.subject import Score, Subject


def sparseness(values: np.ndarray) -> float:
    """Gini index of |a|: Σ (2i − n − 1) a_(i) / (n Σ a), a_(i) rising. Source: Chalasani 2020."""
    sizes = np.sort(np.abs(values).ravel().astype(np.float64))
    count = len(sizes)
    return float((2 * np.arange(1, count + 1) - count - 1) @ sizes / (count * sizes.sum()))


def entropy(values: np.ndarray) -> float:
    """Entropy of |a| / Σ |a| as a share of the most there can be, ln n. Source: Bhatt 2020, in nats."""
    sizes = np.abs(values).ravel().astype(np.float64)
    shares = sizes[sizes > 0] / sizes.sum()
    return float(np.clip(-(shares @ np.log(shares)) / np.log(max(values.size, 2)), 0, 1))


def effective_complexity(values: np.ndarray, threshold: float) -> float:
    """The share of pixels with |a| above `threshold` times the largest. Source: after Nguyen & Martínez 2020."""
    sizes = np.abs(values)
    return float((sizes > threshold * sizes.max()).mean())


def mean_area(values: np.ndarray) -> float:
    """Mean of the map stretched to [0, 1]. Source: Poppi 2021."""
    return float(soft_mask(values).mean(dtype=np.float64))


@dataclass(frozen=True, kw_only=True)
class _Complexity(OneByOne):
    @abstractmethod
    def measure(self, values: np.ndarray) -> float:
        """Of a map that is not empty."""

    @override
    def score(
        self, subject: Subject, explanation: Explanation, generator: torch.Generator, progress: Progress
    ) -> Score:
        if explanation.is_zero:
            return Score.undefined("the map is empty")
        return Score(self.measure(explanation.values))


@register_metric(
    "sparseness",
    title="Sparseness",
    family="complexity",
    higher_is_better=True,
    bounds=(0, 1),
    paper="Chalasani et al. 2020",
    arxiv="1810.06583",
    question="Does the map put its weight on few pixels?",
    reading="0 means that all pixels weigh the same, close to 1 that very few hold everything. It says nothing about "
    "whether they are the right ones.",
)
@dataclass(frozen=True, kw_only=True)
class Sparseness(_Complexity):
    """The Gini index of absolute values."""

    @override
    def measure(self, values: np.ndarray) -> float:
        return sparseness(values)


@register_metric(
    "entropy",
    title="Entropy",
    family="complexity",
    higher_is_better=False,
    bounds=(0, 1),
    paper="Bhatt et al. 2020",
    arxiv="2005.00631",
    question="How widely does the map spread its weight?",
    reading="1 means evenly over the whole picture, 0 on a single pixel. It says nothing about whether that is right.",
)
@dataclass(frozen=True, kw_only=True)
class Entropy(_Complexity):
    """The entropy of absolute values, as a share of the largest possible."""

    @override
    def measure(self, values: np.ndarray) -> float:
        return entropy(values)


@register_metric(
    "effective-complexity",
    title="Effective complexity",
    family="complexity",
    higher_is_better=False,
    bounds=(0, 1),
    paper="after Nguyen & Martínez 2020",
    arxiv="2007.07584",
    question="What share of the pixels counts at all?",
    reading="0.3 means that three pixels in ten have more than a hundredth of the largest weight.",
)
@dataclass(frozen=True, kw_only=True)
class EffectiveComplexity(_Complexity):
    """The share of pixels whose absolute value exceeds `threshold` times the largest."""

    threshold: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise UsageError(
                f"threshold is a share of the map's largest value, from 0 to below 1, not {self.threshold:g}"
            )

    @override
    def measure(self, values: np.ndarray) -> float:
        return effective_complexity(values, self.threshold)


@register_metric(
    "area",
    title="Mean area",
    family="complexity",
    higher_is_better=False,
    bounds=(0, 1),
    paper="Poppi et al. 2021",
    arxiv="2104.10252",
    question="How much of the picture does the map light up?",
    reading="1 means all of it. A map with a large area gets a good average drop for nothing.",
)
@dataclass(frozen=True, kw_only=True)
class MeanArea(_Complexity):
    """The mean of the map as a soft mask."""

    @override
    def measure(self, values: np.ndarray) -> float:
        return mean_area(values)

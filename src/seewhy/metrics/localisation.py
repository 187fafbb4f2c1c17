"""Localisation: does a map lie where people see the object?

That is plausibility, not faithfulness: a network may well look elsewhere, and a map that says so is right.
"""

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
from seewhy.metrics.ordering import draw_ties, evidence, soft_mask, top_area
from seewhy.metrics.registry import register_metric
from seewhy.metrics.subject import Score, Subject

IOU_READING = (
    "1 means that both areas are the same, 0 that they do not touch. It says how plausible a map looks, not whether "
    "the network decides so."
)


def iou(found: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of two bool `(h, w)`; 0 where both are empty."""
    union = int((found | mask).sum())
    return int((found & mask).sum()) / union if union else 0.0


def fraction_of_maximum(values: np.ndarray, fraction: float) -> np.ndarray:
    """Bool `(h, w)`: the evidence that is at least this fraction of the largest."""
    return (values > 0) & (values >= fraction * values.max())


def otsu_area(values: np.ndarray) -> np.ndarray:
    """Bool `(h, w)`: the evidence above Otsu's threshold, found on 256 levels."""
    from seewhy.methods.score_cam import otsu

    return otsu(torch.from_numpy(soft_mask(values))).numpy()


def pointing_game(values: np.ndarray, mask: np.ndarray) -> float:
    """Whether the largest value lies in the mask; of several largest ones, the share. Source: Zhang 2016."""
    return float(mask[values == values.max()].mean())


def energy_in_mask(values: np.ndarray, mask: np.ndarray) -> float:
    """The share of the evidence that lies in the mask. Source: Wang 2020 (Score-CAM)."""
    positive = evidence(values).astype(np.float64)
    return float(positive[mask].sum() / positive.sum())


def average_precision(values: np.ndarray, mask: np.ndarray) -> float:
    """Average precision of the map as a classifier of pixels; what it ties counts as one."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(mask.ravel(), values.ravel()))


@dataclass(frozen=True, kw_only=True)
class _Located(OneByOne):
    @abstractmethod
    def agreement(self, values: np.ndarray, mask: np.ndarray, seed: int) -> float:
        """Of a map that has evidence with a mask that has pixels."""

    @override
    def score(
        self, subject: Subject, explanation: Explanation, generator: torch.Generator, progress: Progress
    ) -> Score:
        if subject.mask is None or not subject.mask.any():
            return Score.undefined("no mask says where the object is")
        if not (explanation.values > 0).any():
            return Score.undefined("the map shows no evidence for the class, so there is nothing to locate")
        return Score(self.agreement(explanation.values, subject.mask, generator.initial_seed()))


@register_metric(
    "iou-top-area",
    title="IoU, top area",
    family="localisation",
    higher_is_better=True,
    bounds=(0, 1),
    paper="as in segmentation",
    arxiv=None,
    needs=("mask",),
    question="How well does the map's top area cover the object, and nothing else?",
    reading=IOU_READING + " Objects far larger or smaller than the area cannot reach 1.",
)
@dataclass(frozen=True, kw_only=True)
class IoUTopArea(_Located):
    """Intersection over union of the mask and the map's top `area`, a share of all pixels."""

    area: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.area <= 1:
            raise UsageError(f"area is a share of all pixels, above 0 and up to 1, not {self.area:g}")

    @override
    def agreement(self, values: np.ndarray, mask: np.ndarray, seed: int) -> float:
        return iou(top_area(values, self.area, draw_ties(mask.shape, seed)), mask)


@register_metric(
    "iou-maximum",
    title="IoU, fraction of maximum",
    family="localisation",
    higher_is_better=True,
    bounds=(0, 1),
    paper="after Chattopadhay et al. 2018",
    arxiv="1710.11063",
    needs=("mask",),
    question="How well does what is at least half as bright as the brightest spot cover the object, and nothing else?",
    reading=IOU_READING,
)
@dataclass(frozen=True, kw_only=True)
class IoUMaximum(_Located):
    """Intersection over union of the mask and what is at least `fraction` of the map's maximum."""

    fraction: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise UsageError(f"fraction is of the map's maximum, from 0 to 1, not {self.fraction:g}")

    @override
    def agreement(self, values: np.ndarray, mask: np.ndarray, seed: int) -> float:
        return iou(fraction_of_maximum(values, self.fraction), mask)


@register_metric(
    "iou-otsu",
    title="IoU, Otsu's threshold",
    family="localisation",
    higher_is_better=True,
    bounds=(0, 1),
    paper="Otsu 1979",
    arxiv=None,
    needs=("mask",),
    question="How well does the map's bright part, told from its dark part by itself, cover the object?",
    reading=IOU_READING,
)
@dataclass(frozen=True, kw_only=True)
class IoUOtsu(_Located):
    """Intersection over union of the mask and what lies above the map's own threshold."""

    @override
    def agreement(self, values: np.ndarray, mask: np.ndarray, seed: int) -> float:
        return iou(otsu_area(values), mask)


@register_metric(
    "pointing-game",
    title="Pointing game",
    family="localisation",
    higher_is_better=True,
    bounds=(0, 1),
    paper="Zhang et al. 2016",
    arxiv="1608.00507",
    needs=("mask",),
    question="Does the brightest spot lie on the object?",
    reading="1 for yes, 0 for no: meant to be averaged over many pictures.",
)
@dataclass(frozen=True, kw_only=True)
class PointingGame(_Located):
    """Whether the maximum lies in the mask, without the paper's tolerance of 15 pixels."""

    @override
    def agreement(self, values: np.ndarray, mask: np.ndarray, seed: int) -> float:
        return pointing_game(values, mask)


@register_metric(
    "energy-in-mask",
    title="Energy in the mask",
    family="localisation",
    higher_is_better=True,
    bounds=(0, 1),
    paper="Wang et al. 2020",
    arxiv="1910.01279",
    needs=("mask",),
    question="What share of the map's brightness lies on the object?",
    reading="1 means all of it; an evenly bright map gets the share of the picture that the object covers.",
)
@dataclass(frozen=True, kw_only=True)
class EnergyInMask(_Located):
    """Σ of the evidence in the mask / Σ of all evidence: the energy-based pointing game."""

    @override
    def agreement(self, values: np.ndarray, mask: np.ndarray, seed: int) -> float:
        return energy_in_mask(values, mask)


@register_metric(
    "average-precision",
    title="Average precision",
    family="localisation",
    higher_is_better=True,
    bounds=(0, 1),
    paper="as in retrieval",
    arxiv=None,
    needs=("mask",),
    question="Going from bright to dark, are the object's pixels met first?",
    reading="1 means that every pixel of the object is brighter than all others; a map that knows nothing gets the "
    "share of the picture that the object covers. No threshold is chosen.",
)
@dataclass(frozen=True, kw_only=True)
class AveragePrecision(_Located):
    """Area under precision and recall of the map as a classifier of pixels."""

    @override
    def agreement(self, values: np.ndarray, mask: np.ndarray, seed: int) -> float:
        return average_precision(values, mask)

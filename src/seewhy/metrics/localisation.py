"""Localisation: does a map lie where people see the object?

That is plausibility, not faithfulness: a network may well look elsewhere, and a map that says so is right. Every score
has a control beside it, what the same method's maps of other classes score: who marks the object whatever is asked does
not say why the network chose its class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.images.masks import iou, top_area
from seewhy.metrics.context import (
    Attribution,
    Question,
    Score,
    TopK,
    draw_ties,
    evidence,
    keep_of,
    pixel_ranks,
    soft_mask,
)
from seewhy.metrics.metric import Metric

IOU_READING = (
    "1 means that both areas are the same, 0 that they do not touch. It says how plausible a map looks, not whether "
    "the network decides so."
)
NO_MASK = Score.undefined("no mask says where the object is")
NO_EVIDENCE = Score.undefined("the map shows no evidence for the class, so there is nothing to locate")


def iou_top_area(values: np.ndarray, mask: np.ndarray, area: float = 0.2, ties: np.ndarray | None = None) -> float:
    """Intersection over union of the map's top `area` with the mask.

    Args:
        values: a map `(h, w)`.
        mask: where the object is, bool `(h, w)`.
        area: a share of all pixels, from 0 to 1.
        ties: which of equal pixels come first, see `top_area`.

    >>> iou_top_area(np.array([[4, 3], [2, 1]]), np.array([[True, True], [True, False]]), area=0.5)
    0.6666666666666666
    """
    return iou(top_area(values, area, ties), mask)


def ious(areas: Sequence[np.ndarray], mask: np.ndarray) -> Sequence[float]:
    """`iou` of each of bool areas `(h, w)` with a mask that is not empty."""
    return [np.count_nonzero(each & mask) / np.count_nonzero(each | mask) for each in areas]


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


class _Located(Metric):
    family = "localisation"
    needs = ("mask",)
    bounds = (0, 1)

    agreement: ClassVar[Callable[[np.ndarray, np.ndarray], float]]
    """Of a map that has evidence with a mask that has pixels."""

    def agreements(self, maps: Sequence[np.ndarray], mask: np.ndarray, seed: int) -> Sequence[float]:
        """Of each map; equal pixels stand in the order of the seed."""
        return [self.agreement(each, mask) for each in maps]

    @override
    def scores(self, asked: Question) -> list[Score]:
        asked.progress(0, len(asked.maps), "maps")
        mask, maps = asked.context.mask, asked.maps
        if mask is None or not mask.any():
            return [NO_MASK] * len(maps)
        seed = asked.generator.initial_seed()
        found = self._agreements_of([each.values for each in maps], mask, seed)
        return [
            NO_EVIDENCE if value is None else Score(value, other_classes=self._of_others(asked, each, mask, seed))
            for value, each in zip(found, maps, strict=True)
        ]

    def _agreements_of(self, maps: Sequence[np.ndarray], mask: np.ndarray, seed: int) -> list[float | None]:
        """Of each map; None where it has no evidence."""
        found = iter(self.agreements([each for each in maps if (each > 0).any()], mask, seed))
        return [float(next(found)) if (each > 0).any() else None for each in maps]

    def _of_others(self, asked: Question, each: Attribution, mask: np.ndarray, seed: int) -> float | None:
        """The mean over other classes; a map of one without evidence marks nothing of the object, which is 0."""
        maps = asked.context.of_other_classes(each, seed, asked.progress)
        if maps is None:
            return None
        return float(np.mean([value or 0.0 for value in self._agreements_of(maps, mask, seed)]))


class IoUTopArea(_Located):
    """Intersection over union of the mask and the map's top `area`, a share of all pixels."""

    name = "iou-top-area"
    title = "IoU, top area"
    paper = "as in segmentation"
    question = "How well does the map's top area cover the object, and nothing else?"
    reading = IOU_READING + " Objects far larger or smaller than the area, a fifth by default, cannot reach 1."

    area: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.area <= 1:
            raise UsageError(f"area is a share of all pixels, above 0 and up to 1, not {self.area:g}")

    @override
    def agreements(self, maps: Sequence[np.ndarray], mask: np.ndarray, seed: int) -> Sequence[float]:
        ties = draw_ties((mask.shape[0], mask.shape[1]), seed)
        hidden = TopK.share("highest", self.area, mask.size)
        return ious([~keep_of(pixel_ranks(each, ties), hidden) for each in maps], mask)


class IoUMaximum(_Located):
    """Intersection over union of the mask and what is at least `fraction` of the map's maximum."""

    name = "iou-maximum"
    title = "IoU, fraction of maximum"
    paper = "after Chattopadhay et al. 2018"
    arxiv = "1710.11063"
    question = "How well does what is brighter than half the maximum, or another share, cover the object and no more?"
    reading = IOU_READING

    fraction: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.fraction <= 1:
            raise UsageError(f"fraction is of the map's maximum, from 0 to 1, not {self.fraction:g}")

    @override
    def agreements(self, maps: Sequence[np.ndarray], mask: np.ndarray, seed: int) -> Sequence[float]:
        return ious([fraction_of_maximum(each, self.fraction) for each in maps], mask)


class IoUOtsu(_Located):
    """Intersection over union of the mask and what lies above the map's own threshold."""

    name = "iou-otsu"
    title = "IoU, Otsu's threshold"
    paper = "Otsu 1979"
    question = "How well does the map's bright part, told from its dark part by itself, cover the object?"
    reading = IOU_READING

    @override
    def agreements(self, maps: Sequence[np.ndarray], mask: np.ndarray, seed: int) -> Sequence[float]:
        return ious([otsu_area(each) for each in maps], mask)


class PointingGame(_Located):
    """Whether the maximum lies in the mask, without the paper's tolerance of 15 pixels."""

    name = "pointing-game"
    title = "Pointing game"
    paper = "Zhang et al. 2016"
    arxiv = "1608.00507"
    question = "Does the brightest spot lie on the object?"
    reading = "1 for yes, 0 for no: meant to be averaged over many pictures."
    agreement = staticmethod(pointing_game)


class EnergyInMask(_Located):
    """Σ of the evidence in the mask / Σ of all evidence: the energy-based pointing game."""

    name = "energy-in-mask"
    title = "Energy in the mask"
    paper = "Wang et al. 2020"
    arxiv = "1910.01279"
    question = "What share of the map's brightness lies on the object?"
    reading = "1 means all of it; an evenly bright map gets the share of the picture that the object covers."
    agreement = staticmethod(energy_in_mask)


class AveragePrecision(_Located):
    """Area under precision and recall of the map as a classifier of pixels."""

    name = "average-precision"
    title = "Average precision"
    paper = "as in retrieval"
    question = "Going from bright to dark, are the object's pixels met first?"
    reading = (
        "1 means that every pixel of the object is brighter than all others; a map that knows nothing gets the "
        "share of the picture that the object covers. No threshold is chosen."
    )
    agreement = staticmethod(average_precision)

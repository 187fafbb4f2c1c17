"""Confidence change: how likely is the class when only the marked part is shown, and when only that is hidden?

The subject is what a map marks. Shown alone, the class should stay likely; hidden, it should not. The mask is soft,
the map itself stretched to [0, 1], or hard, the map's top area.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from typing_extensions import override

from seewhy.core.progress import Progress, silent
from seewhy.engines import Fill
from seewhy.errors import UsageError
from seewhy.methods import Explanation
from seewhy.metrics.hiding import Hider
from seewhy.metrics.ordering import NOTHING, Hiding, soft_mask
from seewhy.metrics.registry import register_metric
from seewhy.metrics.subject import Score, Subject

GRAD_CAM_PLUS_PLUS = "Chattopadhay et al. 2018"
ARXIV = "1710.11063"
ROUNDING = 1e-6  # of a probability, between batches of different sizes
FLAW = " A map that marks everything drops nothing, so look at its area, too."


def relative_drop(whole: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """max(0, Y − O) / Y; 0 where Y is 0. Source: Chattopadhay 2018, section 4.1, as a share, not in percent."""
    lost = absolute_drop(whole, masked)
    return np.divide(lost, whole, out=np.zeros_like(lost), where=whole > 0)


def absolute_drop(whole: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """max(0, Y − O). Source: pytorch-grad-cam's DropInConfidence."""
    return np.maximum(whole - masked, 0.0)


def increase(whole: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """1 where Y < O by more than rounding, else 0. Source: Chattopadhay 2018, section 4.1."""
    return (whole + ROUNDING < masked).astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class _Change(ABC):
    """Of the probability Y of the whole picture and O of the masked one."""

    removed: ClassVar[bool] = False
    change: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = staticmethod(relative_drop)

    fill: str | Fill = "mean"

    @abstractmethod
    def masked(self, hider: Hider, explanations: Sequence[Explanation]) -> np.ndarray:
        """O of each explanation, `(n,)`."""

    def __call__(
        self,
        subject: Subject,
        explanations: Sequence[Explanation],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Score]:
        """See `Metric`."""
        hider = subject.hider(self.fill, generator, progress)
        whole = hider.ranked(explanations, [NOTHING])[:, 0]
        return [Score(float(each)) for each in self.change(whole, self.masked(hider, explanations))]


@dataclass(frozen=True, kw_only=True)
class _Soft(_Change):
    @override
    def masked(self, hider: Hider, explanations: Sequence[Explanation]) -> np.ndarray:
        return hider.softly(explanations, self._mask)

    def _mask(self, explanation: Explanation) -> np.ndarray:
        mask = soft_mask(explanation.values)
        return 1 - mask if self.removed else mask


@dataclass(frozen=True, kw_only=True)
class _Hard(_Change):
    area: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.area <= 1:
            raise UsageError(f"area is the share of pixels that belong to the subject, from 0 to 1, not {self.area:g}")

    @override
    def masked(self, hider: Hider, explanations: Sequence[Explanation]) -> np.ndarray:
        total = hider.ties.size
        subject = Hiding.share("highest", self.area, total)
        way = subject if self.removed else Hiding("lowest", total - subject.pixels)
        return hider.ranked(explanations, [way])[:, 0]


@register_metric(
    "average-drop",
    title="Average drop",
    family="faithfulness",
    higher_is_better=False,
    bounds=(0, 1),
    paper=GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="What share of the class's probability is lost when the picture fades where the map is dark?",
    reading="0 means that what the map marks is all the network needs." + FLAW,
)
@dataclass(frozen=True, kw_only=True)
class AverageDrop(_Soft):
    """Relative drop under the map itself as mask."""


@register_metric(
    "increase-in-confidence",
    title="Increase in confidence",
    family="faithfulness",
    higher_is_better=True,
    bounds=(0, 1),
    paper=GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="Is the class likelier when the picture fades where the map is dark?",
    reading="1 for yes, 0 for no: meant to be averaged over many pictures.",
)
@dataclass(frozen=True, kw_only=True)
class IncreaseInConfidence(_Soft):
    """Whether the probability rises under the map itself as mask."""

    change = staticmethod(increase)


@register_metric(
    "drop-in-confidence",
    title="Drop in confidence",
    family="faithfulness",
    higher_is_better=False,
    bounds=(0, 1),
    paper="pytorch-grad-cam",
    arxiv=None,
    needs=("scores",),
    question="How many points of probability does the class lose when the picture fades where the map is dark?",
    reading="The average drop, not divided by what there was to lose: 0.3 is 30 points." + FLAW,
)
@dataclass(frozen=True, kw_only=True)
class DropInConfidence(_Soft):
    """Absolute drop under the map itself as mask."""

    change = staticmethod(absolute_drop)


@register_metric(
    "average-drop-removed",
    title="Average drop, subject faded",
    family="faithfulness",
    higher_is_better=True,
    bounds=(0, 1),
    paper="after " + GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="What share of the class's probability is lost when the picture fades where the map is bright?",
    reading="1 means that without what the map marks nothing of the class is left.",
)
@dataclass(frozen=True, kw_only=True)
class AverageDropRemoved(_Soft):
    """Relative drop under one less the map as mask."""

    removed = True


@register_metric(
    "increase-in-confidence-removed",
    title="Increase in confidence, subject faded",
    family="faithfulness",
    higher_is_better=False,
    bounds=(0, 1),
    paper="after " + GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="Is the class likelier when the picture fades where the map is bright?",
    reading="1 for yes, 0 for no: meant to be averaged over many pictures.",
)
@dataclass(frozen=True, kw_only=True)
class IncreaseInConfidenceRemoved(_Soft):
    """Whether the probability rises under one less the map as mask."""

    removed = True
    change = staticmethod(increase)


@register_metric(
    "average-drop-hard",
    title="Average drop, subject shown alone",
    family="faithfulness",
    higher_is_better=False,
    bounds=(0, 1),
    paper="after " + GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="What share of the class's probability is lost when only the map's top quarter is shown?",
    reading="0 means that the top quarter is all the network needs. Every map shows equally much.",
)
@dataclass(frozen=True, kw_only=True)
class AverageDropHard(_Hard):
    """Relative drop when all but the top `area` is hidden: background occluded, "b"."""


@register_metric(
    "increase-in-confidence-hard",
    title="Increase in confidence, subject shown alone",
    family="faithfulness",
    higher_is_better=True,
    bounds=(0, 1),
    paper="after " + GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="Is the class likelier when only the map's top quarter is shown?",
    reading="1 for yes, 0 for no: meant to be averaged over many pictures.",
)
@dataclass(frozen=True, kw_only=True)
class IncreaseInConfidenceHard(_Hard):
    """Whether the probability rises when all but the top `area` is hidden: background occluded, "b"."""

    change = staticmethod(increase)


@register_metric(
    "average-drop-hard-removed",
    title="Average drop, subject hidden",
    family="faithfulness",
    higher_is_better=True,
    bounds=(0, 1),
    paper="after " + GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="What share of the class's probability is lost when the map's top quarter is hidden?",
    reading="1 means that without the top quarter nothing of the class is left. Every map hides equally much.",
)
@dataclass(frozen=True, kw_only=True)
class AverageDropHardRemoved(_Hard):
    """Relative drop when the top `area` is hidden: subject occluded, "s"."""

    removed = True


@register_metric(
    "increase-in-confidence-hard-removed",
    title="Increase in confidence, subject hidden",
    family="faithfulness",
    higher_is_better=False,
    bounds=(0, 1),
    paper="after " + GRAD_CAM_PLUS_PLUS,
    arxiv=ARXIV,
    needs=("scores",),
    question="Is the class likelier when the map's top quarter is hidden?",
    reading="1 for yes, 0 for no: meant to be averaged over many pictures.",
)
@dataclass(frozen=True, kw_only=True)
class IncreaseInConfidenceHardRemoved(_Hard):
    """Whether the probability rises when the top `area` is hidden: subject occluded, "s"."""

    removed = True
    change = staticmethod(increase)

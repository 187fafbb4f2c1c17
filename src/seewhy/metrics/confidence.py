"""Confidence change: how likely is the class when only the marked part is shown, and when only that is hidden?

The object is what a map marks. Shown alone, the class should stay likely; hidden, it should not. The mask is soft, the
map itself stretched to [0, 1], or hard, the map's top area. ADCC joins the drop with coherency and area.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import harmonic_mean
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Fill
from seewhy.errors import UsageError
from seewhy.metrics.complexity import MeanArea
from seewhy.metrics.context import NOTHING, Question, Score, TopK, soft_mask
from seewhy.metrics.metric import Metric, score_maps
from seewhy.metrics.removal import ROAD
from seewhy.metrics.robustness import Coherency
from seewhy.models import Classifier, Target

GRAD_CAM_PLUS_PLUS = "Chattopadhay et al. 2018"
ROUNDING = 1e-6  # of a probability, between batches of different sizes
YES_OR_NO = "1 for yes, 0 for no: meant to be averaged over many pictures."
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


def average_drop(
    classifier: Classifier,
    image: Any,
    maps: ArrayLike | Tensor,
    target: int | str | Target | None = None,
    *,
    fill: str | Fill = "mean",
) -> float | np.ndarray:
    """The share of the class's probability that is lost when the picture fades where a map is dark; see `score_maps`.

    >>> import seewhy
    >>> classifier = seewhy.load()
    >>> round(average_drop(classifier, "sample:cat", np.ones((224, 224))), 4)
    0.0
    """
    return score_maps(AverageDrop(fill=fill), classifier, image, maps, target)


class _Soft(Metric):
    """`change` from the probability Y of the whole picture to O of the one masked by the map, or by what it leaves."""

    family = "faithfulness"
    needs = ("scores",)
    paper = "after " + GRAD_CAM_PLUS_PLUS
    arxiv = "1710.11063"
    bounds = (0, 1)
    ranked = True
    counts_as = "a soft cut"
    asks_network = True
    removed: ClassVar[bool] = False
    change: ClassVar[Callable[[np.ndarray, np.ndarray], np.ndarray]] = staticmethod(relative_drop)

    fill: str | Fill = "mean"

    @override
    def scores(self, asked: Question) -> list[Score]:
        if asked.context.classifier.head.meaning == "values" and type(self).change is relative_drop:
            return [Score.undefined("of a value without a natural zero no share can be lost")] * len(asked.maps)
        return [Score(float(each)) for each in self.change(*self.asked_about(asked))]

    def asked_about(self, asked: Question) -> tuple[np.ndarray, np.ndarray]:
        """Of each map's target the probability of the whole picture, and that of the masked one, `(n,)`."""
        perturber = asked.perturber(self.fill)
        return perturber.ranked(asked.maps, [NOTHING])[:, 0], perturber.softly(asked.maps, self._mask)

    def _mask(self, values: np.ndarray) -> np.ndarray:
        return 1 - soft_mask(values) if self.removed else soft_mask(values)


class _Hard(_Soft):
    """The same, the mask being the map's top `area`."""

    counts_as = "a hard cut"

    area: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.area <= 1:
            raise UsageError(f"area is the share of pixels that belong to the object, from 0 to 1, not {self.area:g}")

    @override
    def asked_about(self, asked: Question) -> tuple[np.ndarray, np.ndarray]:
        perturber = asked.perturber(self.fill)
        total = perturber.ties.size
        marked = TopK.share("highest", self.area, total)
        hidden = marked if self.removed else TopK("lowest", total - marked.pixels)
        whole, masked = perturber.ranked(asked.maps, [NOTHING, hidden]).T
        return whole, masked


class AverageDrop(_Soft):
    """Relative drop under the map itself as mask."""

    name = "average-drop"
    title = "Average drop"
    paper = GRAD_CAM_PLUS_PLUS
    higher_is_better = False
    question = "What share of the class's probability is lost when the picture fades where the map is dark?"
    reading = "0 means that what the map marks is all the network needs." + FLAW


class IncreaseInConfidence(_Soft):
    """Whether the probability rises under the map itself as mask."""

    name = "increase-in-confidence"
    title = "Increase in confidence"
    paper = GRAD_CAM_PLUS_PLUS
    change = staticmethod(increase)
    question = "Is the class likelier when the picture fades where the map is dark?"
    reading = YES_OR_NO


class DropInConfidence(_Soft):
    """Absolute drop under the map itself as mask."""

    name = "drop-in-confidence"
    title = "Drop in confidence"
    paper = "pytorch-grad-cam"
    arxiv = None
    higher_is_better = False
    change = staticmethod(absolute_drop)
    question = "How many points of probability does the class lose when the picture fades where the map is dark?"
    reading = "The average drop, not divided by what there was to lose: 0.3 is 30 points." + FLAW


class AverageDropRemoved(_Soft):
    """Relative drop under one less the map as mask."""

    name = "average-drop-removed"
    title = "Average drop, subject faded"
    removed = True
    question = "What share of the class's probability is lost when the picture fades where the map is bright?"
    reading = "1 means that without what the map marks nothing of the class is left."


class IncreaseInConfidenceRemoved(_Soft):
    """Whether the probability rises under one less the map as mask."""

    name = "increase-in-confidence-removed"
    title = "Increase in confidence, subject faded"
    higher_is_better = False
    removed = True
    change = staticmethod(increase)
    question = "Is the class likelier when the picture fades where the map is bright?"
    reading = YES_OR_NO


class AverageDropHard(_Hard):
    """Relative drop when all but the top `area` is hidden: background occluded, "b"."""

    name = "average-drop-hard"
    title = "Average drop, subject shown alone"
    higher_is_better = False
    question = "What share of the class's probability is lost when only the map's top area is shown?"
    reading = "0 means that the top area, a quarter by default, is all the network needs. Every map shows equally much."


class IncreaseInConfidenceHard(_Hard):
    """Whether the probability rises when all but the top `area` is hidden: background occluded, "b"."""

    name = "increase-in-confidence-hard"
    title = "Increase in confidence, subject shown alone"
    change = staticmethod(increase)
    question = "Is the class likelier when only the map's top area is shown?"
    reading = YES_OR_NO


class AverageDropHardRemoved(_Hard):
    """Relative drop when the top `area` is hidden: subject occluded, "s"."""

    name = "average-drop-hard-removed"
    title = "Average drop, subject hidden"
    removed = True
    question = "What share of the class's probability is lost when the map's top area is hidden?"
    reading = "1 means that nothing of the class is left without the top area, a quarter by default, alike for all."


class IncreaseInConfidenceHardRemoved(_Hard):
    """Whether the probability rises when the top `area` is hidden: subject occluded, "s"."""

    name = "increase-in-confidence-hard-removed"
    title = "Increase in confidence, subject hidden"
    higher_is_better = False
    removed = True
    change = staticmethod(increase)
    question = "Is the class likelier when the map's top area is hidden?"
    reading = YES_OR_NO


class ADCC(Metric):
    """Harmonic mean of coherency, 1 − mean area and 1 − average drop; the curve holds them. Source: Poppi 2021."""

    name = "adcc"
    title = "ADCC"
    family = "faithfulness"
    paper = "Poppi et al. 2021"
    arxiv = "2104.10252"
    needs = ("scores", "method")
    bounds = (0, 1)
    ranked = True
    question = "Does a small map keep the class, and stay the same when the rest fades?"
    reading = "1 is perfect in all three; one bad part spoils it."

    fill: str | Fill = "mean"

    @override
    def scores(self, asked: Question) -> list[Score]:
        metrics = (Coherency(fill=self.fill), MeanArea(), AverageDrop(fill=self.fill))
        columns = [each.scores(asked) for each in metrics]
        return [_joined(*parts) for parts in zip(*columns, strict=True)]


class ARCC(Metric):
    """Harmonic mean of coherency, 1 − mean area and twice ROAD, cut off at 0 and 1; the curve holds them.

    Source: Domeniconi 2026, by pytorch-grad-cam's code.
    """

    name = "arcc"
    title = "ARCC"
    family = "faithfulness"
    paper = "Domeniconi et al. 2026"
    arxiv = "2605.14641"
    needs = ("scores", "method")
    bounds = (0, 1)
    ranked = True
    counts_as = "ROAD"
    stochastic = True
    question = "Does a small map mark what the network depends on, and stay the same when the rest fades?"
    reading = "1 is perfect in all three; one bad part spoils it, and a map that knows nothing gets about 0."

    fill: str | Fill = "mean"

    @override
    def scores(self, asked: Question) -> list[Score]:
        columns = [each.scores(asked) for each in (Coherency(fill=self.fill), MeanArea(), ROAD())]
        return [_joined(coherency, area, road, _doubled) for coherency, area, road in zip(*columns, strict=True)]


def _spared(drop: float) -> float:
    return 1 - drop


def _doubled(road: float) -> float:
    return min(max(2 * road, 0.0), 1.0)


def _joined(coherency: Score, area: Score, third: Score, read: Callable[[float], float] = _spared) -> Score:
    """The harmonic mean of coherency, 1 − area, and what is read off the third."""
    if coherency.value is None or area.value is None or third.value is None:
        return Score.undefined(coherency.reason or area.reason or third.reason)
    parts = [coherency.value, 1 - area.value, read(third.value)]
    return Score(harmonic_mean(parts), np.array(parts))

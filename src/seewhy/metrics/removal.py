"""How fast the class goes, and comes, with the pixels that a map calls relevant: insertion, deletion and ROAD.

ROAD (remove and debias) lets pixels give way to what their surroundings suggest, so that the hole itself says nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Fill
from seewhy.errors import UsageError
from seewhy.metrics.context import NOTHING, Attribution, End, Perturber, Question, Score, TopK
from seewhy.metrics.metric import Metric, score_maps
from seewhy.models import Classifier, Target

PETSIUK = "Petsiuk et al. 2018"
NO_ANSWER = Score.undefined("the network gives values, so there is no answer to lose")
PERCENTILES = (20, 40, 60, 80)
COARSER, COARSEST = 4, 7  # times fewer steps for random maps, and as many at least: few points tell an area
HALVED = 4  # percentiles, from which on random maps are asked at every second of them


def area_under(curves: np.ndarray) -> np.ndarray:
    """Area under curves `(..., n + 1)` at equal steps over [0, 1], by trapezoids. Source: RISE's evaluation code."""
    return (curves[..., 1:] + curves[..., :-1]).mean(-1) / 2


def combined(least_first: np.ndarray, most_first: np.ndarray) -> float:
    """(LeRF − MoRF) / 2 of mean probabilities, or of their mean changes. Source: pytorch-grad-cam's ROADCombined."""
    return float(least_first.mean() - most_first.mean()) / 2


def insertion(
    classifier: Classifier,
    image: Any,
    maps: ArrayLike | Tensor,
    target: int | str | Target | None = None,
    *,
    steps: int = 28,
    fill: str | Fill = "blur",
    seed: int = 0,
) -> float | np.ndarray:
    """How soon the class is recognised when the most relevant pixels are shown first; the higher, the better.

    Args:
        classifier: whose decision the maps explain.
        image: the picture, as `open_image` takes it.
        maps: float `(h, w)` or `(m, h, w)` over what the network sees.
        target: class index, name or "A vs B"; by default the likeliest class.
        steps: in how many equal shares pixels are shown.
        fill: what stands where nothing is shown yet.
        seed: of the order of equal pixels.

    Returns:
        The area under the probability of the class, 0 to 1: one number, or `(m,)`.

    >>> import seewhy
    >>> 0 <= insertion(seewhy.load(), "sample:cat", np.random.default_rng(0).random((224, 224)), steps=4) <= 1
    True
    """
    return score_maps(Insertion(steps=steps, fill=fill), classifier, image, maps, target, seed=seed)


def deletion(
    classifier: Classifier,
    image: Any,
    maps: ArrayLike | Tensor,
    target: int | str | Target | None = None,
    *,
    steps: int = 28,
    fill: str | Fill = "mean",
    seed: int = 0,
) -> float | np.ndarray:
    """How long the class survives when the most relevant pixels are hidden first; the lower, the better.

    Arguments and result are those of `insertion`.
    """
    return score_maps(Deletion(steps=steps, fill=fill), classifier, image, maps, target, seed=seed)


def road(
    classifier: Classifier,
    image: Any,
    maps: ArrayLike | Tensor,
    target: int | str | Target | None = None,
    *,
    percentiles: tuple[float, ...] = PERCENTILES,
    fill: str | Fill = "linear",
    seed: int = 0,
) -> float | np.ndarray:
    """ROAD, combined: (LeRF − MoRF) / 2. 0 is what a map that knows nothing gets; the higher, the better.

    Args:
        classifier: whose decision the maps explain.
        image: the picture, as `open_image` takes it.
        maps: float `(h, w)` or `(m, h, w)` over what the network sees.
        target: class index, name or "A vs B"; by default the likeliest class.
        percentiles: P, from 0 to 100: the top (100 − P) % of the pixels go, and the lowest as many.
        fill: what takes the place of hidden pixels.
        seed: of the noise and of the order of equal pixels.

    Returns:
        From −1 to 1: one number, or `(m,)`.

    >>> import seewhy
    >>> classifier = seewhy.load()
    >>> found = seewhy.explain(classifier, "sample:cat", method="grad-cam")
    >>> road(classifier, "sample:cat", found.values) > 0
    True
    """
    return score_maps(ROAD(percentiles=percentiles, fill=fill), classifier, image, maps, target, seed=seed)


class _Removal(Metric):
    """What is read off the probabilities of the class under top-k masks of a map."""

    family = "faithfulness"
    needs = ("scores",)
    ranked = True
    asks_network = True

    @abstractmethod
    def probabilities(self, asked: Question) -> np.ndarray:
        """Of each map, `(n, …)`."""

    @abstractmethod
    def read(self, curve: np.ndarray) -> Score:
        """What is read off the probabilities of one map."""

    @override
    def scores(self, asked: Question) -> list[Score]:
        return [self.read(each) for each in self.probabilities(asked)]


class _Steps(_Removal):
    counts_as = "insertion and deletion"
    paper = PETSIUK
    arxiv = "1806.07421"
    bounds = (0, 1)

    steps: int = 28

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"steps is how often pixels are changed, at least once, not {self.steps}")

    @override
    def for_chance(self) -> Metric:
        coarse, rest = divmod(self.steps, COARSER)
        return self if rest or coarse < COARSEST else replace(self, steps=coarse)

    def counts(self, pixels: int) -> list[int]:
        """How many pixels are changed after each step, from none to all."""
        return [round(step * pixels / self.steps) for step in range(self.steps + 1)]

    @override
    def read(self, curve: np.ndarray) -> Score:
        return Score(float(area_under(curve)), curve)


class Deletion(_Steps):
    """Area under the probability of the class while pixels are hidden, most relevant first.

    The curve `(steps + 1,)` starts with the whole picture. Source: Petsiuk 2018, section 4.1.
    """

    name = "deletion"
    title = "Deletion"
    higher_is_better = False
    question = "How long does the class survive when the pixels that the map calls relevant are hidden first?"
    reading = (
        "0 means that the class is gone as soon as the first pixels are; the lower, the better the map knows what "
        "the network depends on. Compare maps of the same picture only."
    )

    fill: str | Fill = "mean"

    @override
    def probabilities(self, asked: Question) -> np.ndarray:
        perturber = asked.perturber(self.fill)
        return perturber.ranked(asked.maps, [TopK("highest", count) for count in self.counts(perturber.ties.size)])


class Insertion(_Steps):
    """Area under the probability of the class while a blurred picture becomes sharp, most relevant pixels first.

    The curve `(steps + 1,)` ends with the whole picture. Source: Petsiuk 2018, section 4.1; there the
    blur has σ = 5 pixels cut off at one σ, which leaves much to be recognised.
    """

    name = "insertion"
    title = "Insertion"
    question = "How soon is the class recognised when the pixels that the map calls relevant are shown first?"
    reading = (
        "1 means that the first pixels suffice; the higher, the better the map knows what the network needs. "
        "Compare maps of the same picture only."
    )

    fill: str | Fill = "blur"

    @override
    def probabilities(self, asked: Question) -> np.ndarray:
        perturber = asked.perturber(self.fill)
        pixels = perturber.ties.size
        return perturber.ranked(asked.maps, [TopK("lowest", pixels - count) for count in self.counts(pixels)])


class InsertionMinusDeletion(_Steps):
    """The difference of both areas. The curve `(2, steps + 1)` holds insertion's, then deletion's."""

    name = "insertion-minus-deletion"
    title = "Insertion − deletion"
    paper = "after " + PETSIUK
    bounds = (-1, 1)
    question = "Do the pixels that the map calls relevant bring the class when shown, and take it away when hidden?"
    reading = (
        "Above 0 the map does better than an upside-down one; a map that knows nothing lands where chance does, "
        "which the random control shows."
    )

    start: str | Fill = "blur"
    end: str | Fill = "mean"

    @override
    def probabilities(self, asked: Question) -> np.ndarray:
        parts = (Insertion(steps=self.steps, fill=self.start), Deletion(steps=self.steps, fill=self.end))
        return np.stack([part.probabilities(asked) for part in parts], 1)

    @override
    def read(self, curve: np.ndarray) -> Score:
        shown, hidden = area_under(curve)
        return Score(float(shown - hidden), curve)


class _Percentiles(_Removal):
    counts_as = "ROAD"
    paper = "Rong et al. 2022"
    arxiv = "2202.00449"
    bounds = (-1, 1)
    stochastic = True
    settled = True  # `benchmarks/road.py` measures by how much

    percentiles: tuple[float, ...] = PERCENTILES
    fill: str | Fill = "linear"

    def __post_init__(self) -> None:
        if not self.percentiles or not all(0 <= each <= 100 for each in self.percentiles):
            raise UsageError(f"percentiles are one or more numbers from 0 to 100, not {self.percentiles}")

    @override
    def for_chance(self) -> Metric:
        return self if len(self.percentiles) < HALVED else replace(self, percentiles=self.percentiles[1::2])

    def removals(self, end: End, total: int) -> list[TopK]:
        """Pixels of so many are removed from this end, up to each percentile."""
        return [TopK.share(end, 1 - each / 100, total) for each in self.percentiles]


class ROADMoRF(_Percentiles):
    """Mean change of the class's probability when the most relevant pixels are removed.

    `percentiles` P as in pytorch-grad-cam: the top (100 − P) % go, exactly so many whatever the ties, which stand in
    random order. The curve holds the change for each. Source: Rong 2022, section 4, who plot accuracy; the change of
    one picture's probability is pytorch-grad-cam's.
    """

    name = "road-morf"
    title = "ROAD, most relevant first"
    higher_is_better = False
    question = (
        "How much less likely is the class once its most relevant pixels are painted over from their surroundings?"
    )
    reading = (
        "−0.5 means that the probability falls by 50 points on average; the lower, the more the network depended "
        "on what the map marks."
    )

    end: ClassVar[End] = "highest"

    @override
    def probabilities(self, asked: Question) -> np.ndarray:
        perturber = asked.perturber(self.fill)
        return perturber.ranked(asked.maps, [NOTHING, *self.removals(self.end, perturber.ties.size)])

    @override
    def read(self, curve: np.ndarray) -> Score:
        changes = curve[1:] - curve[0]
        return Score(float(changes.mean()), changes)


class ROADLeRF(ROADMoRF):
    """Mean change of the class's probability when the least relevant pixels are removed; see `ROADMoRF`."""

    name = "road-lerf"
    title = "ROAD, least relevant first"
    higher_is_better = True
    question = (
        "How well does the class survive when its least relevant pixels are painted over from their surroundings?"
    )
    reading = (
        "Around 0 the network could do without what the map leaves dark; −0.5 means that the probability falls by "
        "50 points on average."
    )
    end = "lowest"


class ROAD(_Percentiles):
    """(LeRF − MoRF) / 2, from which the probability of the whole picture cancels; see `ROADMoRF`.

    The curve `(2, percentiles)` holds what is left of the probability, first LeRF's, then MoRF's.
    """

    name = "road"
    title = "ROAD, combined"
    mirrored = True
    question = "Does the network depend more on what the map marks than on what it leaves dark?"
    reading = (
        "0 is what a map that knows nothing gets; the higher, the better. Pixels are painted over smoothly, so the "
        "shape of the hole gives nothing away."
    )

    @override
    def probabilities(self, asked: Question) -> np.ndarray:
        perturber = asked.perturber(self.fill)
        ways = [way for end in ("lowest", "highest") for way in self.removals(end, perturber.ties.size)]
        return self.under(perturber, asked.maps, ways).reshape(len(asked.maps), 2, len(self.percentiles))

    def under(self, perturber: Perturber, maps: Sequence[Attribution], ways: Sequence[TopK]) -> np.ndarray:
        """What is left of each map's target under each mask of it, `(n, ways)`."""
        return perturber.ranked(maps, ways)

    @override
    def read(self, curve: np.ndarray) -> Score:
        return Score(combined(*curve), curve)


class ROADAccuracy(ROAD):
    """ROAD by accuracy: half the difference of how often the answer stays, LeRF − MoRF.

    The curve `(2, percentiles)` is 1 where it stays; means over many pictures are the accuracies that the paper plots.
    It asks nothing that `ROAD` does not ask. Source: Rong 2022, section 4; there the labels are the true ones, here
    what was explained. A picture of which the network says something else counts as wrong throughout, as there.
    """

    name = "road-accuracy"
    title = "ROAD, by accuracy"
    question = "Does the answer stay while what the map leaves dark is removed, and go with what it marks?"
    reading = (
        "0 is what a map that knows nothing gets, 0.5 what it gets if the answer stays to the last one way and is gone "
        "at once the other. Of one picture it is coarse: it is meant to be averaged over many."
    )

    @override
    def scores(self, asked: Question) -> list[Score]:
        if asked.context.classifier.head.meaning == "values":
            return [NO_ANSWER] * len(asked.maps)
        return super().scores(asked)

    @override
    def under(self, perturber: Perturber, maps: Sequence[Attribution], ways: Sequence[TopK]) -> np.ndarray:
        return perturber.said(maps, ways)

"""ROAD: remove and debias. Pixels give way to what their surroundings suggest, so that the hole itself says nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
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
from seewhy.metrics.ordering import NOTHING, End, Hiding
from seewhy.metrics.registry import register_metric
from seewhy.metrics.subject import Score, Subject

PAPER = "Rong et al. 2022"
ARXIV = "2202.00449"


def combined(least_first: np.ndarray, most_first: np.ndarray) -> float:
    """(LeRF − MoRF) / 2 of mean probabilities, or of their mean changes. Source: pytorch-grad-cam's ROADCombined."""
    return float(least_first.mean() - most_first.mean()) / 2


@dataclass(frozen=True, kw_only=True)
class _Removal(ABC):
    percentiles: tuple[float, ...] = (20, 40, 60, 80)
    fill: str | Fill = "linear"

    def __post_init__(self) -> None:
        if not self.percentiles or not all(0 <= each <= 100 for each in self.percentiles):
            raise UsageError(f"percentiles are one or more numbers from 0 to 100, not {self.percentiles}")

    def removals(self, end: End, total: int) -> list[Hiding]:
        """Pixels of so many are removed from this end, up to each percentile."""
        return [Hiding.share(end, 1 - each / 100, total) for each in self.percentiles]

    @abstractmethod
    def score(self, hider: Hider, explanations: Sequence[Explanation]) -> list[Score]:
        """One score per explanation."""

    def __call__(
        self,
        subject: Subject,
        explanations: Sequence[Explanation],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Score]:
        """See `Metric`."""
        return self.score(subject.hider(self.fill, generator, progress), explanations)


@dataclass(frozen=True, kw_only=True)
class _FromOneEnd(_Removal):
    end: ClassVar[End]

    @override
    def score(self, hider: Hider, explanations: Sequence[Explanation]) -> list[Score]:
        whole, *left = hider.ranked(explanations, [NOTHING, *self.removals(self.end, hider.ties.size)]).T
        changes = (np.stack(left) - whole).T
        return [Score(float(each.mean()), each) for each in changes]


@register_metric(
    "road-morf",
    title="ROAD, most relevant first",
    family="faithfulness",
    higher_is_better=False,
    bounds=(-1, 1),
    paper=PAPER,
    arxiv=ARXIV,
    needs=("scores",),
    drawn=True,
    question="How much less likely is the class once its most relevant pixels are painted over from their "
    "surroundings?",
    reading="−0.5 means that the probability falls by 50 points on average; the lower, the more the network depended "
    "on what the map marks.",
)
@dataclass(frozen=True, kw_only=True)
class ROADMoRF(_FromOneEnd):
    """Mean change of the class's probability when the most relevant pixels are removed.

    `percentiles` P as in pytorch-grad-cam: the top (100 − P) % go, exactly so many whatever the ties, which stand in
    random order. The curve holds the change for each. Source: Rong 2022, section 4, who plot accuracy; the change of
    one picture's probability is pytorch-grad-cam's.
    """

    end = "highest"


@register_metric(
    "road-lerf",
    title="ROAD, least relevant first",
    family="faithfulness",
    higher_is_better=True,
    bounds=(-1, 1),
    paper=PAPER,
    arxiv=ARXIV,
    needs=("scores",),
    drawn=True,
    question="How well does the class survive when its least relevant pixels are painted over from their surroundings?",
    reading="Around 0 the network could do without what the map leaves dark; −0.5 means that the probability falls by "
    "50 points on average.",
)
@dataclass(frozen=True, kw_only=True)
class ROADLeRF(_FromOneEnd):
    """Mean change of the class's probability when the least relevant pixels are removed; see `ROADMoRF`."""

    end = "lowest"


@register_metric(
    "road",
    title="ROAD, combined",
    family="faithfulness",
    higher_is_better=True,
    bounds=(-1, 1),
    paper=PAPER,
    arxiv=ARXIV,
    needs=("scores",),
    drawn=True,
    question="Does the network depend more on what the map marks than on what it leaves dark?",
    reading="0 is what a map that knows nothing gets; the higher, the better. Pixels are painted over smoothly, so the "
    "shape of the hole gives nothing away.",
)
@dataclass(frozen=True, kw_only=True)
class ROAD(_Removal):
    """(LeRF − MoRF) / 2, from which the probability of the whole picture cancels; see `ROADMoRF`.

    The curve `(2, percentiles)` holds what is left of the probability, first LeRF's, then MoRF's.
    """

    @override
    def score(self, hider: Hider, explanations: Sequence[Explanation]) -> list[Score]:
        ways = [way for end in ("lowest", "highest") for way in self.removals(end, hider.ties.size)]
        pairs = hider.ranked(explanations, ways).reshape(len(explanations), 2, len(self.percentiles))
        return [Score(combined(*pair), pair) for pair in pairs]

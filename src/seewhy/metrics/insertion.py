"""Insertion and deletion: how fast does the class come, and go, with the pixels a map calls relevant?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from typing_extensions import override

from seewhy.core.progress import Progress, silent
from seewhy.engines import Fill
from seewhy.errors import UsageError
from seewhy.methods import Explanation
from seewhy.metrics.ordering import Hiding
from seewhy.metrics.registry import register_metric
from seewhy.metrics.subject import Score, Subject

PETSIUK = "Petsiuk et al. 2018"


def area_under(curves: np.ndarray) -> np.ndarray:
    """Area under curves `(..., n + 1)` at equal steps over [0, 1], by trapezoids. Source: RISE's evaluation code."""
    return (curves[..., 1:] + curves[..., :-1]).mean(-1) / 2


@dataclass(frozen=True, kw_only=True)
class _Steps(ABC):
    steps: int = 28

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(f"steps is how often pixels are changed, at least once, not {self.steps}")

    def counts(self, pixels: int) -> list[int]:
        """How many pixels are changed after each step, from none to all."""
        return [round(step * pixels / self.steps) for step in range(self.steps + 1)]

    @abstractmethod
    def curves(
        self, subject: Subject, explanations: Sequence[Explanation], generator: torch.Generator, progress: Progress
    ) -> np.ndarray:
        """Probabilities `(n, steps + 1)`, or several such curves of each explanation, `(n, curves, steps + 1)`."""

    def __call__(
        self,
        subject: Subject,
        explanations: Sequence[Explanation],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Score]:
        """See `Metric`."""
        return [self.score(each) for each in self.curves(subject, explanations, generator, progress)]

    def score(self, curve: np.ndarray) -> Score:
        """What is read off the curve of one explanation."""
        return Score(float(area_under(curve)), curve)


@register_metric(
    "deletion",
    title="Deletion",
    family="faithfulness",
    higher_is_better=False,
    bounds=(0, 1),
    paper=PETSIUK,
    arxiv="1806.07421",
    needs=("scores",),
    question="How long does the class survive when the pixels that the map calls relevant are hidden first?",
    reading="0 means that the class is gone as soon as the first pixels are; the lower, the better the map knows what "
    "the network depends on. Compare maps of the same picture only.",
)
@dataclass(frozen=True, kw_only=True)
class Deletion(_Steps):
    """Area under the probability of the class while pixels are hidden, most relevant first.

    The curve `(steps + 1,)` starts with the whole picture. Source: Petsiuk 2018, section 4.1.
    """

    fill: str | Fill = "mean"

    @override
    def curves(
        self, subject: Subject, explanations: Sequence[Explanation], generator: torch.Generator, progress: Progress
    ) -> np.ndarray:
        hider = subject.hider(self.fill, generator, progress)
        return hider.ranked(explanations, [Hiding("highest", count) for count in self.counts(hider.ties.size)])


@register_metric(
    "insertion",
    title="Insertion",
    family="faithfulness",
    higher_is_better=True,
    bounds=(0, 1),
    paper=PETSIUK,
    arxiv="1806.07421",
    needs=("scores",),
    question="How soon is the class recognised when the pixels that the map calls relevant are shown first?",
    reading="1 means that the first pixels suffice; the higher, the better the map knows what the network needs. "
    "Compare maps of the same picture only.",
)
@dataclass(frozen=True, kw_only=True)
class Insertion(_Steps):
    """Area under the probability of the class while a blurred picture becomes sharp, most relevant pixels first.

    The curve `(steps + 1,)` ends with the whole picture. Source: Petsiuk 2018, section 4.1; there the
    blur has σ = 5 pixels cut off at one σ, which leaves much to be recognised.
    """

    fill: str | Fill = "blur"

    @override
    def curves(
        self, subject: Subject, explanations: Sequence[Explanation], generator: torch.Generator, progress: Progress
    ) -> np.ndarray:
        hider = subject.hider(self.fill, generator, progress)
        pixels = hider.ties.size
        return hider.ranked(explanations, [Hiding("lowest", pixels - count) for count in self.counts(pixels)])


@register_metric(
    "insertion-minus-deletion",
    title="Insertion − deletion",
    family="faithfulness",
    higher_is_better=True,
    bounds=(-1, 1),
    paper="after " + PETSIUK,
    arxiv="1806.07421",
    needs=("scores",),
    question="Do the pixels that the map calls relevant bring the class when shown, and take it away when hidden?",
    reading="Above 0 the map does better than an upside-down one; a map that knows nothing lands where chance does, "
    "which the random control shows.",
)
@dataclass(frozen=True, kw_only=True)
class InsertionMinusDeletion(_Steps):
    """The difference of both areas. The curve `(2, steps + 1)` holds insertion's, then deletion's."""

    start: str | Fill = "blur"
    end: str | Fill = "mean"

    @override
    def curves(
        self, subject: Subject, explanations: Sequence[Explanation], generator: torch.Generator, progress: Progress
    ) -> np.ndarray:
        parts = (Insertion(steps=self.steps, fill=self.start), Deletion(steps=self.steps, fill=self.end))
        return np.stack([part.curves(subject, explanations, generator, progress) for part in parts], 1)

    @override
    def score(self, curve: np.ndarray) -> Score:
        insertion, deletion = area_under(curve)
        return Score(float(insertion - deletion), curve)

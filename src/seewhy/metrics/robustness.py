"""Robustness: does a map stay when next to nothing has changed?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from typing_extensions import override

from seewhy.engines import Fill
from seewhy.errors import UsageError
from seewhy.methods import Explanation
from seewhy.metrics.correlation import pearson, spearman
from seewhy.metrics.one_by_one import Repeat, Repeating
from seewhy.metrics.ordering import soft_mask
from seewhy.metrics.registry import register_metric
from seewhy.metrics.subject import Score, Subject


def max_sensitivity(values: np.ndarray, perturbed: np.ndarray) -> float:
    """Largest ‖a(x + δ) − a(x)‖ / ‖a(x)‖ over maps `(n, h, w)`. Source: Yeh 2019, relative as in captum."""
    changes = np.linalg.norm((perturbed - values).reshape(len(perturbed), -1), axis=1)
    return float(changes.max() / np.linalg.norm(values))


def stability(maps: np.ndarray) -> float:
    """Mean rank correlation over all pairs of maps `(n, h, w)`."""
    return float(np.mean([spearman(*pair) for pair in combinations(maps, 2)]))


@register_metric(
    "max-sensitivity",
    title="Max-sensitivity",
    family="robustness",
    higher_is_better=False,
    bounds=(0, np.inf),
    paper="Yeh et al. 2019",
    arxiv="1901.09392",
    needs=("scores", "method"),
    question="How much does the map change when the picture is disturbed so little that nobody sees it?",
    reading="0.1 means that the worst of ten disturbances changed the map by a tenth of its own size; above 1 nothing "
    "of it is left.",
)
@dataclass(frozen=True, kw_only=True)
class MaxSensitivity(Repeating):
    """Largest relative change of the map over `draws` disturbances, uniform up to `radius` of the range of pixels.

    The disturbed pictures are rounded to 8 bits, and each is explained with the explanation's own seed. The curve
    holds each disturbance's change. Source: Yeh 2019.
    """

    draws: int = 10
    radius: float = 0.02

    def __post_init__(self) -> None:
        if self.draws < 1 or self.radius <= 0:
            raise UsageError(
                f"give one draw or more and a radius above 0, not draws={self.draws}, radius={self.radius:g}"
            )

    @override
    def compare(self, subject: Subject, explanation: Explanation, repeat: Repeat, generator: torch.Generator) -> Score:
        noise = torch.rand((self.draws, *subject.pixels.shape), generator=generator) * 2 - 1
        pictures = [subject.framed(subject.pixels + self.radius * each) for each in noise]
        perturbed = repeat(subject.classifier, pictures)
        curve = np.array([max_sensitivity(explanation.values, each[None]) for each in perturbed])
        return Score(float(curve.max()), curve)


@register_metric(
    "stability",
    title="Run-to-run stability",
    family="robustness",
    higher_is_better=True,
    bounds=(-1, 1),
    paper="after Visani et al. 2022",
    arxiv="2001.11757",
    needs=("scores", "method"),
    question="Does the same method give the same map when it throws its dice again?",
    reading="1 means that all runs rank the pixels alike, as methods without chance always do; 0 that they have "
    "nothing in common.",
)
@dataclass(frozen=True, kw_only=True)
class Stability(Repeating):
    """Mean rank correlation over all pairs of the map and `runs` more with other seeds."""

    runs: int = 3

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise UsageError(f"runs is how often to explain again, at least once, not {self.runs}")

    @override
    def compare(self, subject: Subject, explanation: Explanation, repeat: Repeat, generator: torch.Generator) -> Score:
        seeds = torch.randint(2**31, (self.runs,), generator=generator).tolist()
        others = [repeat(subject.classifier, [subject.image], seed=seed)[0] for seed in seeds]
        return Score(stability(np.stack([explanation.values, *others])))


@register_metric(
    "coherency",
    title="Coherency",
    family="robustness",
    higher_is_better=True,
    bounds=(0, 1),
    paper="Poppi et al. 2021",
    arxiv="2104.10252",
    needs=("scores", "method"),
    question="Is the map the same when what it leaves dark is faded out?",
    reading="1 means the same map, 0.5 that both have nothing in common.",
)
@dataclass(frozen=True, kw_only=True)
class Coherency(Repeating):
    """(Pearson(a(x), a(x ∘ a(x))) + 1) / 2. Source: Poppi 2021."""

    fill: str | Fill = "mean"

    @override
    def compare(self, subject: Subject, explanation: Explanation, repeat: Repeat, generator: torch.Generator) -> Score:
        mask = soft_mask(explanation.values)
        (other,) = repeat(subject.classifier, [subject.shown(mask, self.fill, generator)])
        return Score((pearson(mask, soft_mask(other)) + 1) / 2)

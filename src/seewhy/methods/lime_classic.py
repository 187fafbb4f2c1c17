"""LIME as its authors' package computes it, for comparison with what others have published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import MaskedForward
from seewhy.errors import UsageError
from seewhy.methods.lime import answers
from seewhy.methods.region_method import Finding, RegionMethod
from seewhy.methods.registry import register
from seewhy.methods.surrogate import fit
from seewhy.models import Target

ALPHA = 1.0


@register(
    "lime-classic",
    title="LIME, as published",
    family="regions",
    paper="Ribeiro et al. 2016",
    arxiv="1602.04938",
    needs=("scores",),
    signed=True,
    question="Which regions raise the probability of this class, in pictures of which half is hidden?",
    reading="Orange regions raise the probability of the class, blue ones lower it, in a simple model of pictures that "
    "lack half of their regions. Another seed often gives another order: “LIME” is the steadier form.",
    cost="1,000 forwards",
)
@dataclass(frozen=True, kw_only=True)
class LimeClassic(RegionMethod):
    """The lime package's numbers: a ridge model of the probability, weighted by the closeness to the picture.

    Source: marcotcr/lime, `lime_image.py` and `lime_base.py`. We cut what the network saw, not the whole picture;
    every draw comes from the seed; and we add standard errors.

    Raises:
        UsageError: fewer than two `samples`, or a `kernel_width` that is not above 0.
    """

    samples: int = 1000
    kernel_width: float = 0.25

    def __post_init__(self) -> None:
        if self.samples < 2 or self.kernel_width <= 0:
            raise UsageError("lime-classic wants samples of at least 2 and a kernel_width above 0")

    @override
    def find(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Finding]:
        engine.expected = engine.forwards + self.samples
        coalitions = classic_coalitions(self.samples, engine.regions, generator)
        probabilities = answers(engine, coalitions, generator).softmax(1)
        importance = proximity(coalitions, self.kernel_width)
        return [_finding(coalitions, target.score(probabilities), importance) for target in targets]


def classic_coalitions(samples: int, regions: int, generator: torch.Generator) -> Tensor:
    """Bool `(samples, regions)`: each region kept or not by the toss of a coin; the first row keeps all."""
    coalitions = torch.rand((samples, regions), generator=generator) < 0.5
    coalitions[0] = True
    return coalitions


def proximity(coalitions: Tensor, width: float) -> Tensor:
    """√exp(−D² / width²), float64 `(n,)`, where D is the cosine distance to the whole picture."""
    distance = 1 - coalitions.double().mean(1).sqrt()
    return (-distance.square() / width**2).exp().sqrt()


def _finding(coalitions: Tensor, scores: Tensor, importance: Tensor) -> Finding:
    found = fit(coalitions.double(), scores, importance, alpha=ALPHA)
    checks = {"r2": found.r2, "local_prediction": found.intercept + float(found.weights.sum())}
    return Finding(found.weights.numpy(), found.errors.numpy(), checks=checks)

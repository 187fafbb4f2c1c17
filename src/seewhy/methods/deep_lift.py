"""DeepLIFT and DeepSHAP: every change of the score, from a reference to the picture, shared out exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import DEEPLIFT, Differentiable, Fill
from seewhy.methods.pixel_method import Attribution, PixelMethod, Query, completeness_gap
from seewhy.methods.registry import register
from seewhy.models import Target

BATCH = 4  # references at once: each takes part beside the picture


def rescale(network: Differentiable, x: Tensor, others: Tensor, targets: Sequence[Target]) -> list[Tensor]:
    """Mean over references r of (x − r) ⊙ m, shaped as the point x, per target: sums to f(x) − mean f(r).

    Source: Shrikumar 2017, rescale rule; Lundberg 2017, section 4.2, for the mean over references.
    """
    totals = [torch.zeros_like(x) for _ in targets]
    for chosen in others.split(BATCH):
        pairs = torch.cat([x.expand(len(chosen), *x.shape), chosen])
        _, found = network.gradients(pairs, targets, DEEPLIFT, scored=len(chosen))
        multipliers = (each[: len(chosen)] for each in found)
        totals = [total + ((x - chosen) * each).sum(0) for total, each in zip(totals, multipliers, strict=True)]
    return [total / len(others) for total in totals]


@register(
    "deep-lift",
    title="DeepLIFT",
    family="shap",
    paper="Shrikumar et al. 2017",
    arxiv="1704.02685",
    needs=("gradients",),
    signed=True,
    question="How did each pixel change the score, from a reference picture to this one, in one pass?",
    reading="Orange pixels raised the score compared with the reference (black by default), blue ones lowered it; all "
    "together they add up to the whole difference, exactly.",
    cost="one forward and one backward of two pictures",
)
@dataclass(frozen=True, kw_only=True)
class DeepLift(PixelMethod):
    """The rescale rule against `background`, a fill's name or a fill; of several references the mean."""

    background: str | Fill = "black"

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        x, others = query.point[0], query.references(self.background)
        ends = query.network.logits(torch.cat([x[None], others]))
        changes = [target.score(ends[0]) - target.score(ends[1:]).mean() for target in query.targets]
        found = rescale(query.network, x, others, query.targets)
        return [
            Attribution(query.summed(each[None])[0], {"completeness_gap": completeness_gap(each, change)})
            for each, change in zip(found, changes, strict=True)
        ]


@register(
    "deep-shap",
    title="DeepSHAP",
    family="shap",
    paper="Lundberg & Lee 2017",
    arxiv="1705.07874",
    needs=("gradients",),
    signed=True,
    question="How did each pixel change the score, compared with other pictures, in one pass each?",
    reading="Orange pixels raised the score compared with the background pictures, blue ones lowered it; all together "
    "they add up to the difference from the backgrounds' mean score, exactly.",
    cost="one forward and one backward of two pictures per background picture",
)
@dataclass(frozen=True, kw_only=True)
class DeepShap(DeepLift):
    """DeepLIFT averaged over the pictures of `background`."""

    background: str | Fill = "samples"

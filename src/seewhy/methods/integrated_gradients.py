"""Integrated gradients: the gradient averaged on the straight way from a reference to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Differentiable, Fill
from seewhy.errors import UsageError
from seewhy.methods.pixel_method import Attribution, PixelMethod, Query, completeness_gap
from seewhy.methods.registry import register
from seewhy.models import Target

BATCH = 8


def path_integral(
    network: Differentiable, x: Tensor, reference: Tensor, targets: Sequence[Target], steps: int
) -> list[Tensor]:
    """(x − r) ⊙ ∫ ∂f(r + t (x − r)) dt by Gauss-Legendre, shaped as the point x, per target.

    Source: Sundararajan 2017, eq. 1, with another quadrature: exact for polynomials of degree 2·steps − 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    positions = torch.as_tensor((nodes + 1) / 2).to(x).view(-1, *[1] * x.dim())
    shares = torch.as_tensor(weights / 2).to(x).view(-1, *[1] * x.dim())
    totals = [torch.zeros_like(x) for _ in targets]
    for start in range(0, steps, BATCH):
        part = slice(start, start + BATCH)
        _, found = network.gradients(reference + positions[part] * (x - reference), targets)
        totals = [total + (each * shares[part]).sum(0) for total, each in zip(totals, found, strict=True)]
    return [(x - reference) * total for total in totals]


@register(
    "integrated-gradients",
    title="Integrated gradients",
    family="gradients",
    paper="Sundararajan et al. 2017",
    arxiv="1703.01365",
    needs=("gradients",),
    signed=True,
    question="How did each pixel change the score, from a reference picture to this one?",
    reading="Orange pixels raised the score on the way from the reference (black by default) to the photo, blue ones "
    "lowered it; all together they add up to the whole change. Pixels that equal the reference get nothing.",
    cost="16 to 256 forwards and backwards, doubled until the sum is right",
)
@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(PixelMethod):
    """Steps double from `steps` until the completeness gap is under `tolerance`, at most to `most_steps`.

    `background` is a fill's name or a fill; of several references the attributions are averaged.
    """

    background: str | Fill = "black"
    steps: int = 16
    most_steps: int = 256
    tolerance: float = 0.01

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        if not 1 <= self.steps <= self.most_steps:
            raise UsageError(f"integrated-gradients wants 1 ≤ steps ≤ most_steps, not {self.steps}, {self.most_steps}")
        x, others = query.point[0], query.references(self.background)
        ends = query.network.logits(torch.cat([x[None], others]))
        changes = [target.score(ends[0]) - target.score(ends[1:]).mean() for target in query.targets]
        steps = self.steps
        while True:
            each = [path_integral(query.network, x, other, query.targets, steps) for other in others]
            found = [torch.stack(shares).mean(0) for shares in zip(*each, strict=True)]
            gaps = [completeness_gap(each, change) for each, change in zip(found, changes, strict=True)]
            query.progress(steps, self.most_steps, "steps")
            if max(gaps) <= self.tolerance or steps * 2 > self.most_steps:
                break
            steps *= 2
        return [
            Attribution(query.summed(each[None])[0], {"completeness_gap": gap, "steps": float(steps)})
            for each, gap in zip(found, gaps, strict=True)
        ]

"""Gradients averaged on the way from a reference to the picture, of one reference or of many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Differentiable, Fill
from seewhy.errors import UsageError
from seewhy.methods.gradients import PixelMethod, Query, completeness_gap
from seewhy.methods.task import Found
from seewhy.models import Target

BATCH = 8

ROUND = 20  # samples that are stratified together; rounds are independent, so their spread gives the standard error
FEWEST_ROUNDS = 3
MOST_CLASSES = 20


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


class IntegratedGradients(PixelMethod):
    """Steps double from `steps` until the completeness gap is under `tolerance`, at most to `most_steps`.

    `background` is a fill's name or a fill; of several references the attributions are averaged.
    """

    name = "integrated-gradients"
    title = "Integrated gradients"
    paper = "Sundararajan et al. 2017"
    arxiv = "1703.01365"
    signed = True
    question = "How did each pixel change the score, from a reference picture to this one?"
    reading = (
        "Orange pixels raised the score on the way from the reference (black by default) to the photo, blue ones "
        "lowered it; all together they add up to the whole change. Pixels that equal the reference get nothing."
    )
    cost = "16 to 256 forwards and backwards, doubled until the sum is right"

    background: str | Fill = "black"
    steps: int = 16
    most_steps: int = 256
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= self.most_steps:
            raise UsageError(f"integrated-gradients wants 1 ≤ steps ≤ most_steps, not {self.steps}, {self.most_steps}")

    @override
    def attribute(self, query: Query) -> list[Found]:
        x, others = query.point[0], query.references(self.background)
        changes = query.changes(others)
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
            Found(query.summed(each[None])[0], checks={"completeness_gap": gap, "steps": float(steps)})
            for each, gap in zip(found, gaps, strict=True)
        ]


def sampling_plan(count: int, backgrounds: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Positions `(count,)` in [0, 1], one in each of `count` strata, and the background `(count,)` of each.

    Every background is drawn equally often, within one, and each at positions spread over the whole way.
    """
    positions = (torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    repeats = -(-count // backgrounds)
    order = torch.cat([torch.randperm(backgrounds, generator=generator) for _ in range(repeats)])
    return positions, order[:count]


class ExpectedGradients(PixelMethod):
    """E[(x − r) ⊙ ∂f(r + t (x − r))] over references r of `background` and positions t.

    At most `samples` gradients per target; it stops when the standard error of the map is under `tolerance` of the map
    (both as root mean squares). Source: Erion 2021, eq. 4, with stratified positions and balanced references.
    """

    name = "expected-gradients"
    stochastic = True
    title = "Expected gradients (GradientSHAP)"
    family = "shap"
    paper = "Erion et al. 2021"
    arxiv = "1906.10670"
    signed = True
    question = "How did each pixel change the score, compared with other pictures?"
    reading = (
        "Orange pixels raised the score compared with the background pictures, blue ones lowered it; all together "
        "they add up, within the stated error, to the difference from the backgrounds' mean score."
    )
    cost = "up to 200 forwards and backwards, fewer when the map is settled"

    background: str | Fill = "samples"
    samples: int = 200
    tolerance: float = 0.1
    all_classes: bool = False

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise UsageError(f"expected-gradients wants at least one sample, not {self.samples}")

    @override
    def attribute(self, query: Query) -> list[Found]:
        self._check(len(query.targets))
        others = query.references(self.background)
        changes = query.changes(others)
        rounds: list[list[Tensor]] = []
        shares: list[Tensor] = []
        done = 0
        while done < self.samples:
            count = min(ROUND, self.samples - done)
            rounds.append(self._round(query, others, count))
            done += count
            query.progress(done, self.samples, "gradients")
            shares = [torch.stack(each) for each in zip(*rounds, strict=True)]
            if self._settled(query, shares):
                break
        return [attribution(query, each, change, done) for each, change in zip(shares, changes, strict=True)]

    def _settled(self, query: Query, shares: Sequence[Tensor]) -> bool:
        enough = len(shares[0]) >= FEWEST_ROUNDS
        return enough and all(relative_error(query.summed(each)) <= self.tolerance for each in shares)

    def _check(self, classes: int) -> None:
        if classes > MOST_CLASSES and not self.all_classes:
            raise UsageError(
                f"expected gradients of {classes} classes take {classes * self.samples:,} backward passes; name the "
                "classes you want to see, or pass all_classes=true if you mean it"
            )

    def _round(self, query: Query, others: Tensor, count: int) -> list[Tensor]:
        """One independent estimate per target, shaped as a point."""
        positions, order = sampling_plan(count, len(others), query.generator)
        positions = positions.to(others).view(-1, *[1] * (others.dim() - 1))
        totals = [torch.zeros_like(others[0]) for _ in query.targets]
        for start in range(0, count, ROUND // 2):
            part = slice(start, start + ROUND // 2)
            chosen = others[order[part].to(others.device)]
            change = query.point - chosen
            _, found = query.network.gradients(chosen + positions[part] * change, query.targets)
            totals = [total + (change * each).sum(0) for total, each in zip(totals, found, strict=True)]
        return [total / count for total in totals]


def attribution(query: Query, shares: Tensor, change: Tensor, samples: int) -> Found:
    """The mean of independent estimates `(rounds, …)`, with the standard error of each pixel if they are enough."""
    maps = query.summed(shares)
    checks = {"completeness_gap": completeness_gap(shares.mean(0), change), "samples": float(samples)}
    if len(maps) < FEWEST_ROUNDS:
        return Found(maps.mean(0), checks=checks)
    checks["relative_error"] = relative_error(maps)
    return Found(maps.mean(0), errors=standard_errors(maps), checks=checks)


def standard_errors(maps: Tensor) -> Tensor:
    """Of the mean of independent maps `(n, h, w)`, pixel by pixel."""
    return (maps.var(0) / len(maps)).sqrt()


def relative_error(maps: Tensor) -> float:
    """The standard error of the mean of independent maps, relative to the mean, both as root mean squares."""
    size = maps.mean(0).square().mean().sqrt()
    return float(standard_errors(maps).square().mean().sqrt() / size) if float(size) else 0.0

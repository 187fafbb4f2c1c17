"""Gradients integrated on other ways than a straight one: out of a blur, and where the network is calm."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Blur, Fill
from seewhy.errors import UsageError
from seewhy.methods.gradients import Query, completeness_gap, gap_notes
from seewhy.methods.sums import SummedOverRegions, summed
from seewhy.methods.task import Found

BATCH = 8
Gradient = Callable[[Tensor], Tensor]


def along(points: Tensor, gradients: Tensor) -> Tensor:
    """∫ g · dx by the trapezoidal rule on the way through `points` `(n, …)`, shaped as one of them."""
    return (points.diff(dim=0) * (gradients[1:] + gradients[:-1]) / 2).sum(0)


class BlurIG(SummedOverRegions):
    """Integrated gradients on the way from a blur of σ = `sigma` times the shorter side to the picture.

    `steps` places, closer where the picture is nearly sharp. Source: Xu 2020, eq. 6, by another quadrature.
    """

    name = "blur-ig"
    title = "Blur integrated gradients"
    status = "verified"
    paper = "Xu et al. 2020"
    arxiv = "2004.03383"
    signed = True
    question = "How did each pixel change the score while the picture came into focus?"
    reading = (
        "Orange parts raised the score on the way from a blur of the photo to the photo, blue ones lowered it; all "
        "together they add up to the whole change, or a note says how far they miss it. What a blur leaves as it is "
        "gets nothing."
    )
    cost = "64 forwards and backwards"
    others = "sum"

    sigma: float = 0.25
    steps: int = 64

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma <= 0 or self.steps < 2:
            raise UsageError(f"blur-ig wants sigma above 0 and steps ≥ 2, not {self.sigma:g} and {self.steps}")

    @override
    def attribute(self, query: Query) -> list[Found]:
        points, logits, gradients = self._way(query), list[Tensor](), list[list[Tensor]]()
        for part in points.split(BATCH):
            answers, found = query.network.gradients(part, query.targets)
            logits.append(answers)
            gradients.append(found)
            query.progress(len(torch.cat(logits)), self.steps, "steps")
        ends = torch.cat(logits)[[0, -1]]
        each = zip(query.targets, map(torch.cat, zip(*gradients, strict=True)), strict=True)
        return [
            _found(query, along(points, slopes), target.score(ends).diff()[0].double().cpu(), f"steps={4 * self.steps}")
            for target, slopes in each
        ]

    def _way(self, query: Query) -> Tensor:
        """The points `(steps, …)` from the blur to the picture."""
        sharpness = torch.linspace(1, 0, self.steps)[:-1].square().tolist()
        pixels = query.pixels
        blurred = [_blurred(pixels, self.sigma * each, query.generator) for each in sharpness]
        return query.network.points(torch.stack([*blurred, pixels]))


def _blurred(pixels: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    filler = Blur(sigma).prepare(pixels, None, generator)
    return filler(pixels.new_zeros((1, *pixels.shape[1:])), torch.zeros(1, dtype=torch.int64))[0]


def guided_path(
    gradient: Gradient,
    x: Tensor,
    reference: Tensor,
    steps: int,
    fraction: float,
    distance: float,
    tell: Callable[[int], object] = int,
) -> Tensor:
    """Integrated gradients on a way that moves, at each of `steps`, the `fraction` of numbers with the least gradient.

    No number is further than `distance` (of the whole way) from where it would be on the straight way. Source:
    Kapishnikov 2021, algorithm 1. All in the shape of the point `x`.
    """
    way = x - reference
    total = float(way.abs().sum())
    here, shares = reference.clone(), torch.zeros_like(x)
    for step in range(1, steps + 1):
        if total == 0:
            break
        slopes = gradient(here)
        earliest, latest = (min(max(step / steps + each, 0.0), 1.0) for each in (-distance, distance))
        goal, end = total * (1 - step / steps), reference + latest * way
        while True:
            start = here
            late = ((here - reference) / way).nan_to_num(latest, latest, latest) < earliest
            here = torch.where(late, reference + earliest * way, here)
            left = float((x - here).abs().sum())
            movable = here != end
            if left <= goal * (1 + 1e-6) + 1e-6 * total or not movable.any():
                shares += (here - start) * slopes
                break
            sizes = slopes.abs()[movable].sort().values
            calm = movable & (slopes.abs() <= sizes[min(int(fraction * sizes.numel()), sizes.numel() - 1)])
            room = float(((end - here).abs() * calm).sum())
            part = min((left - goal) / room, 1.0) if room else 1.0
            here = torch.where(calm, end if part == 1 else here + part * (end - here), here)
            shares += (here - start) * slopes
            if part < 1:
                break
        tell(step)
    return shares


class GuidedIG(SummedOverRegions):
    """Integrated gradients on a way that goes first where the gradient is small, from `background`.

    `steps` places, `fraction` of the numbers at a time, each at most `distance` of the way off the straight line.
    """

    name = "guided-ig"
    title = "Guided integrated gradients"
    status = "verified"
    paper = "Kapishnikov et al. 2021"
    arxiv = "2106.09788"
    signed = True
    question = "How did each pixel change the score, on a way that avoids where the network is unsteady?"
    reading = (
        "Orange parts raised the score on the way from the reference (black by default) to the photo, blue ones "
        "lowered it. The way goes around steep places, which leaves less noise on what plays no part."
    )
    cost = "200 forwards and backwards for each class"

    background: str | Fill = "black"
    steps: int = 200
    fraction: float = 0.25
    distance: float = 0.02

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 1 or not 0 < self.fraction <= 1 or not 0 <= self.distance <= 1:
            raise UsageError(
                "guided-ig wants steps ≥ 1, fraction above 0 and at most 1, distance between 0 and 1, not "
                f"{self.steps}, {self.fraction:g} and {self.distance:g}"
            )

    @override
    def attribute(self, query: Query) -> list[Found]:
        others, more = query.references(self.background), f"distance={self.distance / 4:g}, on a straighter way"
        found: list[Found] = []
        for number, change in enumerate(query.changes(others)):
            target = query.targets[number : number + 1]
            ways = [
                guided_path(
                    lambda point: query.network.gradients(point[None], target)[1][0][0],  # noqa: B023
                    *(query.point[0], other, self.steps, self.fraction, self.distance),
                    lambda step: query.progress(step, self.steps, "steps"),
                )
                for other in others
            ]
            found.append(
                _found(
                    query,
                    torch.stack(ways).mean(0),
                    change,
                    more,
                )
            )
        return found


def _found(query: Query, shares: Tensor, change: Tensor, more: str) -> Found:
    reason = f"It may come nearer with {more}."
    checks = {"completeness_gap": completeness_gap(shares, change)}
    maps = query.summed(shares[None])
    return Found(maps[0], regions=summed(query, maps), checks=checks, notes=gap_notes(shares, change, reason))

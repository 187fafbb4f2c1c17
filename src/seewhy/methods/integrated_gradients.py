"""Gradients averaged on the way from a reference to the picture, of one reference or of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Differentiable, Fill
from seewhy.errors import UsageError
from seewhy.methods.gradients import TOLERANCE, Query, completeness_gap, gap_notes
from seewhy.methods.sums import STUDENT, SummedOverRegions, summed
from seewhy.methods.task import Found
from seewhy.models import Target

BATCH = 8

# Rounds are independent, so that their spread gives the standard error; the fewer, the more evenly each is spread.
ROUND, ROUNDS = 33, 4  # samples in one at least, and how many there are at most
FEWEST_ROUNDS = 2
MOST_CLASSES = 20
MORE = "More samples bring the two together."


@dataclass(frozen=True)
class Path:
    """What a network said of a target on the straight way from `reference` to the point `x`.

    At `positions` `(n,)` from 0 to 1, in order: the `scores`, their `slopes` along the way, the `gradients` `(n, …)`.
    """

    x: Tensor
    reference: Tensor
    positions: Tensor
    scores: Tensor
    slopes: Tensor
    gradients: Tensor

    @property
    def change(self) -> Tensor:
        """How far the score is above that at the reference."""
        return self.scores[-1] - self.scores[0]

    @property
    def misses(self) -> Tensor:
        """Between neighbours, the trapezoid of their slopes less the change of the score, `(n − 1,)`."""
        return self.positions.diff() * (self.slopes[1:] + self.slopes[:-1]) / 2 - self.scores.diff()

    @property
    def gap(self) -> float:
        """The completeness gap."""
        return completeness_gap(self.shares(), self.change)

    def shares(self) -> Tensor:
        """(x − r) ⊙ ∫ ∂f(r + t (x − r)) dt by the trapezoidal rule, shaped as the point x."""
        widths = self.positions.diff()
        weights = torch.cat([widths, widths.new_zeros(1)]) + torch.cat([widths.new_zeros(1), widths])
        return (self.x - self.reference) * torch.tensordot((weights / 2).to(self.x), self.gradients, 1)

    def worst(self, most: int, tolerance: float) -> Tensor:
        """The middles `(k,)` between the neighbours that miss most; the rest miss half the tolerance at most."""
        relative = self.misses.abs() / self.change.abs().clamp_min(torch.finfo(torch.float64).tiny)
        order = relative.argsort(descending=True)
        rest = relative[order].flip(0).cumsum(0).flip(0)
        count = min(most, max(1, int((rest > tolerance / 2).sum())))
        left = self.positions[order[:count]]
        return (left + self.positions[order[:count] + 1]) / 2

    def __or__(self, other: Path) -> Path:
        """What was seen at the positions of both."""
        positions = torch.cat([self.positions, other.positions])
        order = positions.argsort()
        return Path(
            self.x,
            self.reference,
            positions[order],
            torch.cat([self.scores, other.scores])[order],
            torch.cat([self.slopes, other.slopes])[order],
            torch.cat([self.gradients, other.gradients])[order.to(self.x.device)],
        )


def seen_at(
    network: Differentiable, x: Tensor, reference: Tensor, targets: Sequence[Target], positions: Tensor
) -> list[Path]:
    """What the network says of each target at `positions` `(n,)` on the way from `reference` to `x`."""
    way = (x - reference)[None]
    scores: list[Tensor] = []
    gradients: list[list[Tensor]] = []
    for part in positions.split(BATCH):
        logits, found = network.gradients(reference + part.to(x).view(-1, *[1] * x.dim()) * way, targets)
        scores.append(torch.stack([target.score(logits).cpu().double() for target in targets]))
        gradients.append(found)
    each = zip(torch.cat(scores, 1), map(torch.cat, zip(*gradients, strict=True)), strict=True)
    return [
        Path(x, reference, positions, score, (gradient * way).flatten(1).sum(1).cpu().double(), gradient)
        for score, gradient in each
    ]


def path_integrals(
    network: Differentiable,
    x: Tensor,
    reference: Tensor,
    targets: Sequence[Target],
    steps: int,
    most_steps: int | None = None,
    tolerance: float = TOLERANCE,
    tell: Callable[[int], object] = int,
    own: int | None = None,
) -> list[Path]:
    """For each target the way from `reference` to `x`, seen in `steps` places, then where it misses most.

    The score is known wherever the gradient is, so it is known between which neighbours the trapezoidal rule is how far
    off; there a place is added until all together are within `tolerance` of the change, or there are `most_steps`; of
    the first `own` targets alone, where that is given. On photos nearly all the error is next to a black reference.
    Every target has places of its own, so that it gets the map that it would get alone. Source: Sundararajan 2017,
    eq. 1, with another quadrature.
    """
    paths = seen_at(network, x, reference, targets, torch.linspace(0, 1, steps, dtype=torch.float64))
    for number, target in enumerate(targets[:own]):
        while (left := (most_steps or steps) - len(paths[number].positions)) > 0 and paths[number].gap > tolerance:
            places = paths[number].worst(min(left, BATCH), tolerance)
            (more,) = seen_at(network, x, reference, [target], places)
            paths[number] |= more
            tell(len(paths[number].positions))
    return paths


class IntegratedGradients(SummedOverRegions):
    """From `steps` places on the way, added to where it misses until it adds up within `tolerance` of the change.

    `background` is a fill's name or a fill; of several references the attributions are averaged.
    """

    name = "integrated-gradients"
    title = "Integrated gradients"
    status = "verified"
    first = True
    paper = "Sundararajan et al. 2017"
    arxiv = "1703.01365"
    signed = True
    question = "How did each pixel change the score, from a reference picture to this one?"
    reading = (
        "Orange parts raised the score on the way from the reference (black by default) to the photo, blue ones "
        "lowered it; all together they add up to the whole change, or a note says how far they miss it. Pixels that "
        "equal the reference get nothing."
    )
    cost = "16 to 256 forwards and backwards, until the sum is right"
    others = "sum"

    background: str | Fill = "black"
    steps: int = 16
    most_steps: int = 256
    tolerance: float = TOLERANCE

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.steps <= self.most_steps:
            raise UsageError(f"integrated-gradients wants 2 ≤ steps ≤ most_steps, not {self.steps}, {self.most_steps}")

    @override
    def attribute(self, query: Query) -> list[Found]:
        x, others = query.point[0], query.references(self.background)
        paths = [
            path_integrals(
                *(query.network, x, other, query.targets, self.steps, self.most_steps, self.tolerance),
                lambda steps: query.progress(steps, self.most_steps, "steps"),
                query.own,
            )
            for other in others
        ]
        return [
            self._found(query, mine, change)
            for mine, change in zip(zip(*paths, strict=True), query.changes(others), strict=True)
        ]

    def shares(self, path: Path) -> Tensor:
        """What each number of the point adds to the change of the score on one way."""
        return path.shares()

    def _found(self, query: Query, paths: Sequence[Path], change: Tensor) -> Found:
        """Of one target, the mean over its ways from every reference."""
        shares = torch.stack([self.shares(path) for path in paths]).mean(0)
        steps = max(len(path.positions) for path in paths)
        reason = f"{steps} steps did not get there; more may, with most_steps={4 * self.most_steps}."
        maps = query.summed(shares[None])
        return Found(
            maps[0],
            regions=summed(query, maps),
            checks={"completeness_gap": completeness_gap(shares, change), "steps": float(steps)},
            notes=gap_notes(shares, change, reason),
        )


class IDGI(IntegratedGradients):
    """Integrated gradients that count only what lies along the gradient: each step's change, shared by its squares."""

    name = "idgi"
    title = "IDGI"
    status = "verified"
    paper = "Yang et al. 2023"
    arxiv = "2303.14242"
    others = ""  # the squares of gradients of a sum are no sum
    question = "How did each pixel change the score, where the score itself climbs?"
    reading = (
        "Every step from the reference to the photo is shared among the pixels that the score is sensitive to there: "
        "orange where it rose, blue where it fell. All together they add up to the whole change, whatever the steps, "
        "or a note says how far they miss it."
    )

    @override
    def shares(self, path: Path) -> Tensor:
        return important_directions(path.scores, path.gradients)


def important_directions(scores: Tensor, gradients: Tensor) -> Tensor:
    """Σ_j (f_{j+1} − f_j) · g_j² / Σ g_j², shaped as the point, of places in order. Source: Yang 2023, algorithm 1.

    Where a gradient is zero, the step's change belongs to nobody.
    """
    squares = gradients[:-1].square()
    sums = squares.flatten(1).sum(1).double().cpu()
    weights = torch.where(sums > 0, scores.diff() / torch.where(sums > 0, sums, 1), 0)
    return torch.tensordot(weights.to(squares), squares, 1)


def sampling_plan(count: int, backgrounds: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Positions `(count,)` in [0, 1], the background `(count,)` of each, and its weight `(count,)`; these add up to 1.

    All backgrounds, or as many as there are positions, weigh the same. The positions on the way from each are evenly
    spaced, and those of all together too; where they start is random, so that every place is as likely.
    """
    drawn = min(count, backgrounds)
    chosen = torch.randperm(backgrounds, generator=generator)[:drawn]
    visits = torch.full((drawn,), count // drawn)
    visits[: count % drawn] += 1
    start = torch.rand((), generator=generator, dtype=torch.float64)
    starts = (start + torch.arange(drawn) / drawn) % 1
    which = torch.arange(drawn).repeat_interleave(visits)
    earlier = torch.arange(count) - (visits.cumsum(0) - visits)[which]
    return (earlier + starts[which]) / visits[which], chosen[which], 1 / (drawn * visits[which].double())


def rounds_of(samples: int) -> list[int]:
    """How many samples each round takes."""
    rounds = min(max(samples // ROUND, 1), ROUNDS)
    return [samples * (number + 1) // rounds - samples * number // rounds for number in range(rounds)]


class ExpectedGradients(SummedOverRegions):
    """E[(x − r) ⊙ ∂f(r + t (x − r))] over references r of `background` and positions t.

    At most `samples` gradients per target; it stops when the standard error of the map is under `tolerance` of the map
    (both as root mean squares). Source: Erion 2021, eq. 4, with evenly spaced positions from every reference.
    """

    name = "expected-gradients"
    stochastic = True
    title = "Expected gradients (GradientSHAP)"
    status = "verified"
    first = True
    family = "shap"
    paper = "Erion et al. 2021"
    arxiv = "1906.10670"
    signed = True
    question = "How did each pixel change the score, compared with other pictures?"
    reading = (
        "Orange parts raised the score compared with the background pictures, blue ones lowered it; all together "
        "they add up, within the stated error, to the difference from the backgrounds' mean score."
    )
    cost = "up to 200 forwards and backwards, fewer when the map is settled"
    others = "sum"

    background: str | Fill = "samples"
    samples: int = 200
    tolerance: float = 0.1
    all_classes: bool = False

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise UsageError(f"expected-gradients wants at least one sample, not {self.samples}")

    @override
    def attribute(self, query: Query) -> list[Found]:
        self._check(query.own)
        others = query.references(self.background)
        changes = query.changes(others)
        rounds: list[list[Tensor]] = []
        shares: list[Tensor] = []
        done = 0
        for count in rounds_of(self.samples):
            rounds.append(self._round(query, others, count))
            done += count
            query.progress(done, self.samples, "gradients")
            shares = [torch.stack(each) for each in zip(*rounds, strict=True)]
            if self._settled(query, shares):
                break
        return [
            attribution(query, each, change, done, self.tolerance) for each, change in zip(shares, changes, strict=True)
        ]

    def _settled(self, query: Query, shares: Sequence[Tensor]) -> bool:
        enough = len(shares[0]) >= FEWEST_ROUNDS
        return enough and all(relative_error(query.summed(each)) <= self.tolerance for each in shares[: query.own])

    def _check(self, classes: int) -> None:
        if classes > MOST_CLASSES and not self.all_classes:
            raise UsageError(
                f"expected gradients of {classes} classes take {classes * self.samples:,} backward passes; name the "
                "classes you want to see, or pass all_classes=true if you mean it"
            )

    def _round(self, query: Query, others: Tensor, count: int) -> list[Tensor]:
        """One independent estimate per target, shaped as a point."""
        positions, order, weights = sampling_plan(count, len(others), query.generator)
        totals = [torch.zeros_like(others[0]) for _ in query.targets]
        for part in torch.arange(count).split(BATCH):
            chosen = others[order[part].to(others.device)]
            change = query.point - chosen
            position, weight = (
                each[part].to(others).view(-1, *[1] * (others.dim() - 1)) for each in (positions, weights)
            )
            _, found = query.network.gradients(chosen + position * change, query.targets)
            totals = [total + (weight * change * each).sum(0) for total, each in zip(totals, found, strict=True)]
        return totals


def attribution(query: Query, shares: Tensor, change: Tensor, samples: int, tolerance: float) -> Found:
    """The mean of independent estimates `(rounds, …)`, with the standard error of each pixel if they are enough."""
    maps, mean = query.summed(shares), shares.mean(0)
    checks = {"completeness_gap": completeness_gap(mean, change), "samples": float(samples)}
    regions = summed(query, maps)
    if len(maps) < FEWEST_ROUNDS:
        return Found(maps.mean(0), regions=regions, checks=checks, notes=gap_notes(mean, change, MORE, tolerance))
    checks["relative_error"] = relative_error(maps)
    error = STUDENT[len(maps)] * float(standard_errors(shares.flatten(1).double().sum(1)))
    notes = gap_notes(mean, change, f"By the spread of its samples the sum is right to ±{error:.2g}. {MORE}", tolerance)
    return Found(maps.mean(0), errors=standard_errors(maps), regions=regions, checks=checks, notes=notes)


def standard_errors(maps: Tensor) -> Tensor:
    """Of the mean of independent maps `(n, h, w)`, pixel by pixel."""
    return (maps.var(0) / len(maps)).sqrt()


def relative_error(maps: Tensor) -> float:
    """The standard error of the mean of independent maps, relative to the mean, both as root mean squares."""
    size = maps.mean(0).square().mean().sqrt()
    return float(standard_errors(maps).square().mean().sqrt() / size) if float(size) else 0.0

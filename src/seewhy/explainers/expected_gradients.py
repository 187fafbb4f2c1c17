"""Expected gradients (GradientSHAP): integrated gradients over many references, sampled well and stopped in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.explainers.differentiable import Differentiable
from seewhy.explainers.fills import Fill
from seewhy.explainers.pixel_method import Attribution, PixelMethod, completeness_gap, references
from seewhy.explainers.registry import register
from seewhy.models import Target
from seewhy.progress import Progress

__all__ = ["ExpectedGradients", "sampling_plan"]

ROUND = 20  # samples that are stratified together; rounds are independent, so their spread gives the standard error
BATCH = 10
FEWEST_ROUNDS = 3
MOST_CLASSES = 20


def sampling_plan(count: int, backgrounds: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Positions `(count,)` in [0, 1], one in each of `count` strata, and the background `(count,)` of each.

    Every background is drawn equally often, within one, and each at positions spread over the whole way.
    """
    positions = (torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)) / count
    repeats = -(-count // backgrounds)
    order = torch.cat([torch.randperm(backgrounds, generator=generator) for _ in range(repeats)])
    return positions, order[:count]


@register(
    "expected-gradients",
    title="Expected gradients (GradientSHAP)",
    family="shap",
    paper="Erion et al. 2021",
    arxiv="1906.10670",
    needs=("gradients",),
    signed=True,
    question="How did each pixel change the score, compared with other pictures?",
    reading="Orange pixels raised the score compared with the background pictures, blue ones lowered it; all together "
    "they add up, within the stated error, to the difference from the backgrounds' mean score.",
    cost="up to 200 forwards and backwards, fewer when the map is settled",
)
@dataclass(frozen=True)
class ExpectedGradients(PixelMethod):
    """E[(x − r) ⊙ ∂f(r + t (x − r))] over references r of `background` and positions t.

    At most `samples` gradients per target; it stops when the standard error of the map is under `tolerance` of the map
    (both as root mean squares). Source: Erion 2021, eq. 4, with stratified positions and balanced references.
    """

    background: str | Fill = "samples"
    samples: int = 200
    tolerance: float = 0.1
    all_classes: bool = False

    @override
    def attribute(
        self,
        network: Differentiable,
        pixels: Tensor,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> list[Attribution]:
        self._check(len(targets))
        x = network.preprocess(pixels[None])[0]
        others = network.preprocess(references(self.background, pixels, generator))
        ends = network.logits(torch.cat([x[None], others]))
        rounds: list[list[Tensor]] = []
        done = 0
        while done < self.samples:
            count = min(ROUND, self.samples - done)
            rounds.append(self._round(network, x, others, targets, count, generator))
            done += count
            progress(done, self.samples, "gradients")
            if len(rounds) >= FEWEST_ROUNDS and all(
                _error(maps) <= self.tolerance for maps in zip(*rounds, strict=True)
            ):
                break
        return [
            self._attribution(torch.stack(maps), target.score(ends[0]) - target.score(ends[1:]).mean(), done)
            for target, maps in zip(targets, zip(*rounds, strict=True), strict=True)
        ]

    def _check(self, classes: int) -> None:
        if self.samples < 1:
            raise UsageError(f"expected-gradients wants at least one sample, not {self.samples}")
        if classes > MOST_CLASSES and not self.all_classes:
            raise UsageError(
                f"expected gradients of {classes} classes take {classes * self.samples:,} backward passes; name the "
                "classes you want to see, or pass all_classes=true if you mean it"
            )

    def _round(
        self,
        network: Differentiable,
        x: Tensor,
        others: Tensor,
        targets: Sequence[Target],
        count: int,
        generator: torch.Generator,
    ) -> list[Tensor]:
        """One independent estimate per target, `(h, w)`."""
        positions, order = sampling_plan(count, len(others), generator)
        totals = [x.new_zeros(x.shape[1:]) for _ in targets]
        for start in range(0, count, BATCH):
            part = slice(start, start + BATCH)
            chosen = others[order[part].to(x.device)]
            change = x - chosen
            _, found = network.gradients(chosen + positions[part].to(x).view(-1, 1, 1, 1) * change, targets)
            totals = [total + (change * each).sum((0, 1)) for total, each in zip(totals, found, strict=True)]
        return [total / count for total in totals]

    def _attribution(self, maps: Tensor, change: Tensor, done: int) -> Attribution:
        mean = maps.mean(0)
        checks = {"completeness_gap": completeness_gap(mean, change), "samples": float(done)}
        if len(maps) >= FEWEST_ROUNDS:
            checks["standard_error"] = _error(tuple(maps))
        return Attribution(mean, checks)


def _error(maps: Sequence[Tensor]) -> float:
    """The standard error of the mean of independent maps, relative to the mean, both as root mean squares."""
    stacked = torch.stack(list(maps))
    error = (stacked.var(0) / len(stacked)).mean().sqrt()
    size = stacked.mean(0).square().mean().sqrt()
    return float(error / size) if float(size) else 0.0

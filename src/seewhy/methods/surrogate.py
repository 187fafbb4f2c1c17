"""A linear model of the network near one picture: which regions to hide together, and what to fit to the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seewhy.engines import MaskedForward
from seewhy.errors import UsageError
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.methods.task import Found

TINY = 1e-6  # ridge: just enough for regions that were always hidden together


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A linear model of d features: float64 `weights` `(d,)` with their standard `errors` `(d,)`, and `intercept`.

    The errors are of sampling: how far the weights would move with other samples, not what a large ridge takes away.
    `r2` is the share of the variance that it explains, `r2_unseen` that of samples left out of the fit one by one;
    both are zero where nothing varies.
    """

    weights: Tensor
    errors: Tensor
    intercept: float
    r2: float
    r2_unseen: float


def group_count(regions: int, keep: float) -> int:
    """Into how many groups to partition the regions so that hiding one group keeps a share of about `keep`.

    A group has two regions or more where there are enough, so that regions are hidden together too.

    Raises:
        UsageError: `keep` is not in [0.5, 1).
    """
    if not 0.5 <= keep < 1:
        raise UsageError(f"keep is the share of regions that stay visible, from 0.5 to below 1, not {keep}")
    return max(2, min(round(1 / (1 - keep)), regions // 2))


def partitions(regions: int, groups: int, rounds: int, generator: torch.Generator) -> Tensor:
    """Bool coalitions `(rounds · groups, regions)`, true where a region is kept.

    Each round partitions the regions at random into groups whose sizes differ by one at most, and hides one group after
    the other: every region is hidden once a round, always about as many at a time. Two groups are complementary pairs.
    """
    group = torch.rand((rounds, regions), generator=generator).argsort(1) % groups
    return (group[:, None] != torch.arange(groups)[:, None]).flatten(0, 1)


def fit(
    x: Tensor, y: Tensor, importance: Tensor | None = None, *, alpha: float = TINY, intercept: bool = True
) -> Surrogate:
    """Ridge regression of float64 `y` `(n,)` on `x` `(n, d)`, each sample weighted by its `importance` `(n,)`.

    The intercept is not penalised; without one the model passes through the origin. Standard errors take the
    residuals for independent noise of one size, the same for every sample.
    """
    importance = torch.ones_like(y) if importance is None else importance
    share = importance / importance.sum()
    mean = y[0] + share @ (y - y[0])  # in this form that of equal numbers is exact
    x_mean, y_mean = (share @ x, mean) if intercept else (torch.zeros_like(x[0]), torch.zeros_like(mean))
    x, centred = x - x_mean, y - y_mean
    gram = (x.T * importance) @ x + alpha * torch.eye(x.shape[1]).to(x)
    solver = torch.linalg.solve(gram, x.T * importance)  # (d, n): weights = solver @ y
    weights = solver @ centred
    residuals = centred - x @ weights
    leverage = (x * solver.T).sum(1) + share * intercept
    noise = (share * residuals.square()).sum() * len(y) / (len(y) - leverage.sum()).clamp(min=1)
    spread = (share * (y - mean).square()).sum()
    unseen = residuals / (1 - leverage).clamp(min=TINY)
    return Surrogate(
        weights=weights,
        errors=noise.sqrt() * solver.square().sum(1).sqrt(),
        intercept=float(y_mean - x_mean @ weights),
        r2=_explained(share, residuals, spread),
        r2_unseen=_explained(share, unseen, spread),
    )


def _explained(share: Tensor, residuals: Tensor, spread: Tensor) -> float:
    return 1 - float((share * residuals.square()).sum() / spread) if spread > 0 else 0.0


def region_found(
    engine: MaskedForward,
    weights: np.ndarray,
    errors: np.ndarray | None = None,
    *,
    rule: Rule | None = None,
    checks: Mapping[str, float] | None = None,
) -> Found:
    """What was found about the regions of `engine`: a weight for each with its standard error, or a rule, or both."""
    regions = RegionWeights(engine.label_map, weights, errors)
    painted = regions.painted
    # Of single pixels the map says it all.
    return Found(painted, regions=regions if engine.regions < painted.size else None, rule=rule, checks=checks or {})

"""A linear stand-in for the network near one picture: which coalitions to ask, and what to fit to the answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seewhy.errors import UsageError

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


def hands_of(regions: int, keep: float) -> int:
    """In how many hands to deal the regions so that hiding one hand keeps a share of about `keep`.

    A hand has two regions or more where there are enough, so that regions are hidden together too.

    Raises:
        UsageError: `keep` is not in [0.5, 1).
    """
    if not 0.5 <= keep < 1:
        raise UsageError(f"keep is the share of regions that stay visible, from 0.5 to below 1, not {keep}")
    return max(2, min(round(1 / (1 - keep)), regions // 2))


def deal(regions: int, hands: int, rounds: int, generator: torch.Generator) -> Tensor:
    """Bool coalitions `(rounds · hands, regions)`, true where a region is kept.

    Each round deals the regions at random into hands that differ by one at most, and hides one hand after the other:
    every region is hidden once a round, and always about as many at a time. Two hands are complementary pairs.
    """
    hand = torch.rand((rounds, regions), generator=generator).argsort(1) % hands
    return (hand[:, None] != torch.arange(hands)[:, None]).flatten(0, 1)


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

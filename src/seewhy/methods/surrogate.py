"""A linear model of the network near one picture: which regions to hide together, and what to fit to the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seewhy.draw import Unit
from seewhy.engines import MaskedForward
from seewhy.methods.evidence import Pair, RegionWeights, Rule
from seewhy.methods.task import Found
from seewhy.models import Head, Target, Value

RATIOS = torch.logspace(-9, 3, 97, dtype=torch.float64)  # of noise to signal, among which the likeliest is taken
DRAWS = 200  # to know how steady weights are
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


def contrasts(count: int) -> Tensor:
    """All that tells so many numbers apart and nothing that they share: orthonormal, float64 `(count - 1, count)`."""
    centred = torch.eye(count, dtype=torch.float64) - 1 / count
    return torch.linalg.eigh(centred).eigenvectors[:, 1:].T


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


@dataclass(frozen=True, eq=False)
class Posterior:
    """What a linear model of d features may be: weights float64 `(d,)`, and their `covariance` `(d, d)`.

    `r2` is the share of the variance of each sample that a model of the others foretells, 0 at least.
    """

    weights: Tensor
    covariance: Tensor
    r2: float

    @property
    def errors(self) -> Tensor:
        """The standard error of each weight, float64 `(d,)`."""
        return self.covariance.diagonal().clamp(min=0).sqrt()

    def sums(self, members: Tensor) -> Posterior:
        """The same of sums of weights, one for each row of `members` `(m, d)`."""
        return Posterior(members @ self.weights, members @ self.covariance @ members.T, self.r2)

    def steadiness(self) -> float:
        """The rank correlation of two estimates that is to be expected, as of two seeds; 1 where all is known.

        That of two draws of the weights, each as far from the truth as an estimate may be.
        """
        if len(self.weights) < 2 or not self.covariance.any():
            return 1.0
        values, vectors = torch.linalg.eigh(self.covariance)
        noise = torch.randn((2, DRAWS, len(values)), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        drawn = self.weights + (noise * values.clamp(min=0).sqrt()) @ vectors.T
        ranks = drawn.argsort(-1).argsort(-1).double()
        ranks = ranks - ranks.mean(-1, keepdim=True)
        return float(((ranks[0] * ranks[1]).sum(1) / ranks[0].square().sum(1)).mean())


def infer(x: Tensor, y: Tensor, prior: Tensor) -> Posterior:
    """Bayesian regression of float64 `y` `(n,)` on `x` `(n, d)` through the origin: BayLIME's model (Zhao 2021).

    Before any answer weights are normal about 0 with a covariance in proportion to `prior` `(d, d)`; the size of that,
    and of the noise, are those under which the answers are likeliest (MacKay 1992).
    """
    if not y.any():
        return Posterior(torch.zeros_like(prior[0]), torch.zeros_like(prior), 0.0)
    scales, axes = torch.linalg.eigh(prior)
    root = axes * scales.clamp(min=0).sqrt()  # weights = root @ as many independent numbers of one size
    left, singular, right = torch.linalg.svd(x @ root, full_matrices=False)
    powers, turned = singular.square(), left.T @ y
    rest, free = (y.square().sum() - turned.square().sum()).clamp(min=0), len(y) - len(powers)
    noises = powers.mean() * RATIOS
    spreads = powers + noises[:, None]  # (ratios, rank)
    sizes = ((turned.square() / spreads).sum(1) + rest / noises) / len(y)
    best = int((len(y) * sizes.log() + spreads.log().sum(1) + free * noises.log()).argmin())
    kept = powers / spreads[best]
    solver = root @ right.T
    misses = y - left @ (kept * turned)
    left_out = misses / (1 - (left.square() @ kept)).clamp(min=TINY)
    return Posterior(
        weights=solver @ (singular / spreads[best] * turned),
        covariance=sizes[best] * (prior - (solver * kept) @ solver.T),
        r2=max(0.0, 1 - float(left_out.square().sum() / y.square().sum())),
    )


def score_unit(head: Head, target: Target) -> Unit:
    """What parts of the target's score are to people."""
    return "value" if isinstance(target, Value) or head.meaning == "values" else "score"


def _explained(share: Tensor, residuals: Tensor, spread: Tensor) -> float:
    return 1 - float((share * residuals.square()).sum() / spread) if spread > 0 else 0.0


def region_found(
    engine: MaskedForward,
    weights: np.ndarray,
    errors: np.ndarray | None = None,
    *,
    rule: Rule | None = None,
    checks: Mapping[str, float] | None = None,
    unit: Unit = "",
    company: str = "",
    pairs: tuple[Pair, ...] = (),
) -> Found:
    """What was found about the regions of `engine`: a weight for each with its standard error, or a rule, or both."""
    regions = RegionWeights(engine.label_map, weights, errors, unit, company=company, pairs=pairs)
    painted = regions.painted
    # Of single pixels the map says it all.
    return Found(painted, regions=regions if engine.regions < painted.size else None, rule=rule, checks=checks or {})

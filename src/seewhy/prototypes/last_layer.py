"""The last layer: how many points each class gets for each likeness, solved for and not trained.

min over W, b of Σᵢ sᵢ CE(W gᵢ + b, yᵢ) + λ₁ ‖W‖₁ + λ₂/2 ‖W‖², where a prototype's weight for its own class is at
least 0 and for others 0: it speaks for its class, or not at all. By accelerated proximal gradient.

Source: Chen et al., NeurIPS 2019, section 2.2 (convex optimisation of the last layer). We differ: it is solved to
convergence, with a bias, every class counting alike, and off-class weights are not made small but left out. FISTA after
Beck and Teboulle, SIAM J. Imaging Sciences 2(1), 2009, section 4, with a restart where a step leads back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from seewhy.errors import ExplainError

L1, L2 = 1e-3, 1e-3
TOLERANCE, MOST_STEPS = 1e-6, 50_000


class LastLayer(NamedTuple):
    """Weights `(K, J)` and bias `(K,)`, float64."""

    weights: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Problem:
    similarities: Tensor  # (N, J), about their means, of spread 1 in all
    labels: Tensor
    importance: Tensor  # (N,), sums to 1
    own: Tensor  # bool (K, J)
    l1: float
    l2: float

    def slope(self, at: LastLayer) -> LastLayer:
        """Gradient of the smooth part."""
        excess = (self.similarities @ at.weights.T + at.bias).softmax(1)
        excess = (excess - functional.one_hot(self.labels, len(at.bias))) * self.importance[:, None]
        return LastLayer(excess.T @ self.similarities + self.l2 * at.weights, excess.sum(0))

    def step(self, at: LastLayer, size: float) -> LastLayer:
        """Down the slope, then to the nearest point by the penalty and the bounds."""
        slope = self.slope(at)
        weights = at.weights - size * slope.weights
        weights = torch.where(self.own, (weights - size * self.l1).clamp(min=0), 0)
        return LastLayer(weights, at.bias - size * slope.bias)

    def steepest(self) -> float:
        """A bound on the curvature: that of the softmax is at most a half."""
        columns = torch.cat([self.similarities, torch.ones_like(self.similarities[:, :1])], 1)
        weighed = columns * self.importance.sqrt()[:, None]
        return float(torch.linalg.matrix_norm(weighed, 2)) ** 2 / 2 + self.l2


def solve_last_layer(
    similarities: Tensor, labels: Tensor, owners: Tensor, classes: int, *, l1: float = L1, l2: float = L2
) -> LastLayer:
    """The best weights for `similarities` `(N, J)` of pictures of classes `labels` `(N,)`.

    `owners` `(J,)` is the class of each prototype. The answer is for the similarities as given; the penalty is on
    weights of similarities divided by their common spread, so that it does not hang on their units.

    Raises:
        ExplainError: similarities are not finite, or the answer did not settle.
    """
    if not similarities.isfinite().all():
        raise ExplainError("the likeness of a picture to a prototype is not finite; train again at lower rates")
    given = similarities.double()
    middle, spread = given.mean(0), _spread(given)
    own = torch.arange(classes, device=owners.device)[:, None] == owners
    problem = _Problem((given - middle) / spread, labels, _importance(labels, classes), own, l1, l2)
    found = _descend(problem)
    weights = found.weights / spread
    return LastLayer(weights, found.bias - weights @ middle)


def objective(found: LastLayer, similarities: Tensor, labels: Tensor, *, l1: float = L1, l2: float = L2) -> float:
    """What the solution makes least."""
    given = similarities.double()
    spread = _spread(given)
    losses = functional.cross_entropy(given @ found.weights.T + found.bias, labels, reduction="none")
    weights = found.weights * spread
    importance = _importance(labels, len(found.bias))
    return float((losses * importance).sum() + l1 * weights.abs().sum() + l2 / 2 * weights.square().sum())


def _descend(problem: _Problem) -> LastLayer:
    """Accelerated proximal gradient until a step, divided by its size, is shorter than the tolerance."""
    size = 1 / problem.steepest()
    at = LastLayer(torch.zeros_like(problem.own, dtype=torch.float64), problem.similarities.new_zeros(len(problem.own)))
    ahead, momentum = at, 1.0
    for _ in range(MOST_STEPS):
        new = problem.step(ahead, size)
        moved, pull = _minus(new, at), _minus(ahead, new)
        if _dot(pull, pull) ** 0.5 < TOLERANCE * size:
            return new
        if _dot(pull, moved) > 0:  # the momentum leads back: without it
            momentum = 1.0
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        share = (momentum - 1) / following
        ahead = LastLayer(new.weights + share * moved.weights, new.bias + share * moved.bias)
        at, momentum = new, following
    raise ExplainError(f"the last layer did not settle in {MOST_STEPS:,} steps; prune prototypes that are alike")


def _minus(one: LastLayer, other: LastLayer) -> LastLayer:
    return LastLayer(one.weights - other.weights, one.bias - other.bias)


def _dot(one: LastLayer, other: LastLayer) -> float:
    return float((one.weights * other.weights).sum() + (one.bias * other.bias).sum())


def _spread(similarities: Tensor) -> Tensor:
    """One for all prototypes: one that is almost equally alike everywhere must not count as much as others."""
    return (similarities - similarities.mean(0)).square().mean().sqrt().clamp(min=1e-9)


def _importance(labels: Tensor, classes: int) -> Tensor:
    """Of each picture `(N,)`, so that every class counts alike; they sum to 1."""
    counts = torch.bincount(labels, minlength=classes).double()
    return (1 / counts.clamp(min=1) / (counts > 0).sum())[labels]

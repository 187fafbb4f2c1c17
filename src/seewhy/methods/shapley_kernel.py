"""Shapley values by regression: the additive game that comes nearest under the Shapley kernel.

On a complementary pair, fitting v by v(∅) + Σ_S φ means fitting D(S) = (v(S) − v(N − S)) / 2 by Σ_S φ − Δ/2, where
Δ = v(N) − v(∅). With φ = Δ/d + θ that is an ordinary least-squares fit of D(S) + Δ(½ − |S|/d) by θ on centred rows
S − |S|/d. Its shortest solution sums to zero, so that Σφ = Δ holds without being asked for.
"""

from __future__ import annotations

from itertools import combinations, islice
from math import comb

import torch
from torch import Tensor

from seewhy.methods.shapley_values import Game, Shares, ask_pairs, check_samples, ends


def kernel_shapley(game: Game, players: int, samples: int, generator: torch.Generator) -> Shares:
    """Shapley values from at most `samples` coalitions; exact where that is all of them.

    Source: Lundberg & Lee 2017, theorem 2; pairs after Covert & Lee 2021.

    Raises:
        UsageError: `samples` are too few to tell so many players apart.
    """
    if 2**players > samples:
        check_samples(samples, players)
    empty, whole = ends(game, players)
    gain = whole - empty
    coalitions, weights, drawn = kernel_design(players, (samples - 2) // 2, generator)
    worth, opposite = ask_pairs(game, coalitions)
    present, root = coalitions.double().mean(1), weights.sqrt()
    features = root[:, None] * (coalitions.double() - present[:, None])
    wanted = root * ((worth - opposite) / 2 + gain * (0.5 - present))
    solver = torch.linalg.pinv(features)
    deviations = solver @ wanted
    values = gain / players + deviations
    errors = _errors(features, solver, wanted - features @ deviations, drawn)
    both = torch.cat([coalitions, ~coalitions]).double()
    r2 = _r2(torch.cat([worth, opposite]), empty + both @ values, weights.repeat(2))
    return Shares(values, float(empty), errors, r2)


def kernel_design(players: int, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Which complementary pairs to ask: one coalition of each `(n, d)`, weights `(n,)`, how many were drawn.

    Sizes are enumerated from the outside in, as long as draws could be expected to reach each of their pairs; single
    players always, so that all can be told apart. Of the other sizes pairs are drawn, in the proportions of the
    kernel, and stand last. `pairs` are more than the players.
    """
    sizes = range(1, players // 2 + 1)
    twins = [1 + (2 * size == players) for size in sizes]  # of the middle size both coalitions of a pair
    counts = [comb(players, size) // twin for size, twin in zip(sizes, twins, strict=True)]
    masses = [(players - 1) / (size * (players - size) * twin) for size, twin in zip(sizes, twins, strict=True)]
    rows = [torch.zeros(0, players, dtype=torch.bool)]
    weights: list[float] = []
    full = 0
    while full < len(sizes) and (full == 0 or pairs * masses[full] / sum(masses[full:]) >= counts[full]):
        rows.append(_all_of(sizes[full], counts[full], players))
        weights += [masses[full] / counts[full]] * counts[full]
        pairs -= counts[full]
        full += 1
    drawn = pairs if full < len(sizes) else 0
    if drawn:
        rows.append(_drawn(sizes[full:], masses[full:], drawn, players, generator))
        weights += [sum(masses[full:]) / drawn] * drawn
    return torch.cat(rows), torch.tensor(weights, dtype=torch.float64), drawn


def _all_of(size: int, count: int, players: int) -> Tensor:
    """The first `count` coalitions of a size, bool `(count, d)`: half of all are those with player 0."""
    chosen = torch.tensor(list(islice(combinations(range(players), size), count)))
    return torch.zeros(count, players, dtype=torch.bool).scatter_(1, chosen, 1)


def _drawn(sizes: range, masses: list[float], count: int, players: int, generator: torch.Generator) -> Tensor:
    """Random coalitions, bool `(count, d)`; of each size its proportion, by evenly spaced quantiles."""
    quantiles = (torch.arange(count) + torch.rand(1, generator=generator).double()) / count
    bounds = torch.tensor(masses[:-1]).double().cumsum(0) / sum(masses)
    chosen = torch.tensor(sizes)[torch.searchsorted(bounds, quantiles)]
    ranks = torch.rand((count, players), generator=generator).argsort(1)
    return ranks < chosen[:, None]


def _errors(features: Tensor, solver: Tensor, residuals: Tensor, drawn: int) -> Tensor:
    """Standard errors `(d,)` from the pairs drawn; robust to unequal residuals (HC3, MacKinnon & White 1985)."""
    if not drawn:
        return torch.zeros(len(solver)).to(solver)
    leverage = (features * solver.T).sum(1).clamp(max=0.99)
    left_out = (residuals / (1 - leverage))[-drawn:]
    parts = solver[:, -drawn:] * left_out
    return (parts.square().sum(1) - parts.sum(1).square() / drawn).clamp(min=0).sqrt()


def _r2(truth: Tensor, fitted: Tensor, weights: Tensor) -> float:
    """1 where the truth never changes."""
    spread = weights @ (truth - (weights @ truth) / weights.sum()).square()
    return float(1 - weights @ (truth - fitted).square() / spread) if spread > 0 else 1.0

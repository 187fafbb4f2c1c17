"""Shapley values of a game: how what all players reach together is shared out among them.

They depend on a game v only through its odd part: half the difference between the worth of a coalition and that of
all other players, D(S) = (v(S) − v(N − S)) / 2. What is not known exactly is therefore estimated from complementary
pairs, S and N − S: asking both cancels all that is even.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import torch
from torch import Tensor

from seewhy.errors import UsageError

Game = Callable[[Tensor], Tensor]  # bool coalitions (n, d), true for who takes part, to their float64 worth (n,)

ROUND = 256  # coalitions asked between two looks at the standard errors
TRUSTED = 8  # orders and their reverses before a standard error is believed


@dataclass(frozen=True, eq=False)
class Shares:
    """What each of d players adds, float64 `(d,)`; the sum is the worth of all players less that of none, `empty`.

    `errors` are standard errors, zero where every coalition was asked, None where they are unknown; `r2` is that of
    the fit, where there is one.
    """

    values: Tensor
    empty: float
    errors: Tensor | None = None
    r2: float | None = None


def ends(game: Game, players: int) -> Tensor:
    """The worth of nobody and of everybody, `(2,)`."""
    return game(torch.tensor([[False], [True]]).expand(2, players))


def ask_pairs(game: Game, coalitions: Tensor) -> tuple[Tensor, Tensor]:
    """The worth `(n,)` of coalitions `(n, d)`, and of those that they leave out."""
    worth, opposite = game(torch.cat([coalitions, ~coalitions])).chunk(2)
    return worth, opposite


def check_samples(samples: int, players: int) -> None:
    """Raises `UsageError` where each share could not be estimated even twice."""
    if samples < 4 * players:
        raise UsageError(
            f"samples={samples} is too few for {players} regions; give at least {4 * players}, or choose fewer regions"
        )


def exact_shapley(game: Game, players: int) -> Shares:
    """Every coalition is asked. Source: Shapley 1953."""
    coalitions = torch.arange(2**players)[:, None] >> torch.arange(players) & 1 > 0
    worth = game(coalitions)
    sizes = coalitions.sum(1, keepdim=True)
    ways = torch.tensor([comb(players, size) for size in range(players + 1)]).double()[sizes]
    values = torch.where(coalitions, 1 / (sizes * ways), -1 / ((players - sizes) * ways)).T @ worth
    return Shares(values, float(worth[0]), torch.zeros_like(values))


def permutation_shapley(
    game: Game, players: int, samples: int, generator: torch.Generator, tolerance: float = 0.0
) -> Shares:
    """Players join in random orders, each also played backwards; exact where `samples` reach all coalitions.

    Stops once the largest standard error is at most `tolerance` of the largest share. The errors are those of a mean
    over independent orders. Source: Castro 2009; reversed orders after Mitchell 2022.

    Raises:
        UsageError: `samples` are too few for two orders and their reverses.
    """
    if 2**players <= samples:
        return exact_shapley(game, players)
    check_samples(samples, players)
    empty, whole = ends(game, players)
    length = 2 * players - 2  # coalitions of an order and its reverse
    orders = torch.rand(((samples - 2) // length, players), generator=generator).argsort(1)
    gains = torch.zeros(0, players).to(whole)
    for part in orders.split(max(ROUND // length, 2)):
        worth, opposite = ask_pairs(game, _joined(part).flatten(0, 1))
        gains = torch.cat([gains, _gains(part, (worth - opposite) / 2, whole - empty)])
        if len(gains) >= TRUSTED and _errors(gains).max() <= tolerance * gains.mean(0).abs().max():
            break
    return Shares(gains.mean(0), float(empty), _errors(gains))


def _joined(orders: Tensor) -> Tensor:
    """Who takes part after 1 to d − 1 players joined in each order `(m, d)`: bool `(m, d - 1, d)`."""
    return orders.argsort(1)[:, None] < torch.arange(1, orders.shape[1])[:, None]


def _gains(orders: Tensor, odd: Tensor, gain: Tensor) -> Tensor:
    """What each player added on joining, `(m, d)`: the mean of an order and its reverse."""
    half = (gain / 2).expand(len(orders), 1)
    steps = torch.cat([-half, odd.view(len(orders), -1), half], 1).diff(dim=1)
    return torch.empty_like(steps).scatter_(1, orders, steps)


def _errors(gains: Tensor) -> Tensor:
    return gains.std(0) / len(gains) ** 0.5

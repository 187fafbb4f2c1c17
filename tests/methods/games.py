"""Games whose Shapley values are known, and slow literal ways to find those of any game."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import torch
from torch import Tensor

from seewhy.methods.shapley_values import ValueFunction


class Table:
    """A game that looks its worth up by the bits of a coalition, and keeps count of what it was asked."""

    def __init__(self, worth: Tensor) -> None:
        self.worth = worth.double()
        self.players = (len(worth) - 1).bit_length()
        self.asked: set[int] = set()

    def __call__(self, coalitions: Tensor) -> Tensor:
        assert coalitions.dtype == torch.bool
        assert coalitions.shape[1] == self.players
        codes = (coalitions * 2 ** torch.arange(self.players)).sum(1)
        self.asked |= set(codes.tolist())
        return self.worth[codes]

    @property
    def gain(self) -> float:
        return float(self.worth[-1] - self.worth[0])


def noise(players: int, seed: int = 0) -> Tensor:
    """The table of a game in which every coalition has a worth of its own."""
    return torch.randn(2**players, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def members(players: int) -> Tensor:
    """Who is in each coalition of a table, `(2^d, d)`."""
    return (torch.arange(2**players)[:, None] >> torch.arange(players) & 1).double()


def additive(weights: Tensor) -> Table:
    return Table(1 + members(len(weights)) @ weights.double())


def rough(players: int, seed: int = 0) -> Table:
    """Mostly additive, with something of its own for every coalition: what a network is like."""
    weights = torch.randn(players, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Table(members(players) @ weights + 0.3 * noise(players, seed + 1))


def brute_force(game: ValueFunction, players: int) -> Tensor:
    """Shapley's formula, coalition by coalition."""
    worth = {
        chosen: float(game(torch.tensor([[player in chosen for player in range(players)]], dtype=torch.bool)))
        for size in range(players + 1)
        for chosen in map(frozenset, combinations(range(players), size))
    }
    values = torch.zeros(players, dtype=torch.float64)
    for chosen, before in worth.items():
        share = (
            factorial(len(chosen)) * factorial(players - len(chosen) - 1) / factorial(players)
            if len(chosen) < players
            else 0
        )
        for player in set(range(players)) - chosen:
            values[player] += share * (worth[chosen | {player}] - before)
    return values


def owen_by_orders(worth: Tensor, tree: object) -> Tensor:
    """The mean gain of each player over every order in which no group of the nested pairs `tree` is torn apart."""
    orders = torch.tensor(orders_of(tree))
    codes = torch.cat([torch.zeros(len(orders), 1, dtype=torch.int64), (2**orders).cumsum(1)], 1)
    gains = worth[codes].diff(dim=1)
    return torch.empty_like(gains).scatter_(1, orders, gains).mean(0)


def orders_of(tree: object) -> list[list[int]]:
    if not isinstance(tree, tuple):
        return [[tree]]
    first, second = map(orders_of, tree)
    return [order for a in first for b in second for order in (a + b, b + a)]

"""Shapley values: the difference between the score of all regions and that of none, divided among the regions.

They depend on the value function v only through its odd part: half the difference between the value of a coalition
and that of its complement, D(S) = (v(S) − v(N − S)) / 2. What is not known exactly is therefore estimated from pairs,
S and N − S: asking both cancels all that is even.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

import torch
from torch import Tensor

from seewhy.errors import UsageError
from seewhy.methods.evidence import Pair
from seewhy.methods.shapley_process import process_shapley

ValueFunction = Callable[[Tensor], Tensor]  # bool coalitions (n, d), true for regions shown, to float64 values (n,)

ROUND = 256  # coalitions asked between two looks at the standard errors
TRUSTED = 8  # orders and their reverses before a standard error is believed
LEAST = 4  # samples for each region


@dataclass(frozen=True, eq=False)
class Shares:
    """What each of d regions adds, float64 `(d,)`; the sum is the value of all regions less that of none, `empty`.

    `errors` are standard errors, zero where every coalition was asked, None where they are unknown; `r2` is that of
    the fit, where there is one; `pairs` what regions add together, where that was asked.
    """

    values: Tensor
    empty: float
    errors: Tensor | None = None
    r2: float | None = None
    pairs: tuple[Pair, ...] = ()


def ends(value_of: ValueFunction, regions: int) -> Tensor:
    """The values of no region and of all regions, `(2,)`."""
    return value_of(torch.tensor([[False], [True]]).expand(2, regions))


def ask_pairs(value_of: ValueFunction, coalitions: Tensor) -> tuple[Tensor, Tensor]:
    """The values `(n,)` of coalitions `(n, d)`, and of their complements."""
    scores, opposite = value_of(torch.cat([coalitions, ~coalitions])).chunk(2)
    return scores, opposite


def check_samples(samples: int, regions: int) -> None:
    """Raises `UsageError` where each share could not be estimated even twice."""
    if samples < LEAST * regions:
        raise UsageError(
            f"samples={samples} is too few for {regions} regions; give at least {LEAST * regions}, or choose fewer "
            "regions"
        )


def exact_shapley(value_of: ValueFunction, regions: int) -> Shares:
    """Every coalition is asked. Source: Shapley 1953."""
    coalitions = torch.arange(2**regions)[:, None] >> torch.arange(regions) & 1 > 0
    scores = value_of(coalitions)
    sizes = coalitions.sum(1, keepdim=True)
    ways = torch.tensor([comb(regions, size) for size in range(regions + 1)]).double()[sizes]
    values = torch.where(coalitions, 1 / (sizes * ways), -1 / ((regions - sizes) * ways)).T @ scores
    return Shares(values, float(scores[0]), torch.zeros_like(values))


def permutation_shapley(
    value_of: ValueFunction, regions: int, samples: int, generator: torch.Generator, tolerance: float = 0.0
) -> Shares:
    """Regions join in random orders, each also in reverse; exact where `samples` reach all coalitions.

    Stops once the largest standard error is at most `tolerance` of the largest share. The errors are those of a mean
    over independent orders. Source: Castro 2009; reversed orders after Mitchell 2022.

    Raises:
        UsageError: `samples` are too few for two orders and their reverses.
    """
    if 2**regions <= samples:
        return exact_shapley(value_of, regions)
    check_samples(samples, regions)
    empty, whole = ends(value_of, regions)
    length = 2 * regions - 2  # coalitions of an order and its reverse
    orders = torch.rand(((samples - 2) // length, regions), generator=generator).argsort(1)
    gains = torch.zeros(0, regions).to(whole)
    for part in orders.split(max(ROUND // length, 2)):
        scores, opposite = ask_pairs(value_of, _joined(part).flatten(0, 1))
        gains = torch.cat([gains, _gains(part, (scores - opposite) / 2, whole - empty)])
        if len(gains) >= TRUSTED and _errors(gains).max() <= tolerance * gains.mean(0).abs().max():
            break
    return Shares(gains.mean(0), float(empty), _errors(gains))


def _joined(orders: Tensor) -> Tensor:
    """The coalitions after 1 to d − 1 regions joined in each order `(m, d)`: bool `(m, d - 1, d)`."""
    return orders.argsort(1)[:, None] < torch.arange(1, orders.shape[1])[:, None]


def _gains(orders: Tensor, odd: Tensor, gain: Tensor) -> Tensor:
    """What each region added on joining, `(m, d)`: the mean of an order and its reverse."""
    half = (gain / 2).expand(len(orders), 1)
    steps = torch.cat([-half, odd.view(len(orders), -1), half], 1).diff(dim=1)
    return torch.empty_like(steps).scatter_(1, orders, steps)


def _errors(gains: Tensor) -> Tensor:
    return gains.std(0) / len(gains) ** 0.5


def kernel_shapley(
    value_of: ValueFunction, regions: int, samples: int, generator: torch.Generator, tolerance: float = 0.0
) -> Shares:
    """Shapley values from at most `samples` coalitions; exact where that is all of them.

    The weighted regression of Lundberg & Lee 2017, theorem 2, on pairs (Covert & Lee 2021), whose residual is not taken
    for noise: a Gaussian process follows it, and its Shapley values are known. Stops once the largest standard error
    is at most `tolerance` of the largest share.

    Raises:
        UsageError: `samples` are too few for so many regions.
    """
    if 2**regions > samples:
        check_samples(samples, regions)
    empty, whole = ends(value_of, regions)
    order = pair_design(regions, (samples - 2) // 2, generator)
    scores, opposite = torch.zeros(2, 0).to(whole)
    while True:
        upto = max(2 * len(scores), 2 * regions, ROUND // 2)
        more = ask_pairs(value_of, order[len(scores) : upto])
        scores, opposite = torch.cat([scores, more[0]]), torch.cat([opposite, more[1]])
        asked = order[: len(scores)]
        signs = torch.cat([torch.ones(1, regions, dtype=torch.bool), asked]).double().numpy() * 2 - 1
        odd = torch.cat([(whole - empty)[None], scores - opposite]) / 2
        values, errors = map(torch.from_numpy, process_shapley(signs, odd.numpy()))
        if len(scores) == len(order) or errors.max() <= tolerance * values.abs().max():
            break
    if 2 * len(scores) + 2 == 2**regions:
        errors = torch.zeros_like(errors)  # of rounding: every coalition was asked
    both = torch.cat([asked, ~asked]).double()
    r2 = weighted_r2(torch.cat([scores, opposite]), empty + both @ values, kernel_weights(asked).repeat(2))
    return Shares(values, float(empty), errors, r2)


def pair_design(regions: int, pairs: int, generator: torch.Generator) -> Tensor:
    """Complementary pairs to ask in this order, one coalition of each, bool `(n, d)`; none comes twice.

    Of each size a share in proportion to the square root of the kernel's: between the kernel itself, which asks much
    about the smallest and the largest, and leverage scores, which ask about all sizes alike (Musco & Witter 2024).
    What a size has too few pairs for goes to the others.
    """
    shares = {size: (size * (regions - size)) ** -0.5 for size in range(1, regions // 2 + 1)}
    ways = {size: comb(regions, size) // (1 + (2 * size == regions)) for size in shares}
    counts = dict.fromkeys(shares, 0)
    left = min(pairs, sum(ways.values()))
    while left:
        open_ = [size for size in shares if counts[size] < ways[size]]
        total, before, given = sum(shares[size] for size in open_), 0.0, 0
        for size in open_:
            before += shares[size]
            more = round(left * before / total) - given  # whole numbers that add up
            counts[size], given = counts[size] + more, given + more
        left = sum(max(counts[size] - ways[size], 0) for size in open_)
        counts = {size: min(count, ways[size]) for size, count in counts.items()}
    rows = [_some_of(size, count, ways[size], regions, generator) for size, count in counts.items() if count]
    chosen = torch.cat([torch.zeros(0, regions, dtype=torch.bool), *rows])
    return chosen[torch.randperm(len(chosen), generator=generator)]


def _some_of(size: int, count: int, ways: int, regions: int, generator: torch.Generator) -> Tensor:
    """So many different coalitions of a size at random, bool `(count, d)`, of middle size none with its complement."""
    if ways <= 4 * count:
        chosen = torch.tensor(list(islice(combinations(range(regions), size), ways)))  # half of all have region 0
        rows = torch.zeros(ways, regions, dtype=torch.bool).scatter_(1, chosen, 1)
        return rows[torch.randperm(ways, generator=generator)[:count]]
    found: dict[bytes, Tensor] = {}
    while len(found) < count:
        rows = torch.rand((count, regions), generator=generator).argsort(1) < size
        rows = rows ^ (~rows[:, :1] & (2 * size == regions))
        found.update({row.numpy().tobytes(): row for row in rows})
    return torch.stack(list(found.values())[:count])


def kernel_weights(coalitions: Tensor) -> Tensor:
    """Float64 `(n,)`: what each size weighs in the kernel, shared among those of `coalitions` `(n, d)` that have it."""
    regions, sizes = coalitions.shape[1], coalitions.sum(1)
    sizes = torch.minimum(sizes, regions - sizes)
    asked = torch.bincount(sizes)[sizes]
    return (regions - 1) / (sizes * (regions - sizes) * (1 + (2 * sizes == regions)) * asked).double()


def weighted_r2(truth: Tensor, fitted: Tensor, weights: Tensor) -> float:
    """How much of the truth `(n,)` is fitted, answers counted by their weights; 1 where the truth never changes."""
    spread = weights @ (truth - (weights @ truth) / weights.sum()).square()
    return float(1 - weights @ (truth - fitted).square() / spread) if spread > 0 else 1.0

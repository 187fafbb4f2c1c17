"""Shapley values: the difference between the score of all regions and that of none, divided among the regions.

They depend on the value function v only through its odd part: half the difference between the value of a coalition
and that of its complement, D(S) = (v(S) − v(N − S)) / 2. What is not known exactly is therefore estimated from pairs,
S and N − S: asking both cancels all that is even.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, count, islice
from math import comb

import numpy as np
import torch
from torch import Tensor

from seewhy.errors import UsageError

ValueFunction = Callable[[Tensor], Tensor]  # bool coalitions (n, d), true for regions shown, to float64 values (n,)

ROUND = 256  # coalitions asked between two looks at the standard errors
TRUSTED = 8  # orders and their reverses before a standard error is believed

FEWEST = 4  # no region, all regions, and the two halves
WIDTH = 16  # groups split at once: enough for a full batch, few enough to go where the differences are


@dataclass(frozen=True, eq=False)
class Shares:
    """What each of d regions adds, float64 `(d,)`; the sum is the value of all regions less that of none, `empty`.

    `errors` are standard errors, zero where every coalition was asked, None where they are unknown; `r2` is that of
    the fit, where there is one.
    """

    values: Tensor
    empty: float
    errors: Tensor | None = None
    r2: float | None = None


def ends(value_of: ValueFunction, regions: int) -> Tensor:
    """The values of no region and of all regions, `(2,)`."""
    return value_of(torch.tensor([[False], [True]]).expand(2, regions))


def ask_pairs(value_of: ValueFunction, coalitions: Tensor) -> tuple[Tensor, Tensor]:
    """The values `(n,)` of coalitions `(n, d)`, and of their complements."""
    scores, opposite = value_of(torch.cat([coalitions, ~coalitions])).chunk(2)
    return scores, opposite


def check_samples(samples: int, regions: int) -> None:
    """Raises `UsageError` where each share could not be estimated even twice."""
    if samples < 4 * regions:
        raise UsageError(
            f"samples={samples} is too few for {regions} regions; give at least {4 * regions}, or choose fewer regions"
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


def kernel_shapley(value_of: ValueFunction, regions: int, samples: int, generator: torch.Generator) -> Shares:
    """Shapley values from at most `samples` coalitions; exact where that is all of them.

    Source: Lundberg & Lee 2017, theorem 2; pairs after Covert & Lee 2021.

    Raises:
        UsageError: `samples` are too few for so many regions.
    """
    if 2**regions > samples:
        check_samples(samples, regions)
    empty, whole = ends(value_of, regions)
    gain = whole - empty
    coalitions, weights, drawn = kernel_design(regions, (samples - 2) // 2, generator)
    scores, opposite = ask_pairs(value_of, coalitions)
    present, root = coalitions.double().mean(1), weights.sqrt()
    features = root[:, None] * (coalitions.double() - present[:, None])
    wanted = root * ((scores - opposite) / 2 + gain * (0.5 - present))
    solver = torch.linalg.pinv(features)
    deviations = solver @ wanted
    values = gain / regions + deviations
    errors = _kernel_errors(features, solver, wanted - features @ deviations, drawn)
    both = torch.cat([coalitions, ~coalitions]).double()
    r2 = _r2(torch.cat([scores, opposite]), empty + both @ values, weights.repeat(2))
    return Shares(values, float(empty), errors, r2)


def kernel_design(regions: int, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor, int]:
    """Which complementary pairs to ask: one coalition of each `(n, d)`, weights `(n,)`, how many were drawn.

    Sizes are enumerated from the outside in, as long as draws could be expected to reach each of their pairs; single
    regions always, so that each has a value of its own. Of the other sizes pairs are drawn, in the proportions of the
    kernel, and stand last. `pairs` are more than the regions.
    """
    sizes = range(1, regions // 2 + 1)
    twins = [1 + (2 * size == regions) for size in sizes]  # of the middle size both coalitions of a pair
    counts = [comb(regions, size) // twin for size, twin in zip(sizes, twins, strict=True)]
    masses = [(regions - 1) / (size * (regions - size) * twin) for size, twin in zip(sizes, twins, strict=True)]
    rows = [torch.zeros(0, regions, dtype=torch.bool)]
    weights: list[float] = []
    full = 0
    while full < len(sizes) and (full == 0 or pairs * masses[full] / sum(masses[full:]) >= counts[full]):
        rows.append(_all_of(sizes[full], counts[full], regions))
        weights += [masses[full] / counts[full]] * counts[full]
        pairs -= counts[full]
        full += 1
    drawn = pairs if full < len(sizes) else 0
    if drawn:
        rows.append(_drawn(sizes[full:], masses[full:], drawn, regions, generator))
        weights += [sum(masses[full:]) / drawn] * drawn
    return torch.cat(rows), torch.tensor(weights, dtype=torch.float64), drawn


def _all_of(size: int, count: int, regions: int) -> Tensor:
    """The first `count` coalitions of a size, bool `(count, d)`: half of all are those with region 0."""
    chosen = torch.tensor(list(islice(combinations(range(regions), size), count)))
    return torch.zeros(count, regions, dtype=torch.bool).scatter_(1, chosen, 1)


def _drawn(sizes: range, masses: list[float], count: int, regions: int, generator: torch.Generator) -> Tensor:
    """Random coalitions, bool `(count, d)`; of each size its proportion, by evenly spaced quantiles."""
    quantiles = (torch.arange(count) + torch.rand(1, generator=generator).double()) / count
    bounds = torch.tensor(masses[:-1]).double().cumsum(0) / sum(masses)
    chosen = torch.tensor(sizes)[torch.searchsorted(bounds, quantiles)]
    ranks = torch.rand((count, regions), generator=generator).argsort(1)
    return ranks < chosen[:, None]


def _kernel_errors(features: Tensor, solver: Tensor, residuals: Tensor, drawn: int) -> Tensor:
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


@dataclass(frozen=True, eq=False)
class Block:
    """A rectangle of regions, int64 `(h, w)`, halved across its longer side; rows first where it is square.

    The first half is the larger where they differ: the tree of shap's image masker.
    """

    cells: Tensor

    @property
    def members(self) -> Tensor:
        """Numbers of the regions, int64 `(m,)`, row by row."""
        return self.cells.flatten()

    def halves(self) -> tuple[Group, Group]:
        """Top and bottom, or left and right, of two cells or more."""
        height, width = self.cells.shape
        axis = 0 if height >= width else 1
        first, second = self.cells.tensor_split([(max(height, width) + 1) // 2], axis)
        return Block(first), Block(second)


@dataclass(frozen=True, eq=False)
class Union:
    """Two groups and the members of both."""

    members: Tensor
    parts: tuple[Group, Group]

    def halves(self) -> tuple[Group, Group]:
        """The two groups."""
        return self.parts


Group = Block | Union  # regions, and how they fall into two groups


def agglomerate(labels: np.ndarray) -> Group:
    """The regions of a label map, joined pair by pair to compact groups (Ward's rule on their centres)."""
    from scipy.cluster.hierarchy import linkage
    from scipy.ndimage import center_of_mass

    numbers = np.arange(int(labels.max()) + 1)
    centres = np.array(center_of_mass(np.ones_like(labels), labels, numbers))
    made: list[Group] = [Block(torch.tensor([[number]])) for number in numbers]
    for first, second, _, _ in linkage(centres, "ward") if len(numbers) > 1 else []:
        parts = made[int(first)], made[int(second)]
        made.append(Union(torch.cat([each.members for each in parts]), parts))
    return made[-1]


@dataclass(frozen=True, eq=False)
class _Open:
    """A group that joins `context`, bool `(d,)`: what it adds there, `after` − `before`, counts `weight`."""

    group: Group
    context: Tensor
    before: float
    after: float
    weight: float

    @property
    def contribution(self) -> float:
        return self.weight * (self.after - self.before)

    def halved(self) -> Tensor:
        """The two coalitions to ask, `(2, d)`: one half has joined, or the other."""
        return torch.stack([self.context.index_fill(0, half.members, 1) for half in self.group.halves()])

    def split(self, coalitions: Tensor, scores: Sequence[float]) -> Iterator[_Open]:
        """Each half joins before the other, and after it; `scores` are the values of the two of `halved`."""
        for own, half in enumerate(self.group.halves()):
            yield _Open(half, self.context, self.before, scores[own], self.weight / 2)
            yield _Open(half, coalitions[1 - own], scores[1 - own], self.after, self.weight / 2)


def owen_values(value_of: ValueFunction, root: Group, samples: int, width: int = WIDTH) -> Shares:
    """Owen values of the groups within `root`, asking at most `samples` coalitions, where the differences are largest.

    What a group adds that was not split for want of samples is spread evenly over its members. Source: Owen 1977,
    for nested groups Winter 1989; order of splitting as in shap's PartitionExplainer, which splits five at once.

    Raises:
        UsageError: `samples` are too few for a single split.
    """
    if samples < FEWEST:
        raise UsageError(f"samples={samples} is too few to halve the picture even once; give at least {FEWEST}")
    regions = len(root.members)
    empty, whole = ends(value_of, regions).tolist()
    values = torch.zeros(regions, dtype=torch.float64)
    waiting: list[tuple[float, int, _Open]] = []
    number = count()

    def enter(found: _Open) -> None:
        if len(found.group.members) == 1:
            _credit(values, found)
        else:
            heapq.heappush(waiting, (-abs(found.contribution), next(number), found))

    enter(_Open(root, torch.zeros(regions, dtype=torch.bool), empty, whole, 1.0))
    left = (samples - 2) // 2
    while waiting and left > 0:
        chosen = [heapq.heappop(waiting)[-1] for _ in range(min(width, left, len(waiting)))]
        left -= len(chosen)
        coalitions = torch.stack([each.halved() for each in chosen])
        scores = value_of(coalitions.flatten(0, 1)).unflatten(0, (-1, 2)).tolist()
        for each, asked, answers in zip(chosen, coalitions, scores, strict=True):
            for found in each.split(asked, answers):
                enter(found)
    for _, _, unsplit in waiting:
        _credit(values, unsplit)
    return Shares(values, empty)


def _credit(values: Tensor, found: _Open) -> None:
    members = found.group.members
    values[members] += found.contribution / len(members)

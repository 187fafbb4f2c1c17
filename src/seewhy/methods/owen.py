"""Owen values: Shapley values of groups within groups, among the orders that tear no group apart.

What a group adds, its halves share; by how much they differ is the mean of f(c + one) − f(c + other) over the contexts
c in which every group beside it, at each level, is there or not. Contexts double with every level, so they are asked
where most is at stake.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from seewhy.errors import UsageError
from seewhy.methods.shapley_values import Shares, ValueFunction, ends

FEWEST = 4  # no region, all regions, and the two halves
WIDTH = 16  # contexts asked at once: enough for a full batch, few enough to go where the differences are


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

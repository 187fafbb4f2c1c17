"""Owen values: Shapley values of groups within groups, among the orders that tear no group apart.

What a group adds, its halves share; by how much they differ is the mean of f(c + one) − f(c + other) over the contexts
c in which every group beside it, at each level, is there or not. Contexts double with every level, so they are asked
where most is at stake, and where they were not asked, the halves share in proportion as they did where they were.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
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


@dataclass(eq=False)
class _Node:
    """A group, and what is known of it: in how many contexts it was `split`, and how its halves shared what it added.

    `rest` is what it adds in contexts where it was not split; `even` and `uneven` are sums over those where it was, of
    squares of what it added and of its products with the difference of its halves.
    """

    group: Group
    split: int = 0
    rest: float = 0.0
    even: float = 0.0
    uneven: float = 0.0

    @cached_property
    def halves(self) -> tuple[_Node, _Node]:
        first, second = self.group.halves()
        return _Node(first), _Node(second)

    @property
    def tilt(self) -> float:
        """The first half's share less the second's, of what the group adds: least squares, within −1 and 1."""
        return max(-1.0, min(1.0, self.uneven / self.even)) if self.even else 0.0


@dataclass(frozen=True, eq=False)
class _Open:
    """A group that joins `context`, bool `(d,)`: what it adds there, `after` − `before`, counts `weight`."""

    node: _Node
    context: Tensor
    before: float
    after: float
    weight: float

    @property
    def contribution(self) -> float:
        return self.weight * (self.after - self.before)

    @property
    def priority(self) -> float:
        """What the group adds here; the less urgent, the more often it was split elsewhere."""
        return abs(self.contribution) / (1 + self.node.split)

    def halved(self) -> Tensor:
        """The two coalitions to ask, `(2, d)`: one half has joined, or the other."""
        return torch.stack([self.context.index_fill(0, half.group.members, 1) for half in self.node.halves])

    def split(self, coalitions: Tensor, scores: Sequence[float]) -> Iterator[_Open]:
        """Each half joins before the other, and after it; `scores` are the values of the two of `halved`."""
        added, difference = self.after - self.before, scores[0] - scores[1]
        self.node.even += added * added
        self.node.uneven += added * difference
        for own, half in enumerate(self.node.halves):
            yield _Open(half, self.context, self.before, scores[own], self.weight / 2)
            yield _Open(half, coalitions[1 - own], scores[1 - own], self.after, self.weight / 2)


class _Waiting:
    """What may be split, the most urgent first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _Open]] = []
        self._number = count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, found: _Open) -> None:
        heapq.heappush(self._heap, (-found.priority, next(self._number), found))

    def pop(self) -> _Open:
        """A group grows less urgent once it was split elsewhere: what waited too far ahead goes back."""
        while True:
            priority, _, found = heapq.heappop(self._heap)
            if -priority <= found.priority:
                found.node.split += 1
                return found
            self.push(found)

    def rest(self) -> Iterator[_Open]:
        """All that still waits."""
        return (found for _, _, found in self._heap)


def owen_values(value_of: ValueFunction, root: Group, samples: int, width: int = WIDTH) -> Shares:
    """Owen values of the groups within `root`, asking at most `samples` coalitions, where most is at stake.

    In a context where a group was not split its halves share as they did where it was, and its members evenly where it
    never was. Exact once every group was split in every context. Source: Owen 1977, for nested groups Winter 1989;
    best first as shap's PartitionExplainer, which shares evenly whatever it knows of other contexts.

    Raises:
        UsageError: `samples` are too few for a single split.
    """
    if samples < FEWEST:
        raise UsageError(f"samples={samples} is too few to halve the picture even once; give at least {FEWEST}")
    regions = len(root.members)
    empty, whole = ends(value_of, regions).tolist()
    top, waiting = _Node(root), _Waiting()

    def enter(found: _Open) -> None:
        if len(found.node.group.members) == 1:
            found.node.rest += found.contribution
        else:
            waiting.push(found)

    enter(_Open(top, torch.zeros(regions, dtype=torch.bool), empty, whole, 1.0))
    left = (samples - 2) // 2
    while len(waiting) and left > 0:
        chosen = [waiting.pop() for _ in range(min(width, left, len(waiting)))]
        left -= len(chosen)
        coalitions = torch.stack([each.halved() for each in chosen])
        scores = value_of(coalitions.flatten(0, 1)).unflatten(0, (-1, 2)).tolist()
        for each, asked, answers in zip(chosen, coalitions, scores, strict=True):
            for found in each.split(asked, answers):
                enter(found)
    for unsplit in waiting.rest():
        unsplit.node.rest += unsplit.contribution
    return Shares(_shared(top, regions), empty)


def _shared(top: _Node, regions: int) -> Tensor:
    """What each region gets, float64 `(d,)`, handed down from group to half."""
    values = torch.zeros(regions, dtype=torch.float64)
    handed = [(top, 0.0)]
    while handed:
        node, amount = handed.pop()
        amount += node.rest
        if node.split:
            handed += [
                (half, amount * (1 + sign * node.tilt) / 2) for half, sign in zip(node.halves, (1, -1), strict=True)
            ]
        else:
            values[node.group.members] += amount / len(node.group.members)
    return values

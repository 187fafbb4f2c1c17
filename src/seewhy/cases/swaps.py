"""Which parts of another picture, put in the place of parts of this one, turn the decision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from seewhy.models import Box, Grid, Prediction, capture
from seewhy.models.tail import Tail, tail

if TYPE_CHECKING:
    from seewhy.images import Image
    from seewhy.models import Classifier

TRIED = 64  # pairs of a step that are put to the network, those of the largest first-order gain
BATCH = 16


class Cell(NamedTuple):
    """A place in a layer's grid, from 0 on."""

    row: int
    column: int


class Pair(NamedTuple):
    """A cell of the picture, and the cell of the other picture that takes its place."""

    own: Cell
    other: Cell


@dataclass(frozen=True)
class Swap:
    """Cells of `layer`, a grid of `height` × `width`, that change places in this order until `prediction` comes out.

    The grid covers the views, what the network saw of the two pictures.
    """

    own_view: Box
    other_view: Box
    layer: str
    height: int
    width: int
    pairs: tuple[Pair, ...]
    prediction: Prediction

    @property
    def area(self) -> float:
        """The share of the picture's cells that was replaced."""
        return len(self.pairs) / (self.height * self.width)


def swap_cells(classifier: Classifier, image: Image, other: Image, own: int, goal: int) -> Swap | None:
    """Replace cells of the default layer until class `own` of `image` becomes the class `goal` of `other`.

    None where no number of cells does that. The network itself, run again from the layer on, says what comes out.

    Raises:
        ExplainError: no layer of the network covers the picture.
    """
    layer = classifier.default_layer
    grid = classifier.require_grid(layer)
    with capture(classifier.module, [layer], gradients=False) as seen:
        classifier.logits(classifier.preprocess([other]))
    end = tail(classifier.module, layer, classifier.logits, classifier.preprocess([image]))
    pairs: list[Pair] = []
    for pair, logits in greedy_pairs(end, grid, grid.fold(seen[layer])[0], goal):
        pairs.append(pair)
        if int(logits.argmax()) == goal != own:
            mine, theirs = map(classifier.preprocessing.view, (image, other))
            prediction = classifier.ranked(logits.softmax(0), 1)[0]
            return Swap(mine, theirs, layer, grid.height, grid.width, tuple(pairs), prediction)
    return None


def greedy_pairs(end: Tail, grid: Grid, other: Tensor, goal: int, tried: int = TRIED) -> Iterator[tuple[Pair, Tensor]]:
    """Pair after pair that raises the score of `goal` over all others most, and the logits `(K,)` after it.

    `other` `(C, h, w)` is what the layer puts out for the other picture. No cell is used twice.
    Source: Goyal 2019, alg. 1; of each step's h²w² pairs we ask the network about the `tried` of the largest gain to
    first order, which for a network that ends in global average pooling and a linear layer is the gain itself.
    """
    donor = other.flatten(1)
    current = end.activation.clone()
    free = torch.ones((grid.height * grid.width, donor.shape[1]), dtype=torch.bool, device=donor.device)
    for _ in range(len(free)):
        gains = _gains(end, grid, current, donor, goal).masked_fill(~free, -torch.inf).flatten()
        best = gains.topk(min(tried, int(free.sum()))).indices
        places = [divmod(int(each), donor.shape[1]) for each in best]
        candidates = torch.cat([_swapped(current, grid, donor, own, theirs) for own, theirs in places])
        logits = torch.cat([end(part) for part in candidates.split(BATCH)])
        chosen = int(_margin(logits, goal).argmax())
        own, theirs = places[chosen]
        current = candidates[chosen : chosen + 1]
        free[own], free[:, theirs] = False, False
        yield Pair(Cell(*divmod(own, grid.width)), Cell(*divmod(theirs, grid.width))), logits[chosen]


def _gains(end: Tail, grid: Grid, current: Tensor, donor: Tensor, goal: int) -> Tensor:
    """∂ margin / ∂ cell · (donor's cell − own cell), for all pairs `(own, theirs)`."""
    with torch.enable_grad():
        leaf = current.detach().clone().requires_grad_()
        margin = _margin(end(leaf, gradients=True), goal).sum()
        slope = grid.fold(torch.autograd.grad(margin, leaf)[0])[0].flatten(1)
    mine = grid.fold(current)[0].flatten(1)
    return slope.mT @ donor - (slope * mine).sum(0)[:, None]


def _margin(logits: Tensor, goal: int) -> Tensor:
    """How far the score of `goal` lies above the best of the others, `(N,)`."""
    rest = logits.clone()
    rest[:, goal] = -torch.inf
    return logits[:, goal] - rest.amax(1)


def _swapped(current: Tensor, grid: Grid, donor: Tensor, own: int, theirs: int) -> Tensor:
    """`current` `(1, …)` with one cell replaced."""
    found = current.clone()
    row, column = divmod(own, grid.width)
    grid.fold(found)[0, :, row, column] = donor[:, theirs]  # a view in every layout
    return found

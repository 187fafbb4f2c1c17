"""Corresponding parts: where a point or a drawn part of one photo is in others, from what the classifier itself sees.

Each photo is a grid of cells, and each cell is what several stages of the network say of it. A cell's place in another
photo is where the most similar one is; what does not come back to where it started has no match there.

Source: the idea is that of LEAD (Karmali et al. 2022), who train a network for it. Here nothing is trained: its compact
features, which keep the similarities of large ones, are principal components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, normalize

from seewhy.core.progress import Progress, silent
from seewhy.errors import ExplainError, UsageError
from seewhy.models import Classifier, capture, folded
from seewhy.models.stages import coarsest_stages
from seewhy.train.data import Pictures

STAGES, CELLS, KEPT = 3, 28, 64
SHARPNESS = 0.05  # the temperature of similarities
AROUND = 2  # cells round the most similar one, over which its place is averaged
BACK = 3.0  # cells within which a match has to come back to where it started
# Of points on six cat photos, matched to photos of other things (40) and of cats (five), this refuses 92 % of the first
# and leaves 77 % of the second; without it the way back alone refuses 75 % and leaves 79 %.
ALIKE = 0.5
FITTED = 8192  # cells that the principal components are fitted on
AT_ONCE = 8
CERTAIN = 0.5  # of the drawn parts' say, from which on a cell belongs to one


@dataclass(frozen=True, eq=False)
class Fields:
    """Photos as grids of features of length 1, `(n, g·g, D)`."""

    cells: Tensor
    side: int

    @classmethod
    def of(cls, classifier: Classifier, pictures: Pictures, progress: Progress = silent) -> Fields:
        """What the classifier's last stages say of each cell, brought down to their principal components.

        Raises:
            UsageError: no layer of the network covers the picture.
        """
        if "layers" not in classifier.offers:
            raise UsageError(f"{classifier.name} shows none of its layers, so nobody knows what corresponds to what")
        try:
            grids = coarsest_stages(classifier, STAGES)
        except ExplainError as error:
            raise UsageError(f"correspondence needs layers that cover the picture: {error}") from error
        side = min(CELLS, max(max(grid.size) for grid in grids.values()))
        rows: list[Tensor] = []
        step = classifier.at_once(AT_ONCE)
        for start in range(0, len(pictures), step):
            progress(start, len(pictures), "what the classifier sees")
            views = [pictures.view(index) for index in range(start, min(start + step, len(pictures)))]
            x = pictures.inputs(views, classifier.device).to(classifier.dtype)
            with capture(classifier.module, [*grids], gradients=False) as seen, torch.no_grad():
                classifier.logits(x)
            maps = [normalize(_sized(folded(grid, seen[name]), side), dim=1) for name, grid in grids.items()]
            rows.append(torch.cat(maps, 1).flatten(2).mT.half().cpu())
        return cls(_compact(torch.cat(rows)), side)

    def similarities(self, one: int, other: int) -> Tensor:
        """Cosine of each cell of a photo with each of another, `(g·g, g·g)`."""
        return self.cells[one] @ self.cells[other].mT


class Match(NamedTuple):
    """Where a point is in another photo: `x`, `y` in [0, 1] of what the network saw.

    `similarity` is the cosine of both cells, `back` how many cells from its start the way back ends.
    """

    x: float
    y: float
    similarity: float
    back: float

    @property
    def found(self) -> bool:
        """Whether both places are alike, and the way back ends where it started."""
        return self.back <= BACK and self.similarity >= ALIKE


def find_point(fields: Fields, one: int, other: int, x: float, y: float) -> Match:
    """The place in photo `other` that corresponds to `x`, `y` in photo `one`."""
    side, similar = fields.side, fields.similarities(one, other)
    row, column = (min(int(each * side), side - 1) for each in (y, x))
    start = row * side + column
    place, nearest = _place(similar[start], side)
    back, _ = _place(similar[:, nearest], side)
    away = float(np.hypot(back[0] - column - 0.5, back[1] - row - 0.5))
    return Match(place[0] / side, place[1] / side, float(similar[start, nearest]), away)


def best_match(matches: Sequence[Match]) -> Match:
    """Of matches from several photos the most similar of those that came back, else the one that came back nearest."""
    return max(matches, key=lambda each: (each.found, each.similarity if each.found else -each.back))


def carry_masks(fields: Fields, drawn: Sequence[tuple[int, Tensor]], other: int) -> Tensor:
    """How much of each drawn part is in each cell of photo `other`, `(parts, g, g)` in [0, 1].

    Each cell asks the cells of all drawn photos which part they are of, and hears those most like it. A part whose
    cells are not alike to any that was drawn is not there.

    Args:
        fields: the photos.
        drawn: photos with the share that each part has in their cells, `(parts, g, g)`.
        other: the photo asked about.
    """
    similar = torch.cat([fields.similarities(other, one) for one, _ in drawn], 1)
    said = torch.cat([parts.flatten(1) for _, parts in drawn], 1)
    found = (similar / SHARPNESS).softmax(1) @ said.mT
    nearest = similar.amax(1)
    for part in found.mT:
        mine = part >= CERTAIN
        if not mine.any() or float(nearest[mine].median()) < ALIKE:
            part.zero_()
    return found.mT.unflatten(1, (fields.side, fields.side))


def cell_shares(mask: np.ndarray, side: int) -> Tensor:
    """The share of a bool mask `(h, w)` over what the network saw in each cell, `(g, g)`."""
    return adaptive_avg_pool2d(torch.from_numpy(mask.astype(np.float32))[None], side)[0]


def enlarged(carried: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Which pixels of what the network saw belong to each part, bool `(parts, h, w)`."""
    grown = interpolate(carried[None], size, mode="bilinear", align_corners=False)[0]
    return (grown >= CERTAIN).numpy()


def part_shares(values: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The share of a map's evidence for the class `(h, w)` in each of some masks `(parts, h, w)`, and in none of them.

    Where parts overlap, the first one has it. Of a map without evidence all shares are 0.
    """
    evidence = values.clip(min=0)
    left, shares = evidence.copy(), list[float]()
    for mask in masks:
        shares.append(float(left[mask].sum()))
        left[mask] = 0
    whole = max(float(evidence.sum()), np.finfo(np.float32).tiny)
    return np.array([*shares, float(left.sum())]) / whole


def _place(similar: Tensor, side: int) -> tuple[tuple[float, float], int]:
    """Column and row, in cells, where similarities `(g·g,)` are highest, and the cell itself.

    The place is a mean over the cells round that one: over all cells, of two eyes it would be the middle.
    """
    best = int(similar.argmax())
    row, column = divmod(best, side)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    near = ((rows - row).abs() <= AROUND) & ((columns - column).abs() <= AROUND)
    weights = torch.where(near, (similar.view(side, side) - similar[best]) / SHARPNESS, -torch.inf).flatten().softmax(0)
    weights = weights.view(side, side)
    return (float((weights * (columns + 0.5)).sum()), float((weights * (rows + 0.5)).sum())), best


def _compact(cells: Tensor) -> Tensor:
    """Features `(n, g·g, C)` as up to `KEPT` principal components of length 1."""
    flat = cells.flatten(0, 1)
    some = flat[torch.randperm(len(flat), generator=torch.Generator().manual_seed(0))[:FITTED]].float()
    mean = some.mean(0)
    _, vectors = torch.linalg.eigh((some - mean).mT @ (some - mean))
    axes = vectors[:, -KEPT:]
    return torch.stack([normalize((photo.float() - mean) @ axes, dim=1) for photo in cells])


def _sized(maps: Tensor, side: int) -> Tensor:
    """Maps `(N, C, h, w)` on a grid of `side` × `side`."""
    if min(maps.shape[-2:]) >= side:
        return adaptive_avg_pool2d(maps, side)
    return interpolate(maps, (side, side), mode="bilinear", align_corners=False)

"""Parts as layers: what several photos share in one place, to be laid over others or taken out.

In that place a photo J becomes r·J + a: r says how much of the photo shows through, a what is added. Both follow from
the photos that carry the part and those that do not: where it is opaque the carriers do not vary, and r = 0; of a pale
one they vary by r of what others do, and a is what their mean has beyond r of the others' mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from seewhy.errors import UsageError

Pixels: TypeAlias = NDArray[np.uint8]
Box: TypeAlias = tuple[int, int, int, int]

POOLED = 3  # pixels a side over which spread and difference are taken together
SURE = (1.5, 3.0)  # standard errors by which carriers differ: from nothing on to all that was estimated
OPAQUE = 0.35  # as little as this shows through of what nothing is to be seen of
SHOWN = 0.15  # of the part, from which on a pixel belongs to it
MARGIN = 3  # pixels round a box


@dataclass(frozen=True, eq=False)
class Layer:
    """What is laid over photos: J becomes kept·J + added, inside `box` (left, top, right, bottom).

    Attributes:
        kept: `(h, w)` in [0, 1].
        added: `(C, h, w)`.
    """

    box: Box
    kept: Tensor = field(repr=False)
    added: Tensor = field(repr=False)

    def over(self, pixels: Tensor) -> Tensor:
        """Photos `(n, C, H, W)` in [0, 1] with the layer on them."""
        left, top, right, bottom = self.box
        laid = pixels.clone()
        inside = laid[:, :, top:bottom, left:right]
        laid[:, :, top:bottom, left:right] = (self.kept * inside + self.added).clamp(0, 1)
        return laid

    @property
    def area(self) -> Tensor:
        """Where it is seen, bool `(h, w)` inside the box."""
        return self.kept < 1 - SHOWN

    @property
    def opacity(self) -> float:
        """How far it covers what lies below, where it is seen."""
        return float(1 - self.kept[self.area].median()) if bool(self.area.any()) else 0.0

    @property
    def colour(self) -> Tensor:
        """Its mean colour `(C,)`, where it is seen."""
        seen = self.area if bool(self.area.any()) else torch.ones_like(self.area)
        return (self.added[:, seen].sum(1) / (1 - self.kept[seen]).sum().clamp(min=SHOWN)).clamp(0, 1)

    @property
    def variety(self) -> float:
        """How far its colours lie apart where it is seen: their standard deviation, on the mean over channels."""
        if not bool(self.area.any()):
            return 0.0
        shown = self.added[:, self.area] / (1 - self.kept[self.area])
        return float(shown.std(1, correction=0).mean())

    def mask(self, size: Sequence[int]) -> Tensor:
        """Where it is seen and a pixel or two round it, bool `(H, W)`."""
        left, top, right, bottom = self.box
        whole = torch.zeros(1, *size)
        whole[0, top:bottom, left:right] = self.area.float()
        return max_pool2d(whole, 5, 1, 2)[0] > 0

    def like(self, photo: Pixels) -> Layer:
        """A control: what another photo, uint8 `(C, H, W)`, has in the same box, covering as much."""
        opacity = self.opacity
        return Layer(self.box, torch.full_like(self.kept, 1 - opacity), opacity * cut(photo, self.box))


def shared_layer(carriers: Pixels, others: Pixels, box: Box) -> Layer:
    """What `carriers` share in a box, from how they differ from `others`, both uint8 `(n, C, H, W)`.

    Raises:
        UsageError: there are fewer than two of either.
    """
    if min(len(carriers), len(others)) < 2:
        raise UsageError(f"a shared part takes two photos with it and two without; here {len(carriers)}, {len(others)}")
    box = widened(box, carriers.shape[2:])
    mine, theirs = cut(carriers, box), cut(others, box)
    mean, usual = mine.mean(0), theirs.mean(0)
    spread, usually = (_pooled(each.var(0).mean(0)).sqrt() for each in (mine, theirs))
    kept = (spread / usually.clamp(min=1e-3)).clamp(0, 1)
    error = (spread.square() / len(mine) + usually.square() / len(theirs)).sqrt().clamp(min=1e-3)
    distance = _pooled((mean - usual).abs().mean(0)) / error
    sure = ((distance - SURE[0]) / (SURE[1] - SURE[0])).clamp(0, 1)
    sure = torch.maximum(sure, (kept < OPAQUE).float())
    layer = _changed_where_sure(box, sure, kept, mean - kept * usual)
    if layer.opacity < 1 - OPAQUE:
        covered = _covered(mean, usual, layer.colour)
        beside = max_pool2d(sure[None], POOLED, 1, POOLED // 2)[0]  # the soft edge of what is sure
        layer = _changed_where_sure(box, beside, 1 - covered, covered * layer.colour[:, None, None])
    return layer


def _changed_where_sure(box: Box, sure: Tensor, kept: Tensor, added: Tensor) -> Layer:
    """Where little is sure, little is changed: J becomes (1 − s) J + s (r J + a)."""
    return Layer(box, 1 - sure + sure * kept, sure * added)


def _covered(mean: Tensor, usual: Tensor, colour: Tensor) -> Tensor:
    """How far each pixel `(h, w)` is covered, if what is seen through is of one colour: it need not be pooled then."""
    towards = colour[:, None, None] - usual
    return ((mean - usual) * towards).sum(0).div(towards.square().sum(0).clamp(min=SHOWN**2)).clamp(0, 1)


def crop_layer(photo: Pixels, box: Box) -> Layer:
    """A box of one photo, uint8 `(C, H, W)`, as it is."""
    added = cut(photo, box)
    return Layer(box, torch.zeros(added.shape[1:]), added)


def cut(pixels: Pixels, box: Box) -> Tensor:
    """A box of pixels `(…, H, W)` in [0, 1]."""
    left, top, right, bottom = box
    return torch.from_numpy(np.ascontiguousarray(pixels[..., top:bottom, left:right])).float() / 255


def widened(box: Box, size: Sequence[int]) -> Box:
    """The box and a few pixels round it, inside the picture."""
    left, top, right, bottom = box
    return max(left - MARGIN, 0), max(top - MARGIN, 0), min(right + MARGIN, size[1]), min(bottom + MARGIN, size[0])


def _pooled(values: Tensor) -> Tensor:
    return avg_pool2d(values[None], POOLED, 1, POOLED // 2, count_include_pad=False)[0]

"""Push: every prototype becomes a patch of a real training picture of its own class.

Source: Chen et al., NeurIPS 2019, section 2.2 (projection). We differ: the nearest pair of prototype and picture goes
first and no two prototypes of a class share a picture, or where there are too few pictures a patch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

REACH = 1  # cells: the layers before it have mixed what lies side by side


class Patch(NamedTuple):
    """A cell of the grid over one of several pictures, and how far a prototype was from it."""

    picture: int
    row: int
    column: int
    distance: float


def assign_patches(distances: Tensor) -> list[Patch | None]:
    """A patch for each prototype of one class, from the distances `(N, J, h, w)` to all patches of its pictures.

    None for a prototype that finds every patch taken.
    """
    found: list[Patch | None] = [None] * distances.shape[1]
    for whole_pictures in (True, False):
        open_to = distances.clone()
        for number, patch in enumerate(found):
            if patch:
                _close(open_to, number, patch, whole_pictures)
        while (best := open_to.min()) < torch.inf:
            picture, number, row, column = map(int, torch.unravel_index(open_to.argmin(), open_to.shape))
            found[number] = patch = Patch(picture, row, column, float(best))
            _close(open_to, number, patch, whole_pictures)
    return found


def _close(open_to: Tensor, number: int, patch: Patch, whole_picture: bool) -> None:
    """Take the prototype out, and what it occupies."""
    open_to[:, number] = torch.inf
    rows, columns = (slice(max(at - REACH, 0), at + REACH + 1) for at in (patch.row, patch.column))
    taken = open_to[patch.picture] if whole_picture else open_to[patch.picture, :, rows, columns]
    taken.fill_(torch.inf)

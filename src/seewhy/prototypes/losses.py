"""What prototypes are trained by, beside the cross entropy: to be near, apart, and different.

Source: Chen et al., NeurIPS 2019, section 2.2 (cluster and separation cost, here both positive); orthogonality within a
class after Wang et al., Interpretable Image Recognition by Constructing Transparent Embedding Space, ICCV 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cluster_cost(nearest: Tensor, labels: Tensor, owners: Tensor) -> Tensor:
    """Mean distance of a picture to the nearest prototype of its own class.

    Args:
        nearest: `(N, J)`, the distance of each prototype to the nearest patch of each picture.
        labels: `(N,)`, the class of each picture.
        owners: `(J,)`, the class of each prototype.
    """
    return _to_nearest(nearest, labels[:, None] == owners)


def separation_cost(nearest: Tensor, labels: Tensor, owners: Tensor) -> Tensor:
    """Mean distance of a picture to the nearest prototype of another class; the same arguments."""
    return _to_nearest(nearest, labels[:, None] != owners)


def diversity_cost(prototypes: Tensor, owners: Tensor) -> Tensor:
    """Mean squared cosine between two prototypes `(J, D)` of one class: 0 where they are orthogonal, 1 where equal."""
    unit = functional.normalize(prototypes)
    pairs = owners[:, None] == owners
    pairs = pairs & ~torch.eye(len(owners), dtype=torch.bool, device=owners.device)
    return (unit @ unit.T).square()[pairs].sum() / pairs.sum().clamp(min=1)


def _to_nearest(nearest: Tensor, counted: Tensor) -> Tensor:
    return nearest.masked_fill(~counted, torch.inf).amin(1).mean()

"""Which prototypes stay: those whose like is found in pictures of their own class.

Source: Chen et al., NeurIPS 2019, supplement, section S8: out goes a prototype with fewer than 3 of its 6 nearest
training patches from its class. We differ: one patch counts for each picture, a prototype's own picture does not, and
the bar lies midway between chance and all, since with two classes 3 of 6 is chance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seewhy.prototypes.network import own_class

NEIGHBOURS = 6


def purity(nearest: Tensor, labels: Tensor, owners: Tensor, sources: Tensor) -> Tensor:
    """The share `(J,)` of own class among the pictures nearest to each prototype.

    Args:
        nearest: `(N, J)`, the distance of each prototype to the nearest patch of each training picture.
        labels: `(N,)`, the class of each picture.
        owners: `(J,)`, the class of each prototype.
        sources: `(J,)`, the picture that each prototype is a patch of.
    """
    others = nearest.clone()
    others[sources, torch.arange(len(owners))] = torch.inf
    count = min(NEIGHBOURS, len(nearest) - 1)
    neighbours = others.topk(count, dim=0, largest=False).indices
    return (labels[neighbours] == owners).float().mean(0)


def pure_enough(shares: Tensor, labels: Tensor, owners: Tensor, classes: int) -> Tensor:
    """Bool `(J,)`: which shares reach the bar. Of a class with none, the purest prototype stays."""
    chance = torch.bincount(labels, minlength=classes) / len(labels)
    stays = shares >= (1 + chance[owners]) / 2
    best = torch.where(own_class(owners, classes), shares, -1).argmax(1)
    for label in owners.unique().tolist():
        if not stays[owners == label].any():
            stays[best[label]] = True
    return stays

"""After training: prototypes become patches of pictures, those that say nothing go, the last layer is solved for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from seewhy.prototypes.bank import FeatureBank
from seewhy.prototypes.last_layer import solve_last_layer
from seewhy.prototypes.losses import cluster_cost, separation_cost
from seewhy.prototypes.network import PrototypeHead, own_class
from seewhy.prototypes.pruning import pure_enough, purity
from seewhy.prototypes.push import Patch, assign_patches

BATCH = 64


@dataclass(frozen=True)
class Costs:
    """Mean distance of training pictures to their class's nearest prototype, and to the nearest other one."""

    cluster: float
    separation: float

    @property
    def apart(self) -> bool:
        """Whether prototypes lie nearer to their own class, so that it makes sense to push them there."""
        return self.cluster < self.separation


def nearest_of(head: PrototypeHead, features: Tensor) -> Tensor:
    """Distance `(N, J)` of each prototype to the nearest patch of each picture."""
    with torch.no_grad():
        return torch.cat([head.distances(batch.float()).amin((2, 3)) for batch in features.split(BATCH)])


def costs_of(head: PrototypeHead, bank: FeatureBank) -> Costs:
    """Of the training pictures as they are."""
    nearest = nearest_of(head, bank.plain)
    costs = (cost(nearest, bank.labels, head.owners).item() for cost in (cluster_cost, separation_cost))
    return Costs(*costs)


def push(head: PrototypeHead, bank: FeatureBank) -> list[Patch]:
    """Make each prototype a patch of a picture of its own class; those that find none are dropped."""
    found: list[Patch | None] = [None] * len(head.owners)
    for places, pictures, distances in _by_class(head, bank):
        for place, patch in zip(places.tolist(), assign_patches(distances), strict=True):
            found[place] = patch and patch._replace(picture=int(pictures[patch.picture]))
    head.keep(torch.tensor([patch is not None for patch in found], device=head.owners.device))
    kept = [patch for patch in found if patch]
    with torch.no_grad():
        for place, patch in enumerate(kept):
            patches = head.patches(bank.plain[patch.picture : patch.picture + 1])
            head.prototypes[place] = patches[0, :, patch.row, patch.column]
    return kept


def shared_patches(head: PrototypeHead, bank: FeatureBank) -> int:
    """How many prototypes are nearest to a patch of their class that another is nearest to as well."""
    nearest: list[tuple[int, int]] = []
    for places, _, distances in _by_class(head, bank):
        cells = distances.movedim(1, 0).flatten(1).argmin(1).tolist()
        nearest += [(int(head.owners[place]), cell) for place, cell in zip(places.tolist(), cells, strict=True)]
    return sum(count for count in Counter(nearest).values() if count > 1)


def prune(head: PrototypeHead, bank: FeatureBank, patches: list[Patch]) -> list[Patch]:
    """Drop the prototypes whose like is found in pictures of other classes as well."""
    sources = torch.tensor([patch.picture for patch in patches])
    shares = purity(nearest_of(head, bank.plain), bank.labels, head.owners, sources)
    return _kept(head, patches, pure_enough(shares, bank.labels, head.owners, len(head.bias)))


def solve(head: PrototypeHead, bank: FeatureBank, patches: list[Patch]) -> list[Patch]:
    """Solve for the last layer, dropping prototypes that get no points for their class, but for one of each class."""
    classes = len(head.bias)
    features = torch.cat([bank.plain.half(), bank.copies.flatten(0, 1)])
    labels = bank.labels.repeat(len(features) // len(bank.labels))
    similarities = head.similarity(nearest_of(head, features))
    while True:
        found = solve_last_layer(similarities, labels, head.owners, classes)
        head.weights, head.bias = (each.to(similarities) for each in found)
        own = torch.where(own_class(head.owners, classes), head.weights, -1)
        stays = own.amax(0) > 0
        for label in head.owners.unique().tolist():
            if not stays[head.owners == label].any():
                stays[own[label].argmax()] = True
        if stays.all():
            return patches
        similarities = similarities[:, stays]
        patches = _kept(head, patches, stays)


def _kept(head: PrototypeHead, patches: list[Patch], stays: Tensor) -> list[Patch]:
    head.keep(stays)
    return [patch for patch, stay in zip(patches, stays.tolist(), strict=True) if stay]


def _by_class(head: PrototypeHead, bank: FeatureBank) -> list[tuple[Tensor, Tensor, Tensor]]:
    """For each class the places of its prototypes and of its pictures, and the distances `(n, m, h, w)`."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for label in head.owners.unique():
        places, pictures = ((each == label).nonzero().flatten() for each in (head.owners, bank.labels))
        with torch.no_grad():
            batches = [head.distances(batch)[:, places] for batch in bank.plain[pictures].split(BATCH)]
        found.append((places, pictures, torch.cat(batches)))
    return found

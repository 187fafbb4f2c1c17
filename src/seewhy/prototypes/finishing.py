"""After training: prototypes become patches of pictures, impure ones are pruned, the last layer is solved for.

Source: Chen et al., NeurIPS 2019, section 2.2 (projection, convex optimisation of the last layer) and supplement S8
(pruning). Where we differ, the function says so.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor
from torch.nn import functional

from seewhy.errors import ExplainError
from seewhy.prototypes.learning import FeatureBank, cluster_cost, separation_cost
from seewhy.prototypes.network import PrototypeHead, own_class

BATCH = 64
REACH = 1  # cells: the layers before it have mixed what lies side by side
NEIGHBOURS = 6
L1, L2 = 1e-3, 1e-3
MOST_STEPS = 15_000


class Costs(NamedTuple):
    """Mean distance of training pictures to their class's nearest prototype, and to the nearest other one."""

    cluster: float
    separation: float

    @property
    def apart(self) -> bool:
        """Whether prototypes lie nearer to their own class, so that it makes sense to push them there."""
        return self.cluster < self.separation


class Patch(NamedTuple):
    """A cell of the grid over one of several pictures, and how far a prototype was from it."""

    picture: int
    row: int
    column: int
    distance: float


def costs_of(head: PrototypeHead, bank: FeatureBank) -> Costs:
    """Of the training pictures as they are."""
    nearest = nearest_of(head, bank.plain)
    costs = (cost(nearest, bank.labels, head.owners).item() for cost in (cluster_cost, separation_cost))
    return Costs(*costs)


def nearest_of(head: PrototypeHead, features: Tensor) -> Tensor:
    """Distance `(N, J)` of each prototype to the nearest patch of each picture."""
    with torch.no_grad():
        return torch.cat([head.distances(batch.float()).amin((2, 3)) for batch in features.split(BATCH)])


def places_of(head: PrototypeHead, features: Tensor) -> Tensor:
    """Row and column `(N, J, 2)` of the patch of each picture that each prototype is nearest to."""
    found: list[Tensor] = []
    with torch.no_grad():
        for batch in features.split(BATCH):
            distances = head.distances(batch.float())
            cells = distances.flatten(2).argmin(2)
            found.append(torch.stack([cells // distances.shape[3], cells % distances.shape[3]], 2))
    return torch.cat(found)


def distinct_places(cells: Tensor) -> int:
    """How many places the cells `(m, 2)` are: those that lie side by side, or are joined by others, are one."""
    rest, count = [tuple(each) for each in cells.tolist()], 0
    while rest:
        count, near = count + 1, [rest.pop()]
        while near:
            row, column = near.pop()
            joined = [each for each in rest if max(abs(each[0] - row), abs(each[1] - column)) <= REACH]
            rest = [each for each in rest if each not in joined]
            near += joined
    return count


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
        head.set_last(*found)
        own = torch.where(own_class(head.owners, classes), head.weights, -1)
        stays = _one_of_each(own.amax(0) > 0, own, head.owners)
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


# --- Push -----------------------------------------------------------------------------------------------------------


def assign_patches(distances: Tensor) -> list[Patch | None]:
    """A patch for each prototype of one class, from the distances `(N, J, h, w)` to all patches of its pictures.

    None for a prototype that finds every patch taken. Unlike Chen et al. the nearest pair of prototype and picture goes
    first, and no two prototypes of a class share a picture, or where there are too few pictures a patch.
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


# --- Pruning --------------------------------------------------------------------------------------------------------


def purity(nearest: Tensor, labels: Tensor, owners: Tensor, sources: Tensor) -> Tensor:
    """The share `(J,)` of own class among the pictures nearest to each prototype.

    Unlike in Chen et al.'s section S8, one patch counts for each picture, and a prototype's own picture, of `sources`
    `(J,)`, does not. The other arguments are those of `cluster_cost`.
    """
    others = nearest.clone()
    others[sources, torch.arange(len(owners))] = torch.inf
    count = min(NEIGHBOURS, len(nearest) - 1)
    neighbours = others.topk(count, dim=0, largest=False).indices
    return (labels[neighbours] == owners).float().mean(0)


def pure_enough(shares: Tensor, labels: Tensor, owners: Tensor, classes: int) -> Tensor:
    """Bool `(J,)`: which shares reach the bar. Of a class with none, the purest prototype stays.

    The bar lies midway between chance and all; Chen et al.'s half is chance where there are two classes.
    """
    chance = torch.bincount(labels, minlength=classes) / len(labels)
    stays = shares >= (1 + chance[owners]) / 2
    return _one_of_each(stays, torch.where(own_class(owners, classes), shares, -1), owners)


def _one_of_each(stays: Tensor, scores: Tensor, owners: Tensor) -> Tensor:
    """`stays` `(J,)`, and of each class that keeps no prototype the best by `scores` `(K, J)`."""
    for label in owners.unique().tolist():
        if not stays[owners == label].any():
            stays[scores[label].argmax()] = True
    return stays


# --- The last layer -------------------------------------------------------------------------------------------------


class LastLayer(NamedTuple):
    """Weights `(K, J)` and bias `(K,)`, float64."""

    weights: Tensor
    bias: Tensor


def solve_last_layer(
    similarities: Tensor, labels: Tensor, owners: Tensor, classes: int, *, l1: float = L1, l2: float = L2
) -> LastLayer:
    """The best weights for `similarities` `(N, J)` of pictures of classes `labels` `(N,)`.

    min over W, b of Σᵢ sᵢ CE(W gᵢ + b, yᵢ) + λ₁ ‖W‖₁ + λ₂/2 ‖W‖², where a prototype's weight for its own class is at
    least 0 and for others 0: it speaks for its class, or not at all. Unlike Chen et al. it is solved to convergence,
    with a bias, every class counting alike, and off-class weights are not made small but left out.

    `owners` `(J,)` is the class of each prototype. The answer is for the similarities as given; the penalty is on
    weights of similarities divided by their common spread, so that it does not hang on their units.

    Raises:
        ExplainError: similarities are not finite, or the answer did not settle.
    """
    if not similarities.isfinite().all():
        raise ExplainError("the similarity of a picture to a prototype is not finite; train again at lower rates")
    given = similarities.double().cpu().numpy()
    middle = given.mean(0)
    # One spread for all: a prototype that is almost equally alike everywhere must not count as much as others.
    spread = max(float(np.sqrt(np.square(given - middle).mean())), 1e-9)
    scaled = (given - middle) / spread
    own = own_class(owners, classes).double().cpu().numpy()  # (K, J)
    truth = functional.one_hot(labels, classes).double().cpu().numpy()  # (N, K)
    counts = truth.sum(0)
    importance = (truth / np.maximum(counts, 1) / (counts > 0).sum()).sum(1)  # every class counts alike

    def cost(at: np.ndarray) -> tuple[float, np.ndarray]:
        """The sum above, where all weights are at least 0, and its gradient, at J weights and K biases."""
        weights, bias = np.split(at, [len(middle)])
        logs = log_softmax((scaled * weights) @ own.T + bias, axis=1)
        excess = (np.exp(logs) - truth) * importance[:, None]
        value = -importance @ (logs * truth).sum(1) + l1 * weights.sum() + l2 / 2 * weights @ weights
        return value, np.r_[((excess @ own) * scaled).sum(0) + l1 + l2 * weights, excess.sum(0)]

    bounds = [(0, None)] * len(middle) + [(None, None)] * classes
    options = {"maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 30}
    found = minimize(cost, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    if found.status == 1:
        raise ExplainError(f"the last layer did not settle in {MOST_STEPS:,} steps; prune prototypes that are alike")
    weights, bias = np.split(found.x, [len(middle)])
    weights = own * weights / spread
    return LastLayer(*(torch.from_numpy(each).to(similarities.device) for each in (weights, bias - weights @ middle)))

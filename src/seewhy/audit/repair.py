"""What a repair is worth, and repair of the last layer, so that a finding no longer carries its class: three ways.

All three work on embeddings, so that they cost seconds once each photo was asked about as it is, with the finding
laid over it, and with it taken out. Classes of which there are no photos keep their weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # of what holds the weights where they were
SUBSETS = 10  # balanced ones, of which the mean is taken. Source: Kirichenko 2023 (DFR)
FEWEST = 3  # photos of a group
STEPS = 60
WEIGHT = 4  # points of the worst group that one of overall accuracy is worth
GAIN = 0.01  # of the worst group's accuracy that it has to bring


@dataclass(frozen=True)
class Head:
    """A linear last layer: weights `(K, D)` and biases `(K,)`."""

    weight: Tensor
    bias: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Logits `(n, K)`."""
        return embeddings @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class Embedded:
    """Photos as embeddings `(n, D)`: as they are, with the finding, without it; their classes, and who carries it."""

    plain: Tensor
    laid: Tensor
    taken: Tensor
    labels: Tensor
    carries: Tensor

    def part(self, rows: NDArray[np.int64]) -> Embedded:
        """These photos."""
        return Embedded(*(each[rows] for each in (self.plain, self.laid, self.taken, self.labels, self.carries)))


@dataclass(frozen=True, eq=False)
class Answers:
    """What a network says of photos as they are, with the finding and without it, one number for each.

    Attributes:
        mine: which are of the finding's class.
        plain: which are right as they are.
        laid: which are right with the finding.
        taken: which are right without it.
        likely_laid: the probability of the finding's class with it.
        likely_taken: the same without it.
    """

    mine: Bools
    plain: Bools
    laid: Bools
    taken: Bools
    likely_laid: Floats
    likely_taken: Floats


@dataclass(frozen=True)
class Judged:
    """How good a network is: on photos as they are, by group, and how far the finding moves its class."""

    accuracy: float
    groups: Mapping[str, float]
    effect: float

    @property
    def worst(self) -> float:
        """The accuracy of the worst group."""
        return min(self.groups.values())


def judged(answers: Answers) -> Judged:
    """Accuracy of the class of the finding and of all others, each with the finding and without."""
    mine = answers.mine
    groups = {
        f"{who}, {how}": float(right[rows].mean())
        for who, rows in (("of its class", mine), ("of others", ~mine))
        for how, right in (("with the finding", answers.laid), ("without it", answers.taken))
        if rows.any()
    }
    moved = (answers.likely_laid - answers.likely_taken)[~mine]
    return Judged(float(answers.plain.mean()), groups, float(moved.mean()) if len(moved) else 0.0)


def answers_of(logits: tuple[Tensor, Tensor, Tensor], labels: Tensor, target: int) -> Answers:
    """Logits `(n, K)` of photos as they are, with the finding, without it, as answers."""
    plain, laid, taken = ((each.argmax(1) == labels).numpy() for each in logits)
    likely = (each.double().softmax(1)[:, target].numpy() for each in logits[1:])
    return Answers((labels == target).numpy(), plain, laid, taken, *likely)


def answered(head: Head, photos: Embedded, target: int) -> Answers:
    """What a last layer says of embedded photos."""
    return answers_of((head(photos.plain), head(photos.laid), head(photos.taken)), photos.labels, target)


def heads(head: Head, photos: Embedded, seed: int) -> Iterator[tuple[str, Head]]:
    """Repaired heads with how they were made, from the photos of one part."""
    yield "the finding's direction projected out", projected(head, photos)
    both = torch.cat([photos.laid, photos.taken])
    for strength in STRENGTHS:
        yield (
            f"last layer retrained with the finding laid over all classes ({strength:g})",
            fitted(head, both, photos.labels.repeat(2), strength),
        )
        if subsets := list(_balanced(photos, seed)):
            heads = [fitted(head, photos.plain[rows], photos.labels[rows], strength) for rows in subsets]
            mean = Head(
                *(
                    torch.stack(parts).mean(0)
                    for parts in zip(*((each.weight, each.bias) for each in heads), strict=True)
                )
            )
            yield f"last layer retrained on groups of one size ({strength:g})", mean


def projected(head: Head, photos: Embedded) -> Head:
    """The head that does not see the mean step from without the finding to with it."""
    step = (photos.laid - photos.taken).mean(0)
    step = step / step.norm().clamp(min=1e-9)
    seen = head.weight @ step
    return Head(head.weight - seen[:, None] * step, head.bias + seen * (photos.taken @ step).mean())


def fitted(head: Head, embeddings: Tensor, labels: Tensor, strength: float) -> Head:
    """Logistic regression that starts from a head and is held to it; classes without photos stay."""
    known = labels.unique()
    scale = embeddings.square().mean()
    start = torch.cat([head.weight, head.bias[:, None]], 1)[known].double()
    rows = torch.cat([embeddings, torch.ones(len(embeddings), 1)], 1).double()
    fixed = head(embeddings).double()
    change = torch.zeros_like(start, requires_grad=True)
    optimiser = torch.optim.LBFGS([change], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = fixed.index_add(1, known, rows @ change.T)
        found = cross_entropy(logits, labels) + strength * scale * change.square().sum()
        found.backward()
        return found

    with torch.enable_grad():
        optimiser.step(loss)
    new = change.detach().float()
    return Head(head.weight.index_add(0, known, new[:, :-1]), head.bias.index_add(0, known, new[:, -1]))


def worthwhile(before: Judged, after: Judged) -> float | None:
    """What a repair gains, where it brings more than it costs."""
    return gain(before, after) if worth(before, after) else None


def worth(before: Judged, after: Judged) -> bool:
    """Whether a repair brings the worst group something, and by far more than it costs overall."""
    return after.worst - before.worst >= GAIN and gain(before, after) > 0


def gain(before: Judged, after: Judged) -> float:
    """What a repair brings the worst group, less what it costs overall, which counts several times as much."""
    return after.worst - before.worst - WEIGHT * max(before.accuracy - after.accuracy, 0)


def _balanced(photos: Embedded, seed: int) -> Iterator[Tensor]:
    """Subsets with as many photos of each class that carry the finding as of that class that do not.

    None where too few carry it, or too few do not, in a class and outside it.
    """
    groups = [
        torch.nonzero((photos.labels == label) & (photos.carries == carries)).flatten()
        for label in photos.labels.unique()
        for carries in (False, True)
    ]
    told = [group for group in groups if len(group) >= FEWEST]
    if len(told) < len(groups):
        return
    size, generator = min(map(len, told)), torch.Generator().manual_seed(seed)
    for _ in range(SUBSETS):
        yield torch.cat([group[torch.randperm(len(group), generator=generator)[:size]] for group in told])

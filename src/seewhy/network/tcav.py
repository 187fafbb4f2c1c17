"""TCAV: does the network use a concept that people name, shown to it by example pictures?

A concept is a direction in a layer's activations, the one along which a linear classifier tells pictures of the
concept from other pictures (CAV). The TCAV score is the share of a class's pictures whose score grows along it.
Activations are averaged over the layer's grid, so that a concept may be anywhere in the picture, and a direction is
learned from few pictures.

Source: Kim et al. 2018 (arXiv 1711.11279). This differs in three points:

- Activations are averaged.
- The classifier separates the concept from all other pictures, not from as few as it has itself, and finds far more.
- The test is one of permutation. The paper's t-test treats scores that share their concept pictures as independent, and
  so finds random concepts significant more often than it says. Here random sets of pictures take the concept's place,
  and p is the concept's rank among them. That is exact: of concepts whose pictures are like the others, no more than a
  share α gets a p of α or less. Scores of random sets are often 0 or 1, so sets are ranked by the slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Classifier, Target, capture, folded

Rows = NDArray[np.float64]

SETS = 200
BATCH = 16
FEWEST = 5  # pictures of a concept
FEWEST_OF_CLASS = 10  # of fewer the score is coarse: of one picture it is 0 or 1


@dataclass(frozen=True)
class ConceptTest:
    """How a class responds to a concept at one layer.

    `accuracy` is of the direction as a classifier of the concept against random pictures, on pictures that did not
    help to find it.
    """

    layer: str
    score: float  # TCAV score in [0, 1]
    slope: float  # how steeply scores grow along the concept, of the steepest way there is: from −1 to 1
    chance: tuple[float, ...]  # the slopes of random concepts
    p: float  # two-sided, of this question alone: how often chance gives a slope as far out
    accuracy: float  # 0.5 is chance
    pictures: int  # of the class

    @property
    def interval(self) -> tuple[float, float]:
        """Where the slopes of 95 % of the random concepts lie."""
        low, high = np.percentile(self.chance, [2.5, 97.5])
        return float(low), float(high)


def tcav(
    classifier: Classifier,
    concept: Sequence[Image],
    others: Sequence[Image],
    pictures: Sequence[tuple[Image, Target]],
    layers: Sequence[str],
    *,
    seed: int = 0,
    sets: int = SETS,
    progress: Progress = silent,
) -> list[ConceptTest]:
    """Test a concept at each layer.

    Args:
        classifier: it must offer layers and gradients.
        concept: pictures of the concept, five at least.
        others: pictures without it, of which random sets are drawn; ten times as many are well.
        pictures: of the class, ten at least, each with the class as its target; several classes make a group.
        layers: where to look.
        seed: of the random sets.
        sets: how many random concepts; p cannot fall below 1 / (sets + 1).
        progress: told of pictures and of random sets.

    Raises:
        UsageError: too few pictures.
        ExplainError: a layer has no grid.
    """
    if len(concept) < FEWEST or len(others) < 2 * len(concept) or len(pictures) < FEWEST_OF_CLASS:
        raise UsageError(
            f"TCAV needs {FEWEST} pictures of the concept at least, twice as many others, and {FEWEST_OF_CLASS} of the "
            f"class; there are {len(concept)}, {len(others)} and {len(pictures)}"
        )
    shown = features(classifier, concept, layers, progress)
    rest = features(classifier, others, layers, progress)
    found = gradients(classifier, pictures, layers, progress)
    return [
        judge(layer, shown[layer], rest[layer], found[layer], np.random.default_rng(seed), sets, progress)
        for layer in layers
    ]


def judge(
    layer: str,
    concept: Rows,
    others: Rows,
    gradients: Rows,
    generator: np.random.Generator,
    sets: int = SETS,
    progress: Progress = silent,
) -> ConceptTest:
    """The test on features `(n, C)` of the concept and `(m, C)` of others, and gradients `(k, C)` of the class.

    The concept, and `sets` random sets of its size out of all pictures, are each separated from what is left. p is the
    share of sets, the concept among them, whose slope is at least as far from the mean of all.
    """
    count, rows = len(concept), np.concatenate([concept, others])
    directions = [concept_direction(concept, others)]
    for number in range(sets):
        progress(number, sets, f"random concepts at {layer}")
        order = generator.permutation(len(rows))
        directions.append(concept_direction(rows[order[:count]], rows[order[count:]]))
    steep = np.array([steepness(gradients, direction) for direction in directions])
    far = np.abs(steep - steep.mean())
    against = others[generator.permutation(len(others))[:count]]
    return ConceptTest(
        layer,
        tcav_score(gradients, directions[0]),
        float(steep[0]),
        tuple(steep[1:].tolist()),
        float((far >= far[0] - 1e-12).mean()),
        _accuracy(concept, against, generator),
        len(gradients),
    )


def concept_direction(concept: Rows, others: Rows) -> NDArray[np.float64]:
    """The CAV `(C,)`: unit normal of the plane that parts the rows of the concept from the others', towards it.

    Ridge regression on ±1, as scikit-learn's RidgeClassifier, in the closed form that suits few rows: a test takes a
    thousand of them.
    """
    rows = np.concatenate([concept, others])
    rows = (rows - rows.mean(0)) / (rows.std() or 1.0)
    labels = np.repeat([1.0, -1.0], [len(concept), len(others)])
    normal = rows.T @ np.linalg.solve(rows @ rows.T + np.eye(len(rows)), labels - labels.mean())
    length = np.linalg.norm(normal)
    return normal / length if length else normal


def tcav_score(gradients: Rows, direction: NDArray[np.float64]) -> float:
    """The share of pictures whose score grows along the direction; who neither grows nor falls counts half."""
    return float(((np.sign(gradients @ direction) + 1) / 2).mean())


def steepness(gradients: Rows, direction: NDArray[np.float64]) -> float:
    """The mean slope along the direction, of the mean length of the gradients: from −1 to 1."""
    longest = np.linalg.norm(gradients, axis=1).mean()
    return float((gradients @ direction).mean() / longest) if longest else 0.0


def features(
    classifier: Classifier, images: Sequence[Image], layers: Sequence[str], progress: Progress = silent
) -> dict[str, Rows]:
    """Activations of each layer, averaged over its grid, `(n, C)`."""
    grids = {layer: classifier.require_grid(layer) for layer in layers}
    found: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    size = classifier.at_once(BATCH)
    for start in range(0, len(images), size):
        progress(start, len(images), "pictures")
        with capture(classifier.module, list(layers), gradients=False) as seen:
            classifier.logits(classifier.preprocess(images[start : start + size]))
            for layer, grid in grids.items():
                found[layer].append(folded(grid, seen[layer]).mean((2, 3)))
    return {layer: _rows(torch.cat(parts)) for layer, parts in found.items()}


def gradients(
    classifier: Classifier,
    pictures: Sequence[tuple[Image, Target]],
    layers: Sequence[str],
    progress: Progress = silent,
) -> dict[str, Rows]:
    """How each picture's score changes when a layer's features change everywhere alike: gradients `(n, C)`, summed."""
    grids = {layer: classifier.require_grid(layer) for layer in layers}
    found: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    size = classifier.at_once(BATCH)
    for start in range(0, len(pictures), size):
        progress(start, len(pictures), "pictures of the class")
        part = pictures[start : start + size]
        with capture(classifier.module, list(layers)) as seen:
            logits = classifier.logits(classifier.preprocess([image for image, _ in part]))
            score = torch.stack([target.score(row) for (_, target), row in zip(part, logits, strict=True)]).sum()
            measured = seen.gradients(score, list(layers))
        for layer, grid in grids.items():
            found[layer].append(folded(grid, measured[layer]).sum((2, 3)))
    return {layer: _rows(torch.cat(parts)) for layer, parts in found.items()}


def _rows(tensor: Tensor) -> Rows:
    return tensor.detach().double().cpu().numpy()


def _accuracy(concept: Rows, others: Rows, generator: np.random.Generator) -> float:
    """How often a half of the pictures tells the other half's apart, both ways."""
    half = len(concept) // 2
    order = generator.permutation(len(concept))
    parts = (order[:half], order[half:])
    right: list[float] = []
    for learn, ask in (parts, parts[::-1]):
        direction = concept_direction(concept[learn], others[learn])
        middle = (concept[learn].mean(0) + others[learn].mean(0)) / 2 @ direction
        right += [*(concept[ask] @ direction > middle), *(others[ask] @ direction <= middle)]
    return float(np.mean(right))

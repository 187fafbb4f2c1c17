"""This looks like that: what a prototype network finds in a picture, and the points that it gives for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from seewhy.core.progress import Progress, silent
from seewhy.images import Image
from seewhy.models import Box, Prediction
from seewhy.prototypes.boxes import on_picture, peak_box
from seewhy.prototypes.model import Prototype, PrototypeModel

Numbers = NDArray[np.float32]


@dataclass(frozen=True)
class Match:
    """A prototype's best likeness in a picture: where, how much, and the points that its class gets for it."""

    number: int
    prototype: Prototype
    similarity: float
    weight: float
    box: Box  # in pixels of the upright picture

    @property
    def points(self) -> float:
        """Similarity × weight."""
        return self.similarity * self.weight


@dataclass(frozen=True, eq=False)
class PrototypeExplanation:
    """What each prototype of a model finds in one picture.

    Attributes:
        image: the picture.
        view: the part that the network saw, in pixels of the picture.
        maps: `(J, h, w)`, the likeness of each patch to each prototype.
        scores: `(K,)`, the network's logits.
        predictions: all classes, best first.
        model: whose prototypes they are.
    """

    image: Image
    view: Box
    maps: Numbers = field(repr=False)
    scores: Numbers
    predictions: tuple[Prediction, ...]
    model: PrototypeModel = field(repr=False)

    @property
    def similarities(self) -> Numbers:
        """The best likeness to each prototype, `(J,)`."""
        return self.maps.max((1, 2))

    def start(self, label: int) -> float:
        """The points that a class has before anything is found."""
        return float(self.model.network.head.bias[label])

    def points(self, label: int) -> Numbers:
        """What each prototype gives to a class, `(J,)`; with its start they add up to its score."""
        return self.model.network.head.weights[label].cpu().numpy() * self.similarities

    def matches(self, label: int) -> list[Match]:
        """The prototypes that speak for a class, or against it, those with most points first."""
        points = self.points(label)
        order = np.argsort(-np.abs(points), kind="stable")
        return [self._match(number, label) for number in order.tolist() if points[number]]

    def _match(self, number: int, label: int) -> Match:
        size = self.model.preprocessing.size
        box = on_picture(peak_box(self.maps[number], size), size, self.view)
        weight = float(self.model.network.head.weights[label, number])
        return Match(number, self.model.prototypes[number], float(self.similarities[number]), weight, box)


def explain_by_prototypes(
    model: PrototypeModel, images: Sequence[Image], progress: Progress = silent
) -> list[PrototypeExplanation]:
    """Hold every picture against the prototypes; one forward each."""
    found: list[PrototypeExplanation] = []
    for done, image in enumerate(images):
        progress(done, len(images), "pictures")
        found.append(_explained(model, image))
    return found


def _explained(model: PrototypeModel, image: Image) -> PrototypeExplanation:
    classifier, head = model.classifier, model.network.head
    with torch.no_grad():
        likeness = head.similarity(head.distances(model.network.trunk(classifier.preprocess([image]))))
        scores = head.score(likeness.amax((2, 3)))[0]
    ranked = tuple(classifier.ranked(scores.softmax(0), len(scores)))
    view = model.preprocessing.view(image)
    return PrototypeExplanation(image, view, likeness[0].cpu().numpy(), scores.cpu().numpy(), ranked, model)

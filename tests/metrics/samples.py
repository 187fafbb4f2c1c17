"""Explanations made up for the tests of metrics, and a network whose answer is a sum over what it sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

import planted
from seewhy.images import Image
from seewhy.methods import Explanation
from seewhy.metrics import Context, Score, find_metric
from seewhy.models import Classifier, Prediction, Preprocessing, Target

RED = Target(0)  # of the planted network


class Sum(nn.Module):
    """The probability of class 0 is the sum of `weights` `(h, w)` times red; class 1 has the rest."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(weights).float())

    def forward(self, x: Tensor) -> Tensor:
        likely = (x[:, 0] * self.weights).sum((1, 2)).clamp(1e-9, 1 - 1e-6)
        return torch.stack([likely, 1 - likely], 1).log()


def summing(weights: np.ndarray) -> Classifier:
    """The classifier of `Sum`: black adds nothing, white its weight."""
    size = (weights.shape[0], weights.shape[1])
    preprocessing = Preprocessing(size, mean=(0, 0, 0), std=(1, 1, 1))
    return Classifier.from_module(Sum(weights).eval(), preprocessing, ["summed", "rest"], "sum")


def white(size: tuple[int, int]) -> Image:
    return Image(np.full((*size, 3), 255, np.uint8), "white")


def noisy(size: tuple[int, int], seed: int = 0) -> Image:
    return Image(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8), "noise")


def explanation(subject: Context, values: np.ndarray, target: Target = RED, seed: int = 0) -> Explanation:
    """`values` as if a method had found them."""
    indices = {target.index, target.against} - {None}
    return Explanation(
        values=values,
        image=subject.image,
        view=subject.classifier.preprocessing.view(subject.image),
        target=target,
        target_label=target.label(subject.classifier.categories),
        predictions=tuple(Prediction(index, str(index), 0.5) for index in indices if index is not None),
        method="made-up",
        signed=bool((np.asarray(values) < 0).any()),
        classifier=subject.classifier.name,
        fingerprint="",
        seed=seed,
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scores(
    name: str, subject: Context, maps: Sequence[np.ndarray], *, seed: int = 0, **settings: object
) -> list[Score]:
    """What the metric says of maps of class 0."""
    found = [explanation(subject, each) for each in maps]
    return find_metric(name, **settings)(subject, found, generator=seeded(seed))


def values(name: str, subject: Context, maps: Sequence[np.ndarray], **settings: object) -> list[float | None]:
    return [each.value for each in scores(name, subject, maps, **settings)]


def planted_subject() -> Context:
    """The picture of squares, its mask the red one."""
    mask = np.zeros((planted.SIZE, planted.SIZE), bool)
    mask[planted.ROWS, planted.COLUMNS] = True
    return Context(planted.classifier(), planted.picture(), mask)


def perfect_map() -> np.ndarray:
    """What the network looks at, in its logits' own proportions: red for, green against, nothing else."""
    pixels = planted.picture().pixels.astype(np.float64) / 255
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return 1.5 * (red - green - blue).clip(min=0) - 0.5 * (green - red - blue).clip(min=0)


def random_map(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((planted.SIZE, planted.SIZE))

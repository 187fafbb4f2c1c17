"""Mosaics of photos: does a map for one photo's class fall on that photo?

Where a class is in a mosaic is known without anybody drawing masks, and each class has the others for a control. In the
grid pointing game the network sees the whole mosaic, and may well look at a neighbour. In DiFull it cannot: what falls
on one is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import override

from seewhy.engines import Answers
from seewhy.errors import UsageError
from seewhy.images import Image, from_values, open_image
from seewhy.methods import Method, find_method
from seewhy.methods.method import require_suitable
from seewhy.metrics.context import cell_labels
from seewhy.metrics.localisation import energy_in_mask
from seewhy.models import Categories, Classifier, Head, Target


def mosaic(pictures: np.ndarray) -> np.ndarray:
    """n² pictures `(n², h, w, C)` as one `(h, w, C)`, row by row, each shrunk by the mean of what falls on a pixel.

    >>> mosaic(np.arange(4).repeat(16).reshape(4, 4, 4, 1))[..., 0]
    array([[0., 0., 1., 1.],
           [0., 0., 1., 1.],
           [2., 2., 3., 3.],
           [2., 2., 3., 3.]])
    """
    count, height, width, _ = pictures.shape
    side = round(count**0.5)
    rows, columns = ((np.arange(length) * side % length, np.arange(length) * side // length)
                     for length in (height, width))  # fmt: skip
    found = np.empty(pictures.shape[1:])
    for row, (top, down) in enumerate(zip(*rows, strict=True)):
        for column, (left, across) in enumerate(zip(*columns, strict=True)):
            picture = pictures[down * side + across]
            found[row, column] = picture[top : top + side, left : left + side].mean((0, 1))
    return found


def grid_pointing_game(
    classifier: Classifier,
    images: Sequence[Any],
    method: str | Method,
    *,
    seed: int = 0,
) -> np.ndarray:
    """The share of the evidence for each photo's class that lies on that photo in a mosaic of them.

    The classes are those that the network finds likeliest for each photo alone, and have to differ. By chance a map
    gets one n²th. Source: Böhle 2021, and Rao 2022; there the mosaic is as large as its photos together, here they are
    shrunk to fit into what the network sees.

    Args:
        classifier: whose decisions are explained.
        images: n² pictures, as `open_image` takes them: 4, 9, …
        method: what explains.
        seed: of all randomness.

    Returns:
        A share for each photo, `(n²,)`; NaN where the map shows no evidence.

    Raises:
        UsageError: their number is no square, or two photos are of one class to the network.
    """
    seen, classes = _photos(classifier, images)
    if len({*classes}) < len(classes):
        raise UsageError("two of these pictures are of one class to the network; give pictures of different classes")
    whole = (mosaic(seen) * 255).round().astype(np.uint8)
    picture = from_values(classifier.preprocessing.framed(whole), "mosaic", alpha=False)
    return _shares(classifier, picture, [Target(each) for each in classes], method, seed)


def difull(classifier: Classifier, images: Sequence[Any], method: str | Method, *, seed: int = 0) -> np.ndarray:
    """The share of the evidence for each photo's class that lies on that photo, where no other can play a part.

    The mosaic is as large as its photos together. The network answers for each of them alone, and of each photo only
    the score of its likeliest class goes on: whatever else a map marks is wrong, whether the network is good or bad.
    Layers have no grid over such a mosaic, so that methods of layers are refused. Source: Rao 2022, DiFull.

    Args:
        classifier: whose decisions are explained.
        images: n² pictures, as `open_image` takes them: 4, 9, …
        method: what explains.
        seed: of all randomness.

    Returns:
        A share for each photo, `(n²,)`; NaN where the map shows no evidence.

    Raises:
        UsageError: their number is no square, or the method asks for layers.
    """
    seen, classes = _photos(classifier, images)
    asked = find_method(method) if isinstance(method, str) else method
    apart = disconnected(classifier, classes)
    require_suitable(asked, apart)
    picture = from_values((side_by_side(seen) * 255).round().astype(np.uint8), "mosaic", alpha=False)
    return _shares(apart, picture, [Target(place) for place in range(len(classes))], asked, seed)


def side_by_side(pictures: np.ndarray) -> np.ndarray:
    """n² pictures `(n², h, w, C)` as one `(n h, n w, C)`, row by row."""
    side = round(len(pictures) ** 0.5)
    return np.concatenate([np.concatenate([*row], axis=1) for row in pictures.reshape(side, side, *pictures.shape[1:])])


def disconnected(classifier: Classifier, classes: Sequence[int]) -> Classifier:
    """The classifier of n² pictures side by side, whose n² scores are that of one of `classes` in one picture each."""
    own, side = classifier.preprocessing, round(len(classes) ** 0.5)
    return Classifier(
        _Disconnected(classifier.module, classifier.head, classes),
        replace(own, size=(own.size[0] * side, own.size[1] * side), resize=None),
        Categories(tuple(classifier.categories[each] for each in classes)),
        name=f"{classifier.name}, picture by picture",
        offers=classifier.offers - {"layers"},
        given_head=Head("logits", classes=len(classes)),
    )


class _Disconnected(nn.Module):
    """Scores `(N, n²)` of inputs `(N, C, n h, n w)`: what the network says of a class in each part alone."""

    def __init__(self, network: nn.Module, head: Head, classes: Sequence[int]) -> None:
        super().__init__()
        self.network, self.head, self.classes = network, head, tuple(classes)

    @override
    def forward(self, x: Tensor) -> Tensor:
        side = round(len(self.classes) ** 0.5)
        parts = [part for row in x.chunk(side, dim=2) for part in row.chunk(side, dim=3)]
        scores = [self.head.ask(self.network, part.contiguous()) for part in parts]
        return torch.stack([each[:, index] for each, index in zip(scores, self.classes, strict=True)], dim=1)


def _photos(classifier: Classifier, images: Sequence[Any]) -> tuple[np.ndarray, list[int]]:
    """What the network sees of each picture, `(n², h, w, C)` in [0, 1], and the class that it finds likeliest there."""
    opened: list[Image] = [open_image(each) for each in images]
    side = round(len(opened) ** 0.5)
    if side < 2 or side**2 != len(opened):
        raise UsageError(f"a mosaic takes 4, 9, 16 or more pictures in a square, not {len(opened)}")
    seen = classifier.preprocessing.pixels(opened).permute(0, 2, 3, 1).numpy()
    return seen, [classifier.predict(each, 1)[0].index for each in opened]


def _shares(
    classifier: Classifier, picture: Image, targets: Sequence[Target], method: str | Method, seed: int
) -> np.ndarray:
    """The share of the evidence for each target that lies in its own part of the picture."""
    asked = find_method(method) if isinstance(method, str) else method
    found = asked(
        classifier,
        [picture],
        [[*targets]],
        generator=torch.Generator().manual_seed(seed),
        answers=Answers(),
    )
    layers = len(found) // len(targets)
    cells = cell_labels(classifier.preprocessing.size, round(len(targets) ** 0.5))
    return np.array([_inside(found[place * layers].values, cells == place) for place in range(len(targets))])


def _inside(values: np.ndarray, area: np.ndarray) -> float:
    return energy_in_mask(values, area) if (values > 0).any() else float("nan")

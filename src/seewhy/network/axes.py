"""The axes of the class space: the directions of the embedding by which classes differ most, and those no class sees.

W `(K, D)` are the weights of the last layer, f `(D,)` what goes into it. Only differences of scores count, so W is
centred over classes. Of its singular value decomposition U Σ Vᵀ the rows of Vᵀ are the axes: along the first the scores
of classes part most. What lies across all of them changes no difference of scores: the classifier is blind to it.
Source: the algebra is that of SeFa (Shen & Zhou 2021, arXiv 2007.06600), which takes a generator's first layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Box, Classifier, capture, folded
from seewhy.models.state import undisturbed

BATCH = 16
VISIBLE = 1e-6  # of the largest singular value
LINEAR = 1e-3  # of the largest score: how far scores may be from W f + b
EXACT = 1e-3  # of the largest number of the embedding: how far a layer's mean may be from it
AXES, ENDS, SHOWN = 4, 4, 3  # axes, classes that name an end, photos at an end


@dataclass(frozen=True, eq=False)
class ClassSpace:
    """`axes` `(r, D)` of length 1, the widest first; `widths` `(r,)`; `classes` `(K, r)` where each class lies.

    `classes * widths` are the centred weights along the axes. The largest number of a column of `classes` is positive.
    `blind` is how many directions of the embedding lie across all axes.
    """

    axes: Tensor
    widths: Tensor
    classes: Tensor

    @property
    def blind(self) -> int:
        """How many directions no difference of scores sees."""
        return self.axes.shape[1] - len(self.axes)

    @property
    def shares(self) -> Tensor:
        """Of all by which classes differ, the part along each axis."""
        squares = self.widths.square()
        return squares / squares.sum()

    def unseen(self, features: Tensor) -> Tensor:
        """The share of the squares of embeddings `(N, D)` that the classifier is blind to, `(N,)`."""
        whole = features.square().sum(1).clamp(min=torch.finfo(features.dtype).tiny)
        return (1 - (features @ self.axes.T).square().sum(1) / whole).clamp(min=0)


@dataclass(frozen=True, eq=False)
class AxisPhoto:
    """A photo at the end of an axis: its `coordinate`, and where that comes from, `(h, w)` with it as its mean."""

    image: Image
    view: Box
    coordinate: float
    map: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis: its `share` of all by which classes differ; at either end the classes, farthest first, and photos."""

    number: int
    share: float
    low: tuple[str, ...]
    high: tuple[str, ...]
    low_photos: tuple[AxisPhoto, ...]
    high_photos: tuple[AxisPhoto, ...]


@dataclass(frozen=True, eq=False)
class Axes:
    """The widest axes of a classifier, with photos.

    `blind` of `size` directions are seen by no class; `unseen` is the share of a photo's embedding along them, the
    mean over photos. `coordinates` `(N, axes)` are those of the photos.
    """

    axes: tuple[Axis, ...]
    size: int
    blind: int
    unseen: float
    coordinates: np.ndarray
    photos: tuple[str, ...]


def class_space(weights: Tensor) -> ClassSpace:
    """The axes of weights `(K, D)`, of two classes or more."""
    weights = weights.double()
    left, widths, axes = torch.linalg.svd(weights - weights.mean(0), full_matrices=False)
    seen = int((widths > VISIBLE * widths[0]).sum())
    left, widths, axes = left[:, :seen], widths[:seen], axes[:seen]
    largest = left.gather(0, left.abs().argmax(0, keepdim=True))
    signs = torch.where(largest < 0, -1.0, 1.0)
    return ClassSpace(axes * signs.T, widths, left * signs)


@undisturbed()
def find_axes(
    classifier: Classifier, images: Sequence[Image], *, count: int = AXES, progress: Progress = silent
) -> Axes:
    """The axes along which a classifier's classes differ most, and where photos lie on them.

    Args:
        classifier: its scores are a linear function of what goes into its last layer.
        images: photos, of which those at both ends of each axis are shown.
        count: how many axes.
        progress: told of photos.

    Raises:
        UsageError: there is no photo, no second class, or the last layer is not linear.
    """
    if not images:
        raise UsageError("axes are shown by photos at their ends; give some")
    if "gradients" not in classifier.offers or classifier.head.meaning == "values":
        raise UsageError(f"axes are those of a network of classes that gives gradients; {classifier.name} is none")
    weights = classifier.embedding_weights(classifier.probe()).double().cpu()
    space = class_space(weights)
    features, maps = _seen(classifier, images, weights, space.axes[:count], progress)
    coordinates = features @ space.axes[:count].T
    axes = tuple(
        _axis(
            classifier,
            images,
            space,
            number,
            coordinates[:, number],
            [None if each is None else each[number] for each in maps],
        )
        for number in range(coordinates.shape[1])
    )
    names = tuple(image.name for image in images)
    unseen = float(space.unseen(features).mean())
    return Axes(axes, weights.shape[1], space.blind, unseen, coordinates.numpy(), names)


def _seen(
    classifier: Classifier, images: Sequence[Image], weights: Tensor, axes: Tensor, progress: Progress
) -> tuple[Tensor, list[list[np.ndarray] | None]]:
    """Embeddings `(N, D)`, float64, of which the scores are a linear function; and of each photo its maps along axes.

    ⟨axis, A⟩ `(h, w)` of the last layer's maps A averages to the coordinate where the embedding is their mean; of
    other networks there are none.
    """
    features: list[Tensor] = []
    over: list[Tensor] = []
    maps: list[list[np.ndarray] | None] = []
    size, largest = classifier.at_once(BATCH), 1.0
    layers = [classifier.default_layer] if "layers" in classifier.offers else []
    grids = {each: classifier.require_grid(each) for each in layers}
    for start in range(0, len(images), size):
        progress(start, len(images), "photos")
        with capture(classifier.module, layers, gradients=False) as kept:
            found, logits = classifier.embed_and_score(classifier.preprocess(images[start : start + size]))
        last = [folded(grid, kept[each]).detach().double().cpu() for each, grid in grids.items()]
        found, logits = found.detach().double().cpu(), logits.detach().double().cpu()
        features.append(found)
        over.append(logits - found @ weights.T)
        largest = max(largest, float(logits.abs().max()))
        maps += _along(axes, last[0], found) if last else [None] * len(found)
    biases = torch.cat(over)
    if float((biases - biases[0]).abs().max()) > LINEAR * largest:
        raise UsageError(
            f"the scores of {classifier.name} are no linear function of what goes into its last layer, so its classes "
            "have no axes there"
        )
    return torch.cat(features), maps


def _along(axes: Tensor, maps: Tensor, features: Tensor) -> list[list[np.ndarray] | None]:
    """Of maps `(n, D, h, w)` those along each axis; None where their means are not the features `(n, D)`."""
    if maps.shape[1] != axes.shape[1]:
        return [None] * len(maps)
    away = (maps.mean((2, 3)) - features).abs().amax(1)
    exact = (away <= EXACT * features.abs().amax(1)).tolist()
    along = torch.einsum("ad,ndhw->nahw", axes, maps).numpy()
    return [list(each) if fits else None for each, fits in zip(along, exact, strict=True)]


def _axis(
    classifier: Classifier,
    images: Sequence[Image],
    space: ClassSpace,
    number: int,
    along: Tensor,
    maps: Sequence[np.ndarray | None],
) -> Axis:
    order = space.classes[:, number].argsort().tolist()
    names = [classifier.categories[index] for index in order]
    ends = min(ENDS, len(names) // 2)
    photos = along.argsort().tolist()
    half = min(SHOWN, len(photos) // 2)
    low, high = photos[:half], photos[::-1][:half]
    if len(photos) == 1:  # it lies at one end
        low, high = (photos, []) if float(along[0]) < 0 else ([], photos)

    def show(which: Sequence[int]) -> tuple[AxisPhoto, ...]:
        return tuple(
            AxisPhoto(images[each], classifier.preprocessing.view(images[each]), float(along[each]), maps[each])
            for each in which
        )

    return Axis(
        number + 1,
        float(space.shares[number]),
        tuple(names[:ends]),
        tuple(names[-ends:][::-1]),
        show(low),
        show(high),
    )

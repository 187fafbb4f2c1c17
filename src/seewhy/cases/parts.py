"""Compositional twins: a decision as a sum of a few parts, and the cases most like each part alone.

The maps of the last layer are divided into the patterns that they are made of. Each has its points in the decision, and
all points add up. Cases are then looked for by one part at a time: one similarity to a whole picture hides *what* is
similar.

Source: the idea is that of COMiX (Sivaprasad et al. 2025). There a part is one number of a B-cos network, which has to
be trained so; here it is a pattern of any network that ends in a mean over its cells and a linear layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from seewhy.cases.embedders import LINEAR, Embedder
from seewhy.cases.queries import Case, Cases, Query
from seewhy.cases.twins import case_classes
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.factors import factorized
from seewhy.models import Box, Classifier, Prediction, capture, folded

SHORTLIST = 24  # cases by the whole of their vectors, among which those most like a part are looked for cell by cell
NEAR = 4  # cells that say how much of a part is in a case
OTHERS = 0.5  # share of a part's cases of the class, below which it is a doubt


class PartTwin(NamedTuple):
    """A case that a part is found in: where, `(h, w)` cosines of its cells with the part, and how much of it."""

    case: Case
    image: Image
    map: np.ndarray
    view: Box
    alike: float


@dataclass(frozen=True, eq=False)
class Part:
    """A pattern of the last layer.

    `map` `(h, w)` adds up to its `points`, in the score of the class less that of others; `where` `(h, w)` is how
    much of it is in each cell. `same` is the share of `twins` that are of the class; there is none where no case is.
    """

    points: float
    map: np.ndarray
    where: np.ndarray
    twins: tuple[PartTwin, ...]
    same: float | None

    @property
    def doubtful(self) -> bool:
        """Whether it speaks for the class, though most pictures with it are of another."""
        return self.points > 0 and self.same is not None and self.same < OTHERS


@dataclass(frozen=True, eq=False)
class Parts:
    """The points of the `parts`, the most first, and `bias` add up to `margin`.

    That is how far the score of the class is above that of its `rival`, or without one above all others on average.
    """

    image: Image
    view: Box
    predictions: tuple[Prediction, ...]
    rival: Prediction | None
    layer: str
    parts: tuple[Part, ...]
    bias: float
    margin: float
    cases: int


NEXT = "next"


def find_parts(cases: Cases, image: Image, *, against: str | None = None, parts: int = 5, top: int = 4) -> Parts:
    """Divide the decision about `image` into so many parts, each with the `top` cases most like it.

    Args:
        cases: a base by what goes into the last layer.
        image: the picture.
        against: the class that the decision is held against, by name; "next" is the next likely one, and without any
            it is all others on average.
        parts: how many, from 2 on.
        top: how many cases of each.

    Raises:
        UsageError: the classifier does not end in a mean over cells and a linear layer, or knows one class only; or a
            picture of the base was changed since it was built.
        BadImage: a picture of the base is gone.
    """
    if cases.embedder.name != "penultimate" or len(cases.embedder.classifier.categories) < 2:
        raise UsageError("parts are of a classifier of two classes or more, and a base with --embedding penultimate")
    query, network = Query.of(cases, image), cases.embedder.classifier
    best, rival = query.predicted, _rival(query, against)
    ((maps, scores),) = [*layer_maps(cases.embedder, [image])]
    weight, biases = _last_layer(network)
    others = [rival.index] if rival else [index for index in range(len(scores)) if index != best]
    slope, bias, margin = ((each[best] - each[others].mean(0)) for each in (weight, biases, scores))
    if float((slope @ maps.mean((1, 2)) + bias - margin).abs()) > LINEAR * float(scores.abs().max().clamp(min=1)):
        raise UsageError(_NO_SUM.format(network.name))
    divided = divide(maps, parts)
    vectors = divided.mean((2, 3))
    points = torch.einsum("c,pchw->phw", slope, divided) / maps[0].numel()
    order = sorted(range(len(points)), key=lambda place: -float(points[place].sum()))
    listed = [_shortlist(query, vectors[place]) for place in order]
    seen = _local(cases, sorted({row for rows in listed for row in rows}))
    return Parts(
        image=image,
        view=network.preprocessing.view(image),
        predictions=query.predictions,
        rival=rival,
        layer=cases.embedder.layer,
        parts=tuple(
            _part(query, divided[place], points[place].numpy(), [(row, *seen[row]) for row in rows], top)
            for place, rows in zip(order, listed, strict=True)
        ),
        bias=float(bias),
        margin=float(margin),
        cases=len(cases.base),
    )


_NO_SUM = (
    "parts need scores that are a linear function of the mean over a layer's cells, and those of {} are not; "
    "`seewhy cases twins` compares whole pictures for any network"
)


def _rival(query: Query, against: str | None) -> Prediction | None:
    """The class that the decision is held against."""
    if against is None or against == NEXT:
        return query.predictions[1] if against else None
    network = query.cases.embedder.classifier
    target = network.target(against)
    if target.index == query.predicted:
        raise UsageError(f"{query.image.name} is said to be {query.predictions[0].name}; name another class to compare")
    shares = network.head.probabilities(torch.from_numpy(query.logits))
    (found,) = (each for each in network.ranked(shares, 1, target) if each.index == target.index)
    return found


def divide(maps: Tensor, parts: int) -> Tensor:
    """Maps `(p, C, h, w)` float64 that add up to `maps` `(C, h, w)`: each number is shared out among the patterns.

    By how much of it each pattern of a non-negative factorisation explains, as in a Wiener filter.
    """
    where, what = factorized(maps, parts)
    explained = torch.einsum("phw,pc->pchw", where, what)
    whole = explained.sum(0)
    even = torch.full_like(explained, 1 / len(explained))
    shares = torch.where(whole > 0, explained / whole.clamp(min=torch.finfo(whole.dtype).tiny), even)
    return shares * maps.double().cpu()


def layer_maps(embedder: Embedder, images: Sequence[Image]) -> list[tuple[Tensor, Tensor]]:
    """What the embedder's layer sees of each picture, float64 `(C, h, w)`, and its scores `(K,)`, on the CPU."""
    network, layer = embedder.network, embedder.layer
    grid = network.require_grid(layer)
    found: list[tuple[Tensor, Tensor]] = []
    size = network.at_once(len(images)) if images else 1
    for start in range(0, len(images), size):
        with capture(network.module, [layer], gradients=False) as seen:
            logits = network.logits(network.preprocess(images[start : start + size]))
        maps = folded(grid, seen[layer]).double().cpu()
        found += zip(maps, logits.detach().double().cpu(), strict=True)
    return found


def _last_layer(network: Classifier) -> tuple[Tensor, Tensor]:
    """W `(K, D)` and b `(K,)`, float64 on the CPU, if the scores are W·h + b of what goes into the last layer."""
    probe = network.probe()
    weight = network.embedding_weights(probe).double().cpu()
    features, scores = network.embed_and_score(probe)
    return weight, (scores.double().cpu() - features.double().cpu() @ weight.T)[0].detach()


def _shortlist(query: Query, vector: Tensor) -> list[int]:
    """The rows whose whole vectors hold most of a part, copies of the picture left out."""
    base = query.cases.base
    alike = base.vectors @ normalize(vector, dim=0).float().numpy()
    alike[list(query.left_out)] = -np.inf
    order = np.argsort(-alike, kind="stable")[:SHORTLIST]
    return [row for row in order.tolist() if np.isfinite(alike[row])]


def _local(cases: Cases, rows: Sequence[int]) -> dict[int, tuple[Image, Tensor]]:
    """What the layer sees of some cases, cells of length 1 `(C, h, w)`, with their pictures."""
    images = [cases.base.image(row) for row in rows]
    maps = [normalize(each, dim=0) for each, _ in layer_maps(cases.embedder, images)]
    return dict(zip(rows, zip(images, maps, strict=True), strict=True))


def _part(
    query: Query, maps: Tensor, points: np.ndarray, shortlist: Sequence[tuple[int, Image, Tensor]], top: int
) -> Part:
    network = query.cases.embedder.classifier
    unit = normalize(maps.mean((1, 2)), dim=0)
    found: list[PartTwin] = []
    for row, image, cells in shortlist:
        alike = torch.einsum("c,chw->hw", unit, cells).numpy()
        most = np.sort(alike, axis=None)[-NEAR:].mean()
        found.append(PartTwin(query.case(row), image, alike, network.preprocessing.view(image), float(most)))
    found.sort(key=lambda each: -each.alike)
    twins = tuple(found[:top])
    of_class = case_classes(query.cases.base, network.categories) == query.predicted
    known = bool(np.delete(of_class, list(query.left_out)).any()) and bool(twins)
    same = float(of_class[[each.case.row for each in twins]].mean()) if known else None
    return Part(float(points.sum()), points, maps.norm(dim=0).numpy(), twins, same)

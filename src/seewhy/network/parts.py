"""One photo in the concepts of a layer: where each is, and what it adds to the score. Parts and rest are the score.

A ≈ U V over the photo's places. A concept's part u_k v_k is taken away from the layer's activations and the rest of the
network runs again; what the score loses is what the concept adds. Where the rest of the network is affine, as after
the last convolution of most networks, that is exact: the parts add up. Else some is lost only when several go together,
and stands apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seewhy.engines.tail import Run, watched
from seewhy.images import Image
from seewhy.models import Box, Classifier, Grid, Prediction, Target, folded
from seewhy.network.dictionary import coded

TOGETHER = 8  # concepts taken out in one run
HERE = 0.3  # of how strong a concept is where it is shown best: less of it is a trace


class TakenOut(NamedTuple):
    """Of one photo: logits `(K,)`; without each concept or some `(n, K)`; without all `(K,)`; their maps `(k, h, w)`.

    `missed` is the share of the squares of the activations that no concept explains.
    """

    logits: Tensor
    without: Tensor
    bare: Tensor
    maps: Tensor
    missed: float


@dataclass(frozen=True, eq=False)
class Part:
    """A concept in a photo: where, `(h, w)`; what it adds to the score; the target's probability without it.

    Of a concept that is not `here` there is but a trace.
    """

    key: str
    map: np.ndarray
    added: float
    without: float
    here: bool


@dataclass(frozen=True, eq=False)
class LayerParts:
    """A layer's concepts in a photo, those that add most first: `score` = Σ added + `together` + `rest`.

    `rest` is the score without any of the concepts: what none of them explains, and where the network starts.
    `together` is what is lost only when several go.
    """

    layer: str
    parts: tuple[Part, ...]
    score: float
    rest: float
    together: float
    missed: float

    @property
    def found(self) -> tuple[Part, ...]:
        """The concepts that are here."""
        return tuple(part for part in self.parts if part.here)


@dataclass(frozen=True, eq=False)
class PhotoConcepts:
    """A photo in a book's concepts, layer by layer, for one target."""

    image: Image
    view: Box
    target: Target
    label: str
    probability: float
    predictions: tuple[Prediction, ...]
    layers: tuple[LayerParts, ...]


def watched_photo(classifier: Classifier, image: Image, layers: Sequence[str]) -> Run:
    """One forward of a photo, from which concepts can be taken out at any of `layers`."""
    x = classifier.preprocess([image])
    return watched(classifier.module, layers, classifier.logits, x, alone=classifier.head.alone)


def taken_out_of(
    run: Run, layer: str, grid: Grid, vectors: Tensor, which: Sequence[Sequence[int]] | None = None
) -> TakenOut:
    """Take concepts `(k, C)` out of a photo's activations, each alone (or these together) and all at once.

    `run` is the photo's, from `watched_photo`.
    """
    rest = run.tail(layer)
    maps = folded(grid, rest.activation)[0]
    rows = maps.flatten(1).T.float().cpu()
    amounts = coded(rows, vectors)
    together = [[each] for each in range(len(vectors))] if which is None else which
    pieces = [amounts[:, list(each)] @ vectors[list(each)] for each in together]
    pieces.append(amounts @ vectors)
    found: list[Tensor] = []
    for start in range(0, len(pieces), TOGETHER):
        some = torch.stack(pieces[start : start + TOGETHER]).transpose(1, 2).reshape(-1, *maps.shape)
        copies = rest.activation.repeat(len(some), *(1 for _ in rest.activation.shape[1:]))
        grid.fold(copies).sub_(some.to(copies))
        found.append(rest(copies).float().cpu())
    logits = torch.cat(found)
    total = float(rows.square().sum())
    return TakenOut(
        rest.logits[0].float().cpu(),
        logits[:-1],
        logits[-1],
        amounts.T.reshape(-1, *maps.shape[1:]),
        float((rows - amounts @ vectors).square().sum()) / total if total else 0.0,
    )


def parts_of(
    classifier: Classifier,
    run: Run,
    target: Target,
    layer: str,
    grid: Grid,
    vectors: Tensor,
    known: Sequence[tuple[str, float]],
) -> LayerParts:
    """What each concept `(k, C)` of a layer adds to the score of a target; those that are nowhere are left out.

    `run` is the photo's, from `watched_photo`; `known` are the key and the peak of each, from which on it is here by
    `HERE`.
    """
    out = taken_out_of(run, layer, grid, vectors)
    score, bare = (float(target.score(each.double())) for each in (out.logits, out.bare))
    parts = [
        Part(
            key,
            out.maps[each].numpy(),
            score - float(target.score(out.without[each].double())),
            float(classifier.head.probability(out.without[each], target)),
            float(out.maps[each].max()) >= HERE * peak,
        )
        for each, (key, peak) in enumerate(known)
        if bool((out.maps[each] > 0).any())
    ]
    parts.sort(key=lambda part: -abs(part.added))
    return LayerParts(layer, tuple(parts), score, bare, score - bare - sum(part.added for part in parts), out.missed)

"""Twins: the training pictures most similar to a picture for the classifier, where they are similar, and their vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from seewhy.cases.embedders import Embedder
from seewhy.cases.queries import Case, Cases, Copy, Query
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.similarity import fam, pair_shares
from seewhy.metrics.context import spearman
from seewhy.models import Box, Categories, capture, folded

if TYPE_CHECKING:
    from seewhy.cases.base import CaseBase
    from seewhy.models import Prediction


JOINED, ACROSS = 3, 2  # pairs of areas that are shown, and how many cells each has across


@dataclass(frozen=True, eq=False)
class Twin:
    """A case, its picture, and where the two are alike."""

    case: Case
    image: Image
    maps: SimilarityMaps


class Vote(NamedTuple):
    """How many of the nearest cases are of a class."""

    name: str
    cases: int


@dataclass(frozen=True, eq=False)
class Beside:
    """The twins by another encoder, and how far the two agree.

    `overlap` is the share of common twins among all of both lists; `correlation` the rank correlation of the two
    similarities over the `candidates`, the cases that both lists were taken from.
    """

    twins: Twins
    overlap: float
    correlation: float
    candidates: int


@dataclass(frozen=True, eq=False)
class Twins:
    """The nearest cases to one picture, best first.

    They are predicted as the picture is where `same_class`; where there are no such cases, they are of any class. The
    `vote` is of as many nearest cases, whatever they are predicted as. `trust` is how many times as far the nearest
    case of another class is as the nearest of the predicted one: under 1 the neighbourhood speaks against the
    prediction. There is none where either kind is lacking. For both, a case is of its true class where its folder
    names one, else of the predicted.
    """

    image: Image
    predictions: tuple[Prediction, ...]
    embedding: str
    twins: tuple[Twin, ...]
    same_class: bool
    vote: tuple[Vote, ...]
    trust: float | None
    left_out: tuple[Copy, ...]
    cases: int
    beside: Beside | None = None


def find_twins(cases: Cases, image: Image, top: int = 5, beside: Cases | None = None) -> Twins:
    """The `top` cases most like `image` that the classifier gives the same class; copies of `image` are left out.

    With a second base of the same pictures, `beside`, the result holds its list and how far the two agree.

    Raises:
        UsageError: a base holds nothing but copies of it, or a picture was changed since it was built; or the two
            bases have no candidate in common.
        BadImage: a picture of a base is gone.
    """
    base, embedder = cases.base, cases.embedder
    query = Query.of(cases, image)
    rows, voters = query.nearest(top, query.alike), query.nearest(top)
    if not voters:
        raise UsageError(f"{base.folder} holds no other picture than {image.name}; build it from more pictures")
    found = [query.case(row) for row in rows or voters]
    images = [base.image(case.row) for case in found]
    categories = embedder.classifier.categories
    classes = case_classes(base, categories)
    # Most frequent first; of equals the one whose nearest case is nearest.
    votes = Counter(classes[voters].tolist()).most_common()
    twins = Twins(
        image=image,
        predictions=query.predictions,
        embedding=embedder.name,
        twins=tuple(map(Twin, found, images, similarity_maps(embedder, image, images))),
        same_class=bool(rows),
        vote=tuple(Vote(categories[index], count) for index, count in votes),
        trust=_trust(query, classes == query.predicted),
        left_out=query.copies,
        cases=len(base),
    )
    return replace(twins, beside=_beside(query, twins, beside, top)) if beside else twins


def case_classes(base: CaseBase, categories: Categories) -> np.ndarray:
    """The class of each case, int64 `(n,)`: that of its folder where the classifier knows it, else the predicted."""
    labels = base.table["label"].to_list()
    known: dict[str, int] = {}
    for label in {*labels} - {None}:
        with suppress(UsageError):
            known[label] = categories.find(label)
    named = [known.get(label, said) for label, said in zip(labels, base.predicted.tolist(), strict=True)]
    return np.array(named, np.int64)


def trust_score(to_other: float, to_same: float) -> float:
    """Distance to the nearest of another class over that to the nearest of the predicted class, of two cosines.

    Source: Jiang 2018, between vectors of length 1 and without leaving out outliers.

    >>> round(trust_score(to_other=0.5, to_same=0.875), 6)
    2.0
    """
    other, same = (max(2 - 2 * cosine, 1e-12) ** 0.5 for cosine in (to_other, to_same))
    return other / same


def _trust(query: Query, same: np.ndarray) -> float | None:
    mine, others = (query.nearest(1, which) for which in (same, ~same))
    if not (mine and others):
        return None
    return trust_score(*(query.case(rows[0]).similarity for rows in (others, mine)))


# --- Where two pictures are similar ---------------------------------------------------------------------------------


class Cell(NamedTuple):
    """A place in a layer's grid, from 0 on."""

    row: int
    column: int


class Joined(NamedTuple):
    """An area of a picture, the area of the other that it is most alike to, and the pair's share in the similarity.

    Areas are squares of `ACROSS` cells, or all cells where there are fewer; `own` and `other` are their first cells.
    """

    own: Cell
    other: Cell
    share: float


@dataclass(frozen=True, eq=False)
class SimilarityMaps:
    """Maps `(h, w)` in the cells of `layer` over what the network saw of two pictures; both average to `similarity`.

    That is the cosine of the vectors where these are means over the layer's cells, as after global average pooling.
    It is also the sum over all pairs of cells; `joined` are the areas with the largest shares of it, apart from one
    another in both pictures.
    """

    own: np.ndarray
    own_view: Box
    other: np.ndarray
    other_view: Box
    layer: str
    similarity: float
    joined: tuple[Joined, ...] = ()

    @property
    def signed(self) -> bool:
        """Whether some areas set the pictures apart."""
        return bool(min(self.own.min(), self.other.min()) < 0)


def similarity_maps(embedder: Embedder, image: Image, others: Sequence[Image]) -> list[SimilarityMaps]:
    """Where `image` and each of `others` are alike, from one forward.

    Source: Liao 2023 (see `methods.similarity`), with the channels of COLE weighted as its vectors are.

    Raises:
        ExplainError: no layer of the network covers the picture.
    """
    if not others:
        return []
    network, layer = embedder.network, embedder.layer
    grid = network.require_grid(layer)
    pictures, size = [image, *others], network.at_once(1 + len(others))
    parts: list[tuple[torch.Tensor, torch.Tensor]] = []
    for start in range(0, len(pictures), size):
        with capture(network.module, [layer], gradients=False) as seen:
            logits = network.logits(network.preprocess(pictures[start : start + size]))
        parts.append((folded(grid, seen[layer]), logits))
    maps, logits = (torch.cat(each) for each in zip(*parts, strict=True))
    weights = embedder.channel_weights(logits.argmax(1))
    if weights is not None and weights.shape[1] == maps.shape[1]:  # a channel is a number of the vector
        maps = maps * weights.detach()[..., None, None].to(maps)
    views = [network.preprocessing.view(each) for each in (image, *others)]
    found: list[SimilarityMaps] = []
    for other, view in zip(maps[1:], views[1:], strict=True):
        own, theirs = (fam(one[None], two)[0].cpu().numpy() for one, two in ((maps[0], other), (other, maps[0])))
        joined = tuple(strongest_pairs(pair_shares(maps[0], other), own.shape, theirs.shape))
        found.append(SimilarityMaps(own, views[0], theirs, view, layer, float(own.mean()), joined))
    return found


def strongest_pairs(shares: torch.Tensor, own: tuple[int, ...], other: tuple[int, ...]) -> Iterator[Joined]:
    """The pairs of areas with the largest sums of shares `(h w, h' w')`, none across another in either picture."""
    (high, wide), (tall, broad) = ([min(ACROSS, side) for side in shape] for shape in (own, other))
    sums = shares.view(*own, *other)
    for axis, length in enumerate((high, wide, tall, broad)):
        sums = sums.unfold(axis, length, 1).sum(-1)
    for _ in range(JOINED):
        row, column, top, left = (int(each) for each in np.unravel_index(int(sums.argmax()), sums.shape))
        share = float(sums[row, column, top, left])
        if share <= 0:
            return
        yield Joined(Cell(row, column), Cell(top, left), share)
        sums[max(row - high + 1, 0) : row + high, max(column - wide + 1, 0) : column + wide] = 0
        sums[:, :, max(top - tall + 1, 0) : top + tall, max(left - broad + 1, 0) : left + broad] = 0


# --- A second encoder -----------------------------------------------------------------------------------------------


def _beside(query: Query, first: Twins, other: Cases, top: int) -> Beside:
    """The twins in `other` beside `first`, those in the base of the query."""
    base, image = query.cases.base, query.image
    second, other_query = find_twins(other, image, top), Query.of(other, image)
    rows = np.flatnonzero(query.alike) if first.same_class else np.arange(len(base))
    places = {path: row for row, path in enumerate(other.base.table["path"].to_list())}
    paths = base.table["path"].to_list()
    mine = [row for row in rows.tolist() if row not in query.left_out and paths[row] in places]
    if not mine:
        raise UsageError(
            f"{base.folder} and {other.base.folder} have no pictures in common; build both from one folder"
        )
    theirs = [places[paths[row]] for row in mine]
    return Beside(
        second,
        jaccard(*([each.case.path for each in found.twins] for found in (first, second))),
        spearman(base.vectors[mine] @ query.vector, other.base.vectors[theirs] @ other_query.vector),
        len(mine),
    )


def jaccard(one: Collection[str], other: Collection[str]) -> float:
    """What two sets have in common, as a share of what either has.

    >>> jaccard(["a", "b"], ["b"])
    0.5
    """
    return len({*one} & {*other}) / len({*one} | {*other})

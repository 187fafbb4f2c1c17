"""Twins: the training pictures that are most like a picture to the classifier, and what they say of its decision."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seewhy.cases.likeness import Likeness, likenesses
from seewhy.cases.queries import Case, Copy, Query, case_of, copies, nearest
from seewhy.errors import UsageError
from seewhy.models import Categories

if TYPE_CHECKING:
    from seewhy.cases.base import CaseBase
    from seewhy.cases.embedders import Embedder
    from seewhy.images import Image
    from seewhy.models import Prediction


@dataclass(frozen=True, eq=False)
class Twin:
    """A case, its picture, and where the two are alike."""

    case: Case
    image: Image
    likeness: Likeness


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


def find_twins(base: CaseBase, embedder: Embedder, image: Image, top: int = 5) -> Twins:
    """The `top` cases most like `image` that the classifier gives the same class; copies of `image` are left out.

    Raises:
        UsageError: the base holds nothing but copies of it, or a picture was changed since it was built.
        BadImage: a picture of the base is gone.
    """
    query = Query.of(embedder, image)
    left_out = copies(base, query)
    same = base.predicted == query.predicted
    rows = nearest(base, query, top, left_out, same)
    voters = nearest(base, query, top, left_out, None)
    if not voters:
        raise UsageError(f"{base.folder} holds no other picture than {image.name}; build it from more pictures")
    cases = [case_of(base, embedder, query, row) for row in rows or voters]
    images = [base.image(case.row) for case in cases]
    classes = case_classes(base, embedder.classifier.categories)
    return Twins(
        image=image,
        predictions=query.predictions,
        embedding=embedder.name,
        twins=tuple(map(Twin, cases, images, likenesses(embedder, image, images))),
        same_class=bool(rows),
        vote=_vote(classes[voters], embedder.classifier.categories),
        trust=_trust(base, query, left_out, classes == query.predicted),
        left_out=tuple(Copy(case_of(base, embedder, query, row), why) for row, why in sorted(left_out.items())),
        cases=len(base),
    )


def case_classes(base: CaseBase, categories: Categories) -> np.ndarray:
    """The class of each case, int64 `(n,)`: that of its folder where the classifier knows it, else the predicted."""
    labels = base.table["label"].to_list()
    known = {label: _index(categories, label) for label in set(labels)}
    named = np.array([known[label] for label in labels], np.int64)
    return np.where(named >= 0, named, base.predicted)


def trust_score(to_other: float, to_same: float) -> float:
    """Distance to the nearest of another class over that to the nearest of the predicted class, of two cosines.

    Source: Jiang 2018, between vectors of length 1 and without leaving out outliers.
    """
    other, same = (max(2 - 2 * cosine, 1e-12) ** 0.5 for cosine in (to_other, to_same))
    return other / same


def _vote(classes: np.ndarray, categories: Categories) -> tuple[Vote, ...]:
    """By class of the nearest cases `(k,)`, most frequent first; of equals the one whose nearest case is nearest."""
    return tuple(Vote(categories[int(index)], count) for index, count in Counter(classes.tolist()).most_common())


def _trust(base: CaseBase, query: Query, left_out: dict[int, str], same: np.ndarray) -> float | None:
    mine, others = (nearest(base, query, 1, left_out, which) for which in (same, ~same))
    if not (mine and others):
        return None
    return trust_score(*(float(base.vectors[rows[0]] @ query.vector) for rows in (others, mine)))


def _index(categories: Categories, label: str | None) -> int:
    if label is None:
        return -1
    try:
        return categories.find(label)
    except UsageError:
        return -1

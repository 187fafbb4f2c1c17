"""What the training pictures did to a decision: how each pulls on it, and what it would be without one of them.

Asked of a linear head on the vectors of a case base, which stands in for the network's own last layer. It is small
enough to be trained to the end, so that the pulls of all pictures add up to its scores, and to be trained again without
a picture, so that what is foretold of that is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seewhy.cases.base import CaseBase
from seewhy.cases.linear_head import Floats, LinearHead, Rows, changes, foretold, log_odds, pulls
from seewhy.cases.queries import RELATED, SAME_PRINT, Case, Cases, Query, differing_bits
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Categories, Prediction

PENALTIES = tuple(10.0**power for power in range(-5, 0))  # tried, of vectors of length 1
LARGEST = 2000  # weights of a head: its curvature has their square
MOST, FEWEST = 20, 3  # classes, and pictures of one
DRAWN = 20  # pictures, beside those that are shown, to retrain the head without


@dataclass(frozen=True, eq=False)
class CaseHead:
    """A head trained on a case base.

    Attributes:
        head: row i of its vectors is row i of the base.
        names: of its classes.
        axes: float64 `(D, d)`, the directions in which the vectors of the base are told apart.
        kept: the share of the vectors' variance that lies in them.
        unseen: what heads that have not seen a picture say of it, `(n, K)`.
        labelled: whether the classes are folders, not what the classifier says.
    """

    head: LinearHead
    names: tuple[str, ...]
    axes: Floats
    kept: float
    unseen: Floats
    labelled: bool

    @property
    def accuracy(self) -> float:
        """On which share of pictures that it has not seen such a head is right."""
        return float((self.unseen.argmax(1) == self.head.classes).mean())

    def vector(self, vector: np.ndarray) -> Floats:
        """A vector of the base's kind `(D,)` as the head takes it."""
        return _placed(vector[None], self.axes)[0]


def train_head(base: CaseBase, categories: Categories) -> CaseHead:
    """Train a head on a base, with the penalty by which unseen pictures are foretold best.

    Its classes are the folders of the pictures or, where they lie in none, what the classifier says of them.

    Raises:
        UsageError: there are fewer than two classes or more than 20, or fewer than three pictures of one.
    """
    folders = base.table["label"].to_list()
    labelled = None not in folders
    told = folders if labelled else [categories[index] for index in base.predicted.tolist()]
    names, classes, counts = np.unique(np.array(told), return_inverse=True, return_counts=True)
    if not 2 <= len(names) <= MOST or counts.min() < FEWEST:
        where = "the folders of the pictures" if labelled else "what the classifier says of the pictures"
        raise UsageError(
            f"influence takes 2 to {MOST} classes with {FEWEST} pictures each at least; by {where}, {base.folder} has "
            f"{len(names)}, and of {names[counts.argmin()]} {counts.min()}; build a base of such class folders"
        )
    whole = base.vectors.astype(np.float64)
    axes, kept = _axes(whole, LARGEST // len(names) - 1)
    vectors = _placed(whole, axes)
    found = {each: foretold(vectors, classes, len(names), each) for each in PENALTIES}
    rows = np.arange(len(classes))
    penalty = min(found, key=lambda each: -float(np.log(found[each][rows, classes]).mean()))
    head = LinearHead.fit(vectors, classes, len(names), penalty)
    return CaseHead(head, tuple(names.tolist()), axes, kept, found[penalty], labelled)


def _axes(vectors: Floats, most: int) -> tuple[Floats, float]:
    """The directions of most variance `(D, d)`, `most` at most, and which share of it lies in them."""
    _, sizes, axes = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    some = min(most, int((sizes > 1e-6 * max(sizes[0], 1e-12)).sum()))
    power = np.square(sizes)
    return axes[:some].T, float(power[:some].sum() / power.sum()) if power.any() else 1.0


def _placed(vectors: np.ndarray, axes: Floats) -> Floats:
    """Vectors `(n, D)` along axes `(D, d)`, and a 1 for the bias: `(n, d + 1)`."""
    return np.column_stack([vectors @ axes, np.ones(len(vectors))])


# --- A decision -----------------------------------------------------------------------------------------------------


class Influence(NamedTuple):
    """What a case does to the decision: its pull on the class's log-odds, and how they change without it.

    `foretold` is by the formula, `real` by training the head again; `copy` says why it is taken for the picture itself.
    """

    case: Case
    image: Image
    pull: float
    foretold: float
    real: float
    copy: str | None


@dataclass(frozen=True, eq=False)
class Influences:
    """The cases that a decision hangs on most.

    Attributes:
        image: the picture.
        predictions: of the classifier.
        said: the class that the head gives it.
        probability: of that class.
        helpful: without them the class would be less likely, the strongest first.
        harmful: without them it would be likelier.
        checked: how many changes were foretold and then found by training again.
        correlation: of both; None where nothing changes.
        gap: what the pulls of all cases lack of the score of the class.
        cases: how many there are.
    """

    image: Image
    predictions: tuple[Prediction, ...]
    said: str
    probability: float
    helpful: tuple[Influence, ...]
    harmful: tuple[Influence, ...]
    checked: int
    correlation: float | None
    gap: float
    cases: int


def find_influences(cases: Cases, trained: CaseHead, image: Image, top: int = 5, *, seed: int = 0) -> Influences:
    """The `top` cases that helped the decision about `image` most and those that stood against it most.

    `seed` draws the cases that the formula is checked on beside those.

    Raises:
        UsageError: a picture of the base was changed since it was built.
        BadImage: one is gone.
    """
    query, head = Query.of(cases, image), trained.head
    vector = trained.vector(query.vector)
    scores = head.scores(vector)
    index, shares = int(scores.argmax()), np.exp(scores - np.logaddexp.reduce(scores))
    each = pulls(head, vector)
    mine, before = each[:, index], log_odds(scores, index)
    expected = changes(head, vector, index)
    order = np.argsort(expected, kind="stable")
    helpful = [row for row in order[:top].tolist() if expected[row] < 0]
    harmful = [row for row in order[::-1][:top].tolist() if expected[row] > 0]
    drawn = np.random.default_rng(seed).permutation(len(expected))[:DRAWN].tolist()
    asked = [*dict.fromkeys([*helpful, *harmful, *drawn])]
    real = {row: log_odds(head.without(row).scores(vector), index) - before for row in asked}

    def told(row: int) -> Influence:
        case, copy = query.case(row), query.left_out.get(row)
        pull = float(mine[row] - np.delete(each[row], index).mean())
        return Influence(case, cases.base.image(row), pull, float(expected[row]), real[row], copy)

    return Influences(
        image=image,
        predictions=query.predictions,
        said=trained.names[index],
        probability=float(shares[index]),
        helpful=tuple(map(told, helpful)),
        harmful=tuple(map(told, harmful)),
        checked=len(asked),
        correlation=_correlation(expected[asked], np.array([real[row] for row in asked])),
        gap=float(scores[index] - mine.sum()),
        cases=len(expected),
    )


def _correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    return float(np.corrcoef(one, other)[0, 1]) if np.ptp(one) > 0 and np.ptp(other) > 0 else None


# --- The folder -----------------------------------------------------------------------------------------------------


class Doubt(NamedTuple):
    """A picture whose label the others contradict: its row, what it is labelled, and what they say, with how likely."""

    row: int
    path: str
    label: str
    likelier: str
    probability: float
    own: float


class Pair(NamedTuple):
    """Two pictures that are nearly the same and lie in different classes."""

    paths: tuple[str, str]
    labels: tuple[str, str]


def doubted_labels(base: CaseBase, trained: CaseHead) -> list[Doubt]:
    """Pictures that heads which have not seen them give another class, the least likely label first.

    Without labels there is nothing to doubt.
    """
    if not trained.labelled:
        return []
    classes, paths = trained.head.classes, base.table["path"].to_list()
    own = trained.unseen[np.arange(len(classes)), classes]
    said = trained.unseen.argmax(1)
    return [
        Doubt(
            row,
            paths[row],
            trained.names[classes[row]],
            trained.names[said[row]],
            float(trained.unseen[row, said[row]]),
            float(own[row]),
        )
        for row in np.argsort(own, kind="stable").tolist()
        if said[row] != classes[row]
    ]


def copies_across(base: CaseBase, classes: Rows, names: tuple[str, ...]) -> Iterator[Pair]:
    """Pairs of pictures that are nearly the same and lie in different classes."""
    paths = base.table["path"].to_list()
    for row in range(1, len(paths)):
        near = np.flatnonzero(differing_bits(base.prints[:row], int(base.prints[row])) <= SAME_PRINT)
        near = near[(classes[near] != classes[row]) & (base.vectors[near] @ base.vectors[row] > RELATED)]
        for other in near.tolist():
            yield Pair((paths[other], paths[row]), (names[classes[other]], names[classes[row]]))

"""A classifier held against pictures whose classes are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seewhy.cases import Twins
from seewhy.errors import SeewhyError
from seewhy.methods import Explanation
from seewhy.models import Classifier
from seewhy.train.data import Pictures
from seewhy.train.evaluate import Evaluation


@dataclass(frozen=True, eq=False)
class Mistake:
    """A picture that was taken for another class, why, and which pictures it is like. Either may be lacking."""

    path: str
    index: int  # among the pictures that were evaluated
    explanation: Explanation | None
    twins: Twins | None


@dataclass(frozen=True, eq=False)
class Judged:
    """How good a classifier is on the pictures of a folder.

    Attributes:
        model: the name that opens the classifier.
        pictures: what was evaluated, in the order of `evaluation`.
        evaluation: the figures.
        mistakes: the most confident wrong predictions first; `unshown` more are in the table alone.
        learned: how many pictures of the folder were left out, because the classifier has learned from them.
        failures: pictures that could not be opened, or whose class the classifier does not know.
    """

    model: str
    classifier: Classifier
    pictures: Pictures
    evaluation: Evaluation
    mistakes: Sequence[Mistake]
    unshown: int
    learned: int
    failures: Sequence[tuple[str, SeewhyError]]

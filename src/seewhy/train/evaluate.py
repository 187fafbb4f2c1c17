"""How good a classifier is on pictures whose classes are known: accuracy, errors by class, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seewhy.core.statistics import Share, wilson
from seewhy.errors import UsageError

BINS = 10

Counts: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


class ClassScore(NamedTuple):
    """What became of the pictures of one class: `right` of the `pictures` it has, and of the `predicted` ones."""

    name: str
    pictures: int
    predicted: int
    right: int

    @property
    def recall(self) -> float | None:
        """The share of its pictures that were found; None where it has none."""
        return self.right / self.pictures if self.pictures else None

    @property
    def precision(self) -> float | None:
        """The share of what was taken for it that is; None where nothing was."""
        return self.right / self.predicted if self.predicted else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None where it has no pictures."""
        return 2 * self.right / (self.pictures + self.predicted) if self.pictures else None


class Bin(NamedTuple):
    """Predictions of like confidence: how many, how sure on average, and how often right."""

    low: float
    high: float
    pictures: int
    confidence: float
    accuracy: Share


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions compared with the true classes.

    Attributes:
        names: the classes of the classifier, K of them.
        truth: the class of each picture, int `(n,)`.
        probabilities: what the classifier gives each class, float `(n, K)`.
    """

    names: tuple[str, ...]
    truth: Counts
    probabilities: Floats

    @classmethod
    def of(cls, names: Sequence[str], truth: ArrayLike, probabilities: ArrayLike) -> Evaluation:
        """Check and convert.

        Raises:
            UsageError: there are no pictures.
        """
        found = cls(tuple(names), np.asarray(truth, np.int64), np.asarray(probabilities, np.float64))
        if not len(found.truth) or found.probabilities.shape != (len(found.truth), len(found.names)):
            raise UsageError("to evaluate takes pictures, and a probability of each class for each of them")
        return found

    @cached_property
    def predicted(self) -> Counts:
        """The likeliest class of each picture `(n,)`."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which predictions are true `(n,)`."""
        return self.predicted == self.truth

    @cached_property
    def confidence(self) -> Floats:
        """The probability of the predicted class `(n,)`."""
        return self.probabilities.max(axis=1)

    @cached_property
    def accuracy(self) -> Share:
        """The share of true predictions."""
        return wilson(int(self.right.sum()), len(self.right))

    @cached_property
    def commonest(self) -> Share:
        """What it would be if every picture were called the class that has most of them."""
        return wilson(int(np.bincount(self.truth).max()), len(self.truth))

    @cached_property
    def present(self) -> list[int]:
        """Classes that a picture has or was taken for."""
        return sorted({*self.truth.tolist(), *self.predicted.tolist()})

    @cached_property
    def confusion(self) -> Counts:
        """How many pictures of the class of each row were taken for that of each column, over `present`."""
        counts: Counts = np.zeros((len(self.present), len(self.present)), np.int64)
        np.add.at(counts, tuple(np.searchsorted(self.present, each) for each in (self.truth, self.predicted)), 1)
        return counts

    @cached_property
    def classes(self) -> list[ClassScore]:
        """Each class of `present`."""
        counts = self.confusion
        return [
            ClassScore(self.names[index], int(row.sum()), int(column.sum()), int(row[number]))
            for number, (index, row, column) in enumerate(zip(self.present, counts, counts.T, strict=True))
        ]

    @cached_property
    def macro_f1(self) -> float:
        """The mean of F1 over the classes that have pictures."""
        return float(np.mean([each.f1 for each in self.classes if each.f1 is not None]))

    @cached_property
    def bins(self) -> list[Bin]:
        """Predictions in ten steps of confidence; empty steps are left out."""
        steps = np.clip((self.confidence * BINS).astype(int), 0, BINS - 1)
        found: list[Bin] = []
        for step in np.unique(steps).tolist():
            mine = steps == step
            share = wilson(int(self.right[mine].sum()), int(mine.sum()))
            mean = float(self.confidence[mine].mean())
            found.append(Bin(step / BINS, (step + 1) / BINS, int(mine.sum()), mean, share))
        return found

    @cached_property
    def calibration_error(self) -> float:
        """By how much confidence and accuracy differ, on average over pictures.

        Source: Naeini et al. 2015, expected calibration error with ten bins of equal width. Of few pictures it is
        larger than the truth.
        """
        return sum(each.pictures * abs(each.confidence - each.accuracy.value) for each in self.bins) / len(self.truth)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "pictures": len(self.truth),
            "accuracy": self.accuracy._asdict(),
            "commonest_class": self.commonest.value,
            "macro_f1": self.macro_f1,
            "classes": [
                {**each._asdict(), "precision": each.precision, "recall": each.recall, "f1": each.f1}
                for each in self.classes
            ],
            "confusion": self.confusion.tolist(),
            "calibration_error": self.calibration_error,
            "reliability": [{**each._asdict(), "accuracy": each.accuracy._asdict()} for each in self.bins],
        }

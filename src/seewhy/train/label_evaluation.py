"""How good a network of labels is on pictures whose labels are known: label by label, and all together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seewhy.core.statistics import Share, wilson
from seewhy.errors import UsageError
from seewhy.train.evaluate import Floats

REDRAWS = 500  # samples of the pictures for an interval
LEAST = 1e-6  # threshold, so that its log-odds are finite
UNKNOWN = Share(0.0, 0.0, 1.0)  # where no picture has any label
Bools: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.int64]


class LabelScore(NamedTuple):
    """What became of one label: so many pictures have it, were said to, and both; shares with 95 % intervals.

    `average_precision` ranks pictures by the label's probability, whatever the threshold; it and the rest is None
    where no picture has the label, or none was said to.
    """

    name: str
    pictures: int
    predicted: int
    right: int
    threshold: float
    average_precision: Share | None
    precision: Share | None
    recall: Share | None
    f1: Share | None


@dataclass(frozen=True, eq=False)
class LabelEvaluation:
    """Probabilities of labels held against the truth.

    Attributes:
        names: the labels, K of them.
        truth: which are true of each picture, bool `(n, K)`.
        probabilities: what the network gives each, float `(n, K)`.
        thresholds: from which probability on each is said to be there, float `(K,)`.
    """

    names: tuple[str, ...]
    truth: Bools
    probabilities: Floats
    thresholds: Floats

    @classmethod
    def of(
        cls, names: Sequence[str], truth: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike
    ) -> LabelEvaluation:
        """Check and convert.

        Raises:
            UsageError: there are no pictures.
        """
        known, likely = np.asarray(truth, np.bool_), np.asarray(probabilities, np.float64)
        if not len(known) or known.shape != likely.shape or known.shape[1] != len(names):
            raise UsageError("to evaluate takes pictures, and a probability of each label for each of them")
        limits = np.broadcast_to(np.asarray(thresholds, np.float64), len(names))
        return cls(tuple(names), known, likely, limits)

    @cached_property
    def said(self) -> Bools:
        """Which labels reach their thresholds, `(n, K)`."""
        return self.probabilities >= self.thresholds

    @cached_property
    def labels(self) -> list[LabelScore]:
        """Each label."""
        both = self.truth & self.said
        return [
            LabelScore(
                name,
                pictures := int(self.truth[:, index].sum()),
                predicted := int(self.said[:, index].sum()),
                right := int(both[:, index].sum()),
                float(self.thresholds[index]),
                self._interval(partial(self._precision, index)),
                wilson(right, predicted) if predicted else None,
                wilson(right, pictures) if pictures else None,
                self._interval(partial(self._f1, index)),
            )
            for index, name in enumerate(self.names)
        ]  # fmt: skip

    @cached_property
    def mean_average_precision(self) -> Share:
        """The mean over the labels that a picture has."""
        return self._interval(partial(self._mean, self._precision)) or UNKNOWN

    @cached_property
    def macro_f1(self) -> Share:
        """The mean of F1 over the labels that a picture has."""
        return self._interval(partial(self._mean, self._f1)) or UNKNOWN

    @cached_property
    def exact(self) -> Share:
        """The share of pictures of which all labels are right."""
        return wilson(int((self.truth == self.said).all(1).sum()), len(self.truth))

    @property
    def accuracy(self) -> Share:
        """The share of answers about single labels that are right."""
        return wilson(int((self.truth == self.said).sum()), self.truth.size)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "pictures": len(self.truth),
            "mean_average_precision": self.mean_average_precision._asdict(),
            "macro_f1": self.macro_f1._asdict(),
            "exact": self.exact._asdict(),
            "labels": [
                {name: value._asdict() if isinstance(value, Share) else value for name, value in each._asdict().items()}
                for each in self.labels
            ],
        }

    def _precision(self, index: int, rows: Rows) -> float | None:
        return average_precision(self.truth[rows, index], self.probabilities[rows, index])

    def _f1(self, index: int, rows: Rows) -> float | None:
        return f1(self.truth[rows, index], self.said[rows, index])

    def _mean(self, figure: Callable[[int, Rows], float | None], rows: Rows) -> float | None:
        known = [found for index in range(len(self.names)) if (found := figure(index, rows)) is not None]
        return float(np.mean(known)) if known else None

    def _interval(self, figure: Callable[[Rows], float | None]) -> Share | None:
        """A figure of the pictures, and the middle 95 % of what it is on samples of them drawn with replacement."""
        count = len(self.truth)
        value = figure(np.arange(count))
        if value is None:
            return None
        drawn = [figure(rows) for rows in np.random.default_rng(0).integers(count, size=(REDRAWS, count))]
        low, high = np.quantile([each for each in drawn if each is not None], [0.025, 0.975])
        return Share(value, min(float(low), value), max(float(high), value))


def average_precision(truth: Bools, scores: Floats) -> float | None:
    """The precision at each score, weighted by the recall that it adds; equal scores come together.

    Source: as scikit-learn's `average_precision_score`. None where nothing is true.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7])) == (1 + 2 / 3) / 2
    True
    """
    if not truth.any():
        return None
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of each run of equal scores
    right = truth[order].cumsum()[last]
    precision = right / (np.flatnonzero(last) + 1)
    return float((precision * np.diff(right, prepend=0)).sum() / right[-1])


def f1(truth: Bools, said: Bools) -> float | None:
    """The harmonic mean of precision and recall; None where nothing is true."""
    return 2 * float((truth & said).sum()) / float(truth.sum() + said.sum()) if truth.any() else None


def best_thresholds(truth: ArrayLike, probabilities: ArrayLike) -> tuple[float, ...]:
    """Of each label the threshold with the best F1 on these pictures, in the middle between two probabilities.

    Of several that are as good the one nearest to 0.5, which also stands where no picture has the label, or all have.
    """
    return tuple(
        _best(mine, scores)
        for mine, scores in zip(np.asarray(truth, np.bool_).T, np.asarray(probabilities, np.float64).T, strict=True)
    )


def _best(truth: Bools, scores: Floats) -> float:
    if not truth.any() or truth.all():
        return 0.5
    levels = np.unique(scores)
    middles = [0.5, *((levels[1:] + levels[:-1]) / 2).clip(LEAST, 1 - LEAST).tolist()]
    return max(middles, key=lambda limit: (round(f1(truth, scores >= limit) or 0.0, 9), -abs(limit - 0.5)))

"""How good a network of labels is on pictures whose labels are known: label by label, and all together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seewhy.core.statistics import Z95, Share, wilson
from seewhy.errors import UsageError
from seewhy.train.evaluate import Floats

LEAST = 1e-6  # threshold, so that its log-odds are finite
UNKNOWN = Share(0.0, 0.0, 1.0)  # where no picture has any label
Bools: TypeAlias = NDArray[np.bool_]


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
                ranked_share(self.truth[:, index], self.probabilities[:, index]),
                wilson(right, predicted) if predicted else None,
                wilson(right, pictures) if pictures else None,
                f1_share(self.truth[:, index], self.said[:, index]),
            )
            for index, name in enumerate(self.names)
        ]  # fmt: skip

    @cached_property
    def mean_average_precision(self) -> Share:
        """The mean over the labels that a picture has; see `mean_share`."""
        return mean_share(each.average_precision for each in self.labels)

    @cached_property
    def macro_f1(self) -> Share:
        """The mean of F1 over the labels that a picture has; see `mean_share`."""
        return mean_share(each.f1 for each in self.labels)

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


def ranked_share(truth: Bools, scores: Floats) -> Share | None:
    """The average precision with its 95 % interval, which is symmetric in its log-odds; None where nothing is true.

    It holds what many pictures would give in 91 to 100 of 100 cases, from eight pictures on; the bootstrap did in 9 to
    94. Source: Boyd, Eng & Page 2013, the logit interval; there without a bound for an estimate of 0 or 1.
    """
    value = average_precision(truth, scores)
    if value is None:
        return None
    count = int(truth.sum())
    edge = 1 / (2 * count + 2)
    inside = min(max(value, edge), 1 - edge)
    half = Z95 / (count * inside * (1 - inside)) ** 0.5
    low, high = (1 / (1 + math.exp(way * half) * (1 - inside) / inside) for way in (1, -1))
    return Share(value, min(low, value), max(high, value))


def f1_share(truth: Bools, said: Bools) -> Share | None:
    """F1 with its 95 % interval: that of both among either, which is a share and rises with F1; None as in `f1`."""
    value, either = f1(truth, said), int((truth | said).sum())
    if value is None:
        return None
    found = wilson(int((truth & said).sum()), either)
    return Share(value, *(2 * each / (1 + each) for each in (found.low, found.high)))


def mean_share(shares: Iterable[Share | None]) -> Share:
    """The mean of those there are, of bounds, too: as far apart as if all labels came and went together."""
    known = [each for each in shares if each is not None]
    return Share(*np.mean(known, axis=0).tolist()) if known else UNKNOWN


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

"""Slices with many errors, and labels that are likely wrong: what the rows of photos with labels say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seewhy.audit.looking import Looked
from seewhy.audit.photos import POOR, Photo
from seewhy.core.statistics import LEVEL, Share, holm, wilson

FEWEST = 5  # photos of a slice
PER_GROUP, MOST = 20, 12  # photos of a group of like ones on average, and groups at most
ROUNDS = 30


class Slice(NamedTuple):
    """Photos that have something in common, and whether the network errs more often there than elsewhere.

    Attributes:
        name: what they have in common.
        photos: how many with a label there are.
        errors: on how many of them it errs.
        rate: the share, with its 95 % interval.
        elsewhere: the share of errors on all other photos.
        p: of Fisher's exact test that errors are no more frequent than elsewhere, after Holm's correction.
    """

    name: str
    photos: int
    errors: int
    rate: Share
    elsewhere: float
    p: float

    @property
    def found(self) -> bool:
        """Whether it errs more often there, at 5 %."""
        return self.p <= LEVEL


class WrongLabel(NamedTuple):
    """A photo whose label the network contradicts as surely as it says its answer where that is the label."""

    photo: str
    label: str
    answer: str
    probability: float
    of_label: float


def slices(rows: Sequence[Photo]) -> list[Slice]:
    """Every slice that can be asked, those with many errors first; none where no photo has a label."""
    known = [row for row in rows if row.truth]
    wrong = np.array([row.wrong for row in known], bool)
    asked = [
        (name, mine)
        for name, mine in _named(known)
        if int(mine.sum()) >= FEWEST and int((~mine).sum()) >= FEWEST and wrong[mine].any()
    ]
    p_values = holm([_fisher(wrong, mine) for _, mine in asked])
    found = [
        Slice(
            name,
            int(mine.sum()),
            int(wrong[mine].sum()),
            wilson(int(wrong[mine].sum()), int(mine.sum())),
            float(wrong[~mine].mean()),
            p,
        )
        for (name, mine), p in zip(asked, p_values, strict=True)
    ]
    return sorted(found, key=lambda each: (each.p, -each.rate.value, each.name))


def wrong_labels(rows: Sequence[Photo]) -> list[WrongLabel]:
    """Labels that are likely wrong, the surest first.

    The answer is as likely there as it is on the mean over photos that have it as their label, or likelier. Source:
    Northcutt 2021, confident learning. Of a network that learned from these photos it finds few.
    """
    sure = {
        name: float(np.mean([row.of_truth for row in rows if row.truth == name]))
        for name in {row.truth for row in rows if row.truth}
    }
    found = [
        WrongLabel(row.photo, row.truth, row.answer, row.probability, row.of_truth)
        for row in rows
        if row.wrong and row.probability >= sure.get(row.answer, np.inf)
    ]
    return sorted(found, key=lambda each: (each.of_label - each.probability, each.photo))


def like_groups(looked: Looked, seed: int) -> NDArray[np.int64]:
    """The number of the group that each photo is in, `(n,)`: k-means over the network's features, labels unseen."""
    features = looked.features.mean((2, 3)).astype(np.float64)
    features /= np.linalg.norm(features, axis=1, keepdims=True).clip(1e-9)
    count = min(MOST, len(features) // PER_GROUP)
    if count < 2:
        return np.zeros(len(features), np.int64)
    from scipy.cluster.vq import kmeans2

    return kmeans2(features, count, ROUNDS, minit="++", rng=seed)[1].astype(np.int64)


def _named(rows: Sequence[Photo]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """What photos may have in common; nothing of it was chosen by their errors."""
    for label in sorted({row.truth for row in rows}):
        yield f"labelled “{label}”", np.array([row.truth == label for row in rows])
    for word in POOR:
        yield f"{word} photos", np.array([word in row.poor for row in rows])
    groups = sorted({row.group for row in rows})
    for group in groups if len(groups) > 1 else ():
        yield f"photos alike to the network, group {group + 1}", np.array([row.group == group for row in rows])


def _fisher(wrong: NDArray[np.bool_], mine: NDArray[np.bool_]) -> float:
    from scipy import stats

    table = [[int((part & error).sum()) for error in (wrong, ~wrong)] for part in (mine, ~mine)]
    tested: Any = stats.fisher_exact(table, "greater")
    return float(tested.pvalue)

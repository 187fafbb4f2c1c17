"""How far people agree: on classes by Krippendorff's α, on areas by intersection over union."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from seewhy.people.records import Answer, BinaryMask, MaskRevision


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """Nominal α of what several coders called each unit, coders that said nothing left out.

    1 is perfect agreement, 0 what chance gives, less is worse than chance. None where no unit has two values; 1 where
    all values are the same, since none of them disagree.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section D.
    """
    observed, totals = 0.0, Counter[Hashable]()
    for values in (list(unit) for unit in units if len(unit) > 1):
        counts = Counter(values)
        same = sum(count * (count - 1) for count in counts.values())
        observed += (len(values) * (len(values) - 1) - same) / (len(values) - 1)
        totals += counts
    pairable = totals.total()
    if not pairable:
        return None
    expected = pairable**2 - sum(count**2 for count in totals.values())
    return 1 - (pairable - 1) * observed / expected if expected else 1.0


def guess_agreement(answers: Iterable[Answer]) -> float | None:
    """α of the classes guessed, a round being the unit; who resigned said nothing."""
    guesses: defaultdict[int, list[str]] = defaultdict(list)
    for answer in answers:
        if answer.guess is not None:
            guesses[answer.round].append(answer.guess)
    return krippendorff_alpha(guesses.values())


def overlap(one: BinaryMask, other: BinaryMask) -> float:
    """Intersection over union of two masks of one picture; two empty ones agree, which is 1."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


@dataclass(frozen=True)
class AreaAgreement:
    """How far the players who drew `label` on one picture agree; `iou` is the mean over all pairs of them."""

    image: str
    label: str
    players: int
    iou: float


def area_agreement(drawn: Iterable[MaskRevision]) -> list[AreaAgreement]:
    """For each picture and label that several players drew, from the last state of each player's mask."""
    groups: defaultdict[tuple[str, str], list[MaskRevision]] = defaultdict(list)
    for each in drawn:
        groups[each.image_hash, each.label].append(each)
    return [
        AreaAgreement(group[0].image, group[0].label, len(group), _mean_overlap([each.mask for each in group]))
        for group in groups.values()
        if len(group) > 1
    ]


def _mean_overlap(masks: Sequence[BinaryMask]) -> float:
    return float(np.mean([overlap(one, other) for one, other in combinations(masks, 2)]))

"""How much of a map is about its class: what the maps of other likely classes have in common with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np

from seewhy.models import Target

OTHERS = 4  # likely classes beside the one explained
CHECK = "class_specific"
HARDLY = 0.1

# How a method is asked about other classes without much work: one by one, since the same passes answer for all; or
# about the sum of their scores, as one target more, of which the map is the sum of their maps; or not at all.
Asking: TypeAlias = Literal["each", "sum", ""]


def class_specific(values: np.ndarray, others: np.ndarray) -> float | None:
    """1 − the correlation of a map `(h, w)` with the mean map of other classes: 0 is the same map for every class.

    1 has nothing in common with it, and up to 2 says the opposite. None where one of them is the same everywhere.
    """
    own, rest = _centred(values), _centred(others)
    size = float(np.linalg.norm(own) * np.linalg.norm(rest))
    return 1 - float(own.ravel() @ rest.ravel()) / size if size > 0 else None


def class_checks(values: np.ndarray, others: np.ndarray | None, *, blind: bool) -> dict[str, float]:
    """The same as a check, where it is known; 0 of a method that is `blind` to classes."""
    if blind:
        return {CHECK: 0.0}
    found = None if others is None else class_specific(values, others)
    return {} if found is None else {CHECK: found}


def class_words(checks: Mapping[str, float], *, blind: bool = False) -> str:
    """How much of a map is about its class, in a sentence; empty where nobody asked.

    >>> class_words({"class_specific": 0.03})[:58]
    'Hardly anything in it is about this class alone: from the '
    """
    if blind:
        return "Nothing in it is about this class: the method makes the same map for every class."
    if CHECK not in checks:
        return ""
    little = checks[CHECK] < HARDLY
    lead = "Hardly anything in it is about this class alone: from" if little else "From"
    return (
        f"{lead} the mean map of other likely classes it differs by {checks[CHECK]:.2f}, where 0 is the same map and 1 "
        "has nothing in common with it."
    )


def specific_part(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """What is left of a map, float32 `(h, w)`, without what the mean map of other classes foretells of it.

    It is the residual of a straight line through the pairs of numbers, and has no correlation with the others' map.
    """
    own, rest = _centred(values), _centred(others)
    power = float(np.square(rest).sum())
    slope = float(own.ravel() @ rest.ravel()) / power if power else 0.0
    return (own - slope * rest).astype(np.float32)


def _centred(values: np.ndarray) -> np.ndarray:
    plain = values.astype(np.float64)
    centred = plain - plain.mean()
    return centred if np.ptp(plain) else np.zeros_like(centred)


def likely_others(own: Sequence[Target], likeliest: Sequence[int], how: Asking) -> list[Target]:
    """What to ask beside the targets `own`, so that there are others to compare each with, of classes by likelihood."""
    named = {index for each in own for index in classes_of(each)}
    missing = OTHERS + 1 - len({each.index for each in own})
    more = [index for index in likeliest if index not in named][: max(missing, 0)] if how else []
    if how == "sum" and more:
        return [Target(more[0], also=tuple(more[1:]))]
    return [Target(index) for index in more]


def mean_of_others(target: Target, asked: Sequence[Target], maps: Sequence[np.ndarray]) -> np.ndarray | None:
    """The mean over all classes asked but those of the target; None where there are none.

    Args:
        target: the one explained.
        asked: all targets, each of one class or of the sum of several.
        maps: float `(h, w)`, of each.
    """
    mine, total, count = classes_of(target), np.zeros(()), 0
    for each, values in zip(asked, maps, strict=True):
        if each.against is None and not mine & classes_of(each):
            total, count = total + values, count + 1 + len(each.also)
    return (total / count).astype(np.float32) if count else None


def classes_of(target: Target) -> set[int]:
    """The indices that a target is about."""
    return {index for index in (target.index, *target.also, target.against) if index is not None}

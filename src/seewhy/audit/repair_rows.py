"""The rows of a repair, from which its figures follow: a line for each photo that no step has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.audit.repair import Answers, Judged, judged
from seewhy.core.reading import damaged, read_csv, sound

CURE = "run `seewhy repair` again"
TIMES = ("before", "after")
ASKED = ("right", "right with", "right without", "p with", "p without")
COLUMNS = ("photo", "of its class", *(f"{what}, {time}" for time in TIMES for what in ASKED))
SAID = {True: "yes", False: "no"}


def rows_of_answers(photos: Sequence[str], before: Answers, after: Answers) -> Iterator[list[str | float]]:
    """A row for each photo: whether it is of the finding's class, and what both networks say."""
    for place, photo in enumerate(photos):
        row: list[str | float] = [photo, SAID[bool(before.mine[place])]]
        for each in (before, after):
            row += [SAID[bool(right[place])] for right in (each.plain, each.laid, each.taken)]
            row += [float(likely[place]) for likely in (each.likely_laid, each.likely_taken)]
        yield row


def read_answers(path: Path) -> tuple[Answers, Answers]:
    """What both networks say, by their rows.

    Raises:
        BadFile: it is no such file.
    """
    with sound(path, CURE):
        rows = read_csv(path, CURE, COLUMNS)
        if not rows:
            raise damaged(path, "it has no rows", CURE)
        mine = _said(rows, "of its class")
        before, after = (
            Answers(
                mine,
                *(_said(rows, f"{what}, {time}") for what in ASKED[:3]),
                *(np.array([float(row[f"{what}, {time}"]) for row in rows]) for what in ASKED[3:]),
            )
            for time in TIMES
        )
        return before, after


def repair_figures(before: Answers, after: Answers) -> dict[str, Any]:
    """What both networks' answers come to, as plain JSON values."""
    return {time: _plain(judged(each)) for time, each in zip(TIMES, (before, after), strict=True)}


def _plain(found: Judged) -> dict[str, Any]:
    return {
        "accuracy": found.accuracy,
        "groups": dict(found.groups),
        "worst": found.worst,
        "effect": found.effect,
    }


def _said(rows: Sequence[Mapping[str, str]], column: str) -> np.ndarray:
    known = {word: value for value, word in SAID.items()}
    return np.array([known[row[column]] for row in rows], bool)

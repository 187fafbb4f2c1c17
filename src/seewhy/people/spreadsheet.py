"""Answers as CSV."""

from __future__ import annotations

from collections.abc import Iterable

from seewhy.core.files import csv_text
from seewhy.people.records import Answer
from seewhy.people.scoring import points

_COLUMNS = (
    *("round", "player", "simulated", "image", "layer", "cluster"),
    *("true_class", "guess", "outcome", "stage", "points", "language", "labels"),
)


def answers_csv(answers: Iterable[Answer]) -> str:
    """A line for each answer; several labels are joined by semicolons."""
    return csv_text(_COLUMNS, map(_cells, answers))


def _cells(each: Answer) -> tuple[object, ...]:
    outcome = "resigned" if each.guess is None else "won" if each.won else "lost"
    who = (each.player, "simulated" if each.simulated else "person")
    what = (each.image, each.layer, each.cluster, each.true_class, each.guess or "", outcome, each.stage)
    return (each.round, *who, *what, points(each.stage, won=each.won), each.language, "; ".join(each.labels))

"""Answers as CSV for spreadsheets, which take a cell that begins like a formula for one."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

from seewhy.people.records import Answer
from seewhy.people.scoring import points

_COLUMNS = (
    *("round", "player", "simulated", "image", "layer", "cluster"),
    *("true_class", "guess", "outcome", "stage", "points", "language", "labels"),
)
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four: full width


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def answers_csv(answers: Iterable[Answer]) -> str:
    """A line for each answer; several labels are joined by semicolons."""
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(_COLUMNS)
    for each in answers:
        outcome = "resigned" if each.guess is None else "won" if each.won else "lost"
        texts = (
            *(each.player, "simulated" if each.simulated else "person", each.image, each.layer),
            *(each.true_class, each.guess or "", outcome, each.language, "; ".join(each.labels)),
        )
        player, simulated, image, layer, true_class, guess, outcome, language, labels = map(safe_cell, texts)
        score = points(each.stage, won=each.won)
        row = (each.round, player, simulated, image, layer, each.cluster, true_class, guess, outcome)
        writer.writerow((*row, each.stage, score, language, labels))
    return buffer.getvalue()

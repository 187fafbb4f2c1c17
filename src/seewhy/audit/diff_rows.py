"""The rows of a diff, from which its figures follow: a line for each photo, and the distances of the maps of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seewhy.core.reading import damaged, read_array, read_csv, sound
from seewhy.study.difference import LEAST, SURE, Apart, Floats, apart, chance
from seewhy.study.statistics import Interval, mean_interval

PHOTOS, DISTANCES = "photos.csv", "distances.npy"
FEWEST = 2  # changed photos, on which hiding is tried
CURE = "run `seewhy diff` again"


class Row(NamedTuple):
    """One photo: both answers and their probabilities, and what hiding where one model looks costs it more.

    Probabilities are NaN where the answers differ, the cost where it was not tried.
    """

    photo: str
    first: str
    second: str
    p_first: float
    p_second: float
    cost: float

    def cells(self) -> list[str | float | None]:
        """As cells of a table; NaN is empty."""
        return [None if isinstance(each, float) and np.isnan(each) else each for each in self]


def changed_among(gaps: Sequence[float], p: float | None) -> int:
    """How many photos count as changed: none where seeds alone may have done it."""
    return sum(gap >= LEAST for gap in gaps) if p is None or p <= SURE else 0


def chance_of(tables: Sequence[Floats], seed: int) -> float | None:
    """How likely it is that seeds alone did it; None where nothing was drawn, or there are no photos."""
    return chance(tables, seed) if len(tables) and len(tables[0]) > len(Apart._fields) else None


def leaning_of(costs: Sequence[float]) -> Interval | None:
    """The mean cost with its interval; None of too few photos."""
    return mean_interval(costs) if len(costs) >= FEWEST else None


def read_rows(folder: Path) -> tuple[list[Row], Floats]:
    """The rows of a diff, and the distances of those of one answer, `(n, maps, maps)`.

    Raises:
        BadFile: the folder's files are none, or do not fit together.
    """
    path = folder / PHOTOS
    with sound(path, CURE):
        rows = [
            Row(row["photo"], row["first"], row["second"],
                *(float(row[name] or "nan") for name in Row._fields[3:]))
            for row in read_csv(path, CURE, Row._fields)
        ]  # fmt: skip
    tables = read_array(folder / DISTANCES, CURE, shape=(None, None, None), finite=True)
    if len(tables) != sum(row.first == row.second for row in rows) or tables.shape[1] != tables.shape[2]:
        raise damaged(folder / DISTANCES, "it does not fit the photos", CURE)
    return rows, tables


def diff_figures(rows: Sequence[Row], tables: Floats, seed: int) -> dict[str, Any]:
    """What rows come to, as plain JSON values; photos of one answer are in the order of `tables`."""
    same = [row for row in rows if row.first == row.second]
    lie = [apart(table, range(len(table) // 2)) for table in tables]
    p = chance_of([*tables], seed)
    changed = changed_among([each.gap for each in lie], p)
    leaning = leaning_of([row.cost for row in same[:changed] if np.isfinite(row.cost)])
    return {
        "same": len(same),
        "changed": [
            {
                "photo": row.photo,
                "answer": row.first,
                "first": row.p_first,
                "second": row.p_second,
                "apart": each.between,
                "apart by seeds": each.within,
            }
            for row, each in zip(same[:changed], lie[:changed], strict=True)
        ],
        "p": p,
        "answers": [
            {"photo": row.photo, "first": row.first, "second": row.second} for row in rows if row.first != row.second
        ],
        "leaning": None if leaning is None else [None if np.isnan(each) else each for each in leaning],
    }

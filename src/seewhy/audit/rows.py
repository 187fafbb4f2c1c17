"""The rows of both tests, from which every figure of an audit follows, for whoever doubts one.

One row for each suspect, test and photo holds the probability of the class as it is, changed, and by the control.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seewhy.audit.looking import Looked
from seewhy.audit.trial import Test, Trial, trials
from seewhy.core.reading import damaged, read_csv, sound

COLUMNS = ("suspect", "test", "photo", "before", "after", "control")
PASTE, REMOVAL = "paste", "removal"
CURE = "run `seewhy audit` again"


def rows_of_tests(tried: Sequence[Trial], others: Looked) -> Iterator[list[str | float | int]]:
    """A row for each photo of each test; suspects are numbered in the order in which an audit tells them."""
    for number, each in enumerate(tried, 1):
        for name, test in ((PASTE, each.paste), (REMOVAL, each.removal)):
            for place, *values in zip(test.places, test.before, test.after, test.control, strict=True):
                yield [number, name, others.entries[place].path, *map(float, values)]


def read_trials(path: Path, suspects: int) -> list[Trial]:
    """What the tests of so many suspects say, by their rows.

    Raises:
        BadFile: it is no such file, or tells of other suspects.
    """
    with sound(path, CURE):
        found: dict[tuple[int, str], list[tuple[float, float, float]]] = {}
        for row in read_csv(path, CURE, COLUMNS):
            numbers = (float(row["before"]), float(row["after"]), float(row["control"]))
            found.setdefault((int(row["suspect"]), row["test"]), []).append(numbers)
        if any(not 1 <= number <= suspects or name not in {PASTE, REMOVAL} for number, name in found):
            raise damaged(path, f"it tells of others than {suspects} suspects", CURE)
        return trials([
            (_test(found.get((number, PASTE), []), rises=True), _test(found.get((number, REMOVAL), []), rises=False))
            for number in range(1, suspects + 1)
        ])  # fmt: skip


def _test(rows: Sequence[tuple[float, float, float]], *, rises: bool) -> Test:
    before, after, control = np.array(rows, np.float64).reshape(-1, 3).T
    return Test(tuple(range(len(rows))), before, after, control, rises)

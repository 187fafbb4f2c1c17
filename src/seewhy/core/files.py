"""Tables as CSV files that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from seewhy.core.writing import write_whole

FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # the last four: full width
BREAKS = ("\t", "\r", "\n")  # may begin another cell or row


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write `csv_text` as UTF-8, whole or not at all; the folder is made.

    Args:
        path: of the file.
        columns: names, for the first line.
        rows: one value for each column; text is guarded and quoted, numbers stay numbers.
    """
    write_whole(path, csv_text(columns, rows).encode())


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""The table as CSV: text quoted, formulas guarded, lines ended by `\n`.

    >>> print(csv_text(["name", "points"], [["ann", 60], ["=1+1", 0]]), end="")
    "name","points"
    "ann",60
    "'=1+1",0
    """
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    for row in (columns, *rows):
        writer.writerow([guard_cell(value) if isinstance(value, str) else value for value in row])
    return buffer.getvalue()


def guard_cell(text: str) -> str:
    r"""The text, with an apostrophe before it where a spreadsheet would run it as a formula.

    White space and invisible characters before the formula do not hide it, nor do full-width signs.

    >>> guard_cell("\u3000=1+1")
    "'\u3000=1+1"
    """
    first = next((character for character in text if character != " " and character.isprintable()), "")
    return f"'{text}" if first in FORMULA or text.lstrip(" ").startswith(BREAKS) else text

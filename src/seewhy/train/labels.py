"""Pictures with several labels each, named by a table: the CSV files that people have."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path, PurePosixPath

from seewhy.core.reading import read_whole, sound
from seewhy.errors import UsageError
from seewhy.images.folder import Entry, Folder

SAID = {"1": True, "1.0": True, "true": True, "yes": True, "0": False, "0.0": False, "false": False, "no": False}
SEPARATORS = ";|"
SHAPE = (
    "a table of labels has a line of names, then one for each picture: its file and a 0 or 1 for each label, or its "
    "file and its labels, joined by ; or |"
)
TABLE_BYTES = 64 << 20
NAMED = 3  # files named in a message


@dataclass(frozen=True)
class Labels:
    """The labels that a table knows, and those of each file it names."""

    names: tuple[str, ...]
    of: Mapping[str, tuple[str, ...]]


def read_labels(path: str | Path) -> Labels:
    """Read a table of labels: comma, semicolon or tab between columns, UTF-8, the first line names the columns.

    Either a column of files, then a column of 0 and 1 for each label; or a column of files and one of labels, several
    joined by `;` or `|`, none where it is empty.

    Raises:
        UsageError: it is no such table, a file stands there twice, or there are fewer than two labels.
    """
    path = Path(path)
    with sound(path, SHAPE):
        text = read_whole(path, SHAPE, TABLE_BYTES).decode("utf-8-sig")
        first = text.partition("\n")[0]
        between = next((each for each in "\t," if each in first), ";")
        lines = csv.reader(StringIO(text), delimiter=between)
        header, *rows = [row for row in lines if any(map(str.strip, row))] or [[]]
    if len(header) < 2 or not rows:
        raise UsageError(f"{path} has {len(header)} columns and {max(len(rows), 0)} lines below them; {SHAPE}")
    if uneven := next((number for number, row in enumerate(rows, 2) if len(row) != len(header)), None):
        raise UsageError(f"line {uneven} of {path} has another number of columns than the first; {SHAPE}")
    listed = len(header) == 2 and any(row[1].strip().casefold() not in SAID for row in rows)
    of: dict[str, tuple[str, ...]] = {}
    for number, (file, *cells) in enumerate(rows, 2):
        name = PurePosixPath(file.strip().replace("\\", "/")).as_posix()
        if name in of:
            raise UsageError(f"{path} names {name} twice; keep one line for each picture, with all its labels")
        of[name] = _split(cells[0]) if listed else _ticked(header[1:], cells, number, path)
    named = sorted({label for labels in of.values() for label in labels})
    names = named if listed else [each.strip() for each in header[1:]]
    if len({*names}) < max(2, len(names)):
        what = "one label" if len(names) < 2 else "one label twice"
        raise UsageError(f"{path} knows {what}, and a network of labels tells two or more apart; {SHAPE}")
    return Labels(tuple(names), of)


def labelled_folder(root: Path, table: Path, wanted: Sequence[str] = ()) -> tuple[Folder, list[str]]:
    """The pictures below `root` that `table` names, with their labels, and what the owner should know.

    A file is named by its path below `root`, with or without its ending. `wanted` leaves other labels out.

    Raises:
        UsageError: the table is none, names a file that is not there or one of several, or lacks a wanted label.
    """
    labels = read_labels(table)
    if unknown := sorted({*wanted} - {*labels.names}):
        raise UsageError(f"{table} has no label {', '.join(unknown)}; it has {', '.join(labels.names)}")
    names = tuple(each for each in labels.names if each in wanted) if wanted else labels.names
    folder = Folder.open(root)
    paths = {entry.path: entry for entry in folder.entries}
    short: dict[str, list[str]] = {}
    for each in paths:
        short.setdefault(PurePosixPath(each).with_suffix("").as_posix(), []).append(each)
    found: dict[str, Entry] = {}
    absent: list[str] = []
    for name, mine in labels.of.items():
        fitting = [name] if name in paths else short.get(name, [])
        if len(fitting) > 1:
            raise UsageError(f"{table} names {name}, which may be {' or '.join(fitting)}; write the ending, too")
        for path in fitting:
            found[path] = paths[path]._replace(label=None, labels=tuple(each for each in mine if each in names))
        absent += [name] * (not fitting)
    if absent:
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        raise UsageError(f"{table} names {', '.join(absent[:NAMED])}{more}, which {root} does not hold; "
                         "name files by their path below the folder")  # fmt: skip
    left = len(paths) - len(found)
    notes = [f"{left} pictures have no line in {table.name} and were left out"] if left else []
    return replace(folder, entries=tuple(found[path] for path in sorted(found)), classes=names), notes


def _split(cell: str) -> tuple[str, ...]:
    for each in SEPARATORS[1:]:
        cell = cell.replace(each, SEPARATORS[0])
    return tuple(dict.fromkeys(filter(None, map(str.strip, cell.split(SEPARATORS[0])))))


def _ticked(names: Sequence[str], cells: Sequence[str], number: int, path: str | Path) -> tuple[str, ...]:
    def found() -> Iterator[str]:
        for name, cell in zip(names, cells, strict=True):
            said = SAID.get(cell.strip().casefold())
            if said is None:
                what = f"line {number} of {path} says {cell.strip()!r} of {name.strip()}, not 0 or 1"
                raise UsageError(f"{what}; {SHAPE}")
            if said:
                yield name.strip()

    return tuple(found())

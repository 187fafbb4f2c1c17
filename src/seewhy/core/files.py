"""Files that are written whole or not at all: JSON, CSV, arrays; their names, and where seewhy keeps its own."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import stat
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EFBIG, ENOSPC, EPERM, EROFS
from io import BytesIO, StringIO
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seewhy.core.text import shown, visible, visible_json
from seewhy.errors import NotWritten

if TYPE_CHECKING:
    import numpy as np

UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
LONGEST = 200  # of a name; file systems take 255 bytes, and a number or an ending may follow
FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # the last four: full width
NO_SPACE, FORBIDDEN = {ENOSPC, EDQUOT, EFBIG}, {EACCES, EPERM, EROFS}
LITTLE = 1 << 20  # bytes: a disk with fewer is full
BREAKS = ("\t", "\r", "\n")  # may begin another cell or row


@contextmanager
def whole_file(path: Path) -> Generator[BinaryIO]:
    """A file to write to, which takes the place of `path` once it is closed; its folder is made.

    Raises:
        NotWritten: the disk is full, or the file may not be written; what was there stays.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def writing(path: Path) -> Generator[None]:
    """A disk that is full, and a place that may not be written, become one sentence that says what to do.

    Raises:
        NotWritten: with that sentence, about `path`.
    """
    try:
        yield
    except NotWritten as error:  # of a file in a folder that is written whole
        raise NotWritten(_why(path, error.__cause__)) from error.__cause__
    except (OSError, RuntimeError) as error:
        if (isinstance(error, OSError) and error.errno in FORBIDDEN) or _is_full(path, error):
            raise NotWritten(_why(path, error)) from error
        raise


def _is_full(path: Path, error: BaseException) -> bool:
    """Whether it failed for want of space; not every library says why it could not write."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in NO_SPACE
    folder = next(each for each in (path, *path.absolute().parents) if each.exists())
    return shutil.disk_usage(folder).free < LITTLE


def _why(path: Path, error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.errno in FORBIDDEN:
        where = f": {shown(error.filename)}" if error.filename else ""
        return f"{shown(path)} cannot be written ({error.strerror}{where}); name another place, or ask for the right to"
    return (
        f"{shown(path)} cannot be written, since the disk is full; nothing was left half written; free some space, or "
        "name a place on another disk"
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    with whole_file(path) as file:
        file.write(content)


def write_json(path: Path, value: Any) -> None:
    """Write JSON without NaN, whole or not at all."""
    write_whole(path, json_text(value).encode() + b"\n")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an `.npy` file, whole or not at all."""
    import numpy as np

    buffer = BytesIO()  # NumPy does not say why the disk would not take it
    np.save(buffer, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())


def json_text(value: Any) -> str:
    """JSON for people and programs: indented, in the order given, letters as they are; NaN is a `ValueError`.

    What cannot be seen is written as JSON's own escapes, which read back as the same text.
    """
    return visible_json(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write `csv_text` as UTF-8, whole or not at all; the folder is made.

    Args:
        path: of the file.
        columns: names, for the first line.
        rows: one value for each column; text is guarded and quoted, numbers stay numbers.
    """
    write_whole(path, csv_text(columns, rows).encode())


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""The table as CSV: text quoted, formulas guarded, what cannot be seen as escapes, lines ended by `\n`.

    >>> print(csv_text(["name", "points"], [["ann", 60], ["=1+1", 0]]), end="")
    "name","points"
    "ann",60
    "'=1+1",0
    """
    buffer = StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    for row in (columns, *rows):
        writer.writerow([visible(guard_cell(value)) if isinstance(value, str) else value for value in row])
    return buffer.getvalue()


def guard_cell(text: str) -> str:
    r"""The text, with an apostrophe before it where a spreadsheet would run it as a formula.

    White space and invisible characters before the formula do not hide it, nor do full-width signs.

    >>> guard_cell("\u3000=1+1")
    "'\u3000=1+1"
    """
    first = next((character for character in text if character != " " and character.isprintable()), "")
    return f"'{text}" if first in FORMULA or text.lstrip(" ").startswith(BREAKS) else text


def unguarded(text: str) -> str:
    """The text that `guard_cell` made this cell of.

    >>> unguarded("'=1+1"), unguarded("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and guard_cell(text[1:]) == text else text


def safe_name(text: str) -> str:
    """A file name that every system takes and that stays in its folder.

    >>> safe_name("my cat (1)/..")
    'my-cat-1'
    """
    return UNSAFE.sub("-", text)[:LONGEST].strip("-.") or "photo"


def free_name(text: str, taken: set[str]) -> str:
    """A safe name for `text`, numbered where it is `taken`; it is from now on.

    Some file systems take Cat and cat for the same, so that these are told apart, too.
    """
    name = safe_name(text)
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    free = next(each for each in names if each.casefold() not in taken)
    taken.add(free.casefold())
    return free


def photo_folders(sources: Iterable[str], out: Path) -> list[Path]:
    """A folder of its own below `out` for each photo of these names or paths."""
    taken: set[str] = set()
    return [out / photo_name(source, taken) for source in sources]


def photo_name(source: str, taken: set[str]) -> str:
    """The name of the folder of a photo's results: its own without its ending, numbered where it is `taken`."""
    return free_name(Path(source).stem.removeprefix("sample:"), taken)


def home() -> Path:
    """`SEEWHY_HOME`, or the user's folder for application data; it need not be there yet."""
    if given := os.environ.get("SEEWHY_HOME"):
        return Path(given).expanduser()
    from platformdirs import user_data_path

    return user_data_path("seewhy", appauthor=False)


def cache_folder() -> Path:
    """What can be computed again; it need not be there yet."""
    return home() / "cache"


def private_folder(path: Path) -> Path:
    """A folder that this account alone may enter, made if need be, whatever the umask; returns it.

    So are the folders that are made above it, and those between it and `home`.

    Raises:
        OSError: it cannot be made.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    for each in (path, *(above for above in path.parents if above.is_relative_to(home()))):
        _withdraw(each, 0o700)
    return path


def private_file(path: Path) -> Path:
    """A file that this account alone may read and write, made empty if need be, whatever the umask; returns it.

    Raises:
        OSError: it cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    _withdraw(path, 0o600)
    return path


def _withdraw(path: Path, mode: int) -> None:
    """Take all rights from other accounts; where the file is another account's, that one decides."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        with suppress(PermissionError):
            path.chmod(mode)

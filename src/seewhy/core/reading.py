"""The door for files of data: JSON, arrays, tables and zips are checked before they are believed.

Whatever is wrong with a file is one `BadFile` that names the file and the cure. Nothing that a file says is run, and
no library allocates what a header claims before the claim is compared with the size of the file.
"""

from __future__ import annotations

import csv
import math
import os
import re
import stat
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cache
from io import BufferedReader, BytesIO, StringIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from seewhy.core.files import unguarded
from seewhy.core.text import shown
from seewhy.errors import BadFile, SeewhyError

if TYPE_CHECKING:
    import polars as pl
    from pydantic import TypeAdapter

T = TypeVar("T")

JSON_BYTES = 64 << 20
TABLE_BYTES = 1 << 30  # of a table when it is unpacked
ARRAYS_BYTES = 4 << 30  # of the arrays of one file together, unpacked
ENTRIES = 100_000  # of a zip
UNPACKS = 1100  # bytes for each byte packed: more than deflate can do
ROWS_PER_BYTE = 8  # of a table: more than tables of ours are packed, whose scores and hashes differ from row to row
WIDEST = 16  # bytes of one cell in memory, text aside
LARGEST = 1 << 64  # of whole numbers in JSON
REASON = 200  # letters of what a library says
PACKINGS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

# An escape of JSON: two that are one letter, half of such two, or any other.
ESCAPE = re.compile(rb"\\(u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F]..)|.)", re.DOTALL)


@contextmanager
def sound(path: Path, cure: str) -> Generator[None]:
    """Whatever fails while the file at `path` is read becomes a `BadFile` that names it and the `cure`.

    Errors of seewhy's own pass, as do `KeyboardInterrupt` and the end of the program.
    """
    try:
        yield
    except SeewhyError:
        raise
    except FileNotFoundError as error:
        raise BadFile(f"{shown(path)} is missing; {cure}") from error
    except RecursionError as error:
        raise BadFile(f"{shown(path)} is nested too deeply; {cure}") from error
    except PermissionError as error:
        raise BadFile(f"{shown(path)} may not be read by this account; give it the right, or {cure}") from error
    except MemoryError as error:
        raise BadFile(f"{shown(path)} needs more memory than there is; {cure}") from error
    except Exception as error:
        raise damaged(path, str(error) or type(error).__name__, cure) from error
    except BaseException as error:  # a panic of a library written in Rust is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise damaged(path, str(error), cure) from error


def damaged(path: Path, reason: str, cure: str) -> BadFile:
    """The error for a file that is not what it must be."""
    return BadFile(f"{shown(path)} is damaged ({shown(reason, REASON)}); {cure}")


def read_whole(path: Path, cure: str, most: int) -> bytes:
    """The bytes of a regular file of no more than `most` bytes; no pipe, device or folder is waited for."""
    with sound(path, cure), open_regular(path, cure) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise BadFile(f"{shown(path)} is larger than {most >> 20} MiB, so it is not what it must be; {cure}")
        return file.read(most)


def open_regular(path: Path, cure: str) -> BufferedReader:
    """The file, open to be read; refused where it is none."""
    # Asked before opening: a named pipe would wait for its writer.
    if not stat.S_ISREG(path.stat().st_mode):
        raise BadFile(f"{shown(path)} is no file; {cure}")
    return path.open("rb")


def read_json(path: Path, kind: type[T], cure: str, most: int = JSON_BYTES) -> T:
    """A JSON file as a `kind`: a dataclass, a TypedDict, `dict[str, int]` and the like.

    Types are strict (no text for a number), NaN and infinity are no numbers, and what `kind` does not know is left out.
    """
    return parse_json(read_whole(path, cure, most), kind, path, cure)


def parse_json(text: bytes | str, kind: type[T], path: Path, cure: str) -> T:
    """JSON that came from `path` as a `kind`; see `read_json`."""
    from pydantic import ValidationError
    from pydantic_core import from_json

    with sound(path, cure):
        text = ESCAPE.sub(_whole_letter, text.encode() if isinstance(text, str) else text)
        if not _bounded(from_json(text, allow_inf_nan=False)):
            raise damaged(path, "a number is too large", cure)
        try:
            return _adapter(kind).validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise damaged(path, f"{place}: {first['msg']}" if place else first["msg"], cure) from error


def read_lines(path: Path, kind: type[T], cure: str, most: int = JSON_BYTES) -> list[T]:
    """A file with a JSON value of this `kind` on each line."""
    return [parse_json(line, kind, path, cure) for line in read_whole(path, cure, most).splitlines()]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _whole_letter(escape: re.Match[bytes]) -> bytes:
    """Half a letter, as names of files that are no text have them, is shown as one that is unknown."""
    return rb"\ufffd" if escape["half"] else escape[0]


def _bounded(value: Any) -> bool:
    """Whether every number in a JSON value is finite and fits into 64 bits."""
    ahead = [value]
    while ahead:
        each = ahead.pop()
        if isinstance(each, dict):
            ahead += each.values()
        elif isinstance(each, list):
            ahead += each
        elif (isinstance(each, float) and not math.isfinite(each)) or (isinstance(each, int) and abs(each) >= LARGEST):
            return False
    return True


def read_array(
    path: Path,
    cure: str,
    *,
    kinds: str = "f",
    shape: Sequence[int | None] | None = None,
    finite: bool = False,
    mapped: bool = False,
) -> np.ndarray:
    """The array of an `.npy` file, which is as long as its header says.

    Args:
        path: of the file.
        cure: what to do where it is damaged.
        kinds: NumPy's letters of the kinds of numbers that may stand there, such as `f` or `iu`.
        shape: what each dimension has to be; None for any.
        finite: whether NaN and infinity are damage.
        mapped: whether the numbers stay on the disk until they are looked at.
    """
    with sound(path, cure), open_regular(path, cure) as file:
        size = os.fstat(file.fileno()).st_size
        if size > ARRAYS_BYTES and not mapped:
            raise BadFile(
                f"{shown(path)} is larger than {ARRAYS_BYTES >> 30} GiB, so it is not what it must be; {cure}"
            )
        _check_header(file, size, path, cure, kinds, shape)
        array = np.load(path, mmap_mode="r") if mapped else np.load(file, allow_pickle=False)
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise damaged(path, "it holds NaN or infinity", cure)
    return array


def read_arrays(path: Path, cure: str, names: Sequence[str], kinds: str = "fiu") -> dict[str, np.ndarray]:
    """The arrays of these names in an `.npz` file."""
    found: dict[str, np.ndarray] = {}
    with open_zip(path, cure) as archive:
        for name in names:
            content = BytesIO(archive.read(f"{name}.npy"))
            _check_header(content, len(content.getvalue()), path, cure, kinds, None)
            found[name] = np.load(content, allow_pickle=False)
    return found


def read_table(
    path: Path,
    cure: str,
    columns: Mapping[str, Any],
    optional: Mapping[str, Any] | None = None,
    most: int = TABLE_BYTES,
) -> pl.DataFrame:
    """A Parquet file that has these columns of these types (polars'); others are left out, and the order stays.

    Args:
        path: of the file.
        cure: what to do where it is damaged.
        columns: by name the type that each has, or several, one of which it has.
        optional: the same of columns that may be missing.
        most: bytes of the table in memory.
    """
    import polars as pl

    with sound(path, cure):
        with open_regular(path, cure) as file:
            size = os.fstat(file.fileno()).st_size
        found = pl.read_parquet_schema(path)
        wanted = {name: kinds for name, kinds in (optional or {}).items() if name in found} | {**columns}
        if wrong := [name for name, kinds in wanted.items() if found.get(name) not in _several(kinds)]:
            raise damaged(path, f"missing or of another type: {', '.join(wrong)}", cure)
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        if rows > ROWS_PER_BYTE * size or rows * WIDEST * len(wanted) > most:
            raise damaged(path, f"it claims {rows} rows in {size} bytes", cure)
        table = pl.read_parquet(path, columns=[name for name in found if name in wanted])
        text = sum(table[name].str.len_bytes().sum() for name, kind in table.schema.items() if kind == pl.String)
        if table.height != rows or max(table.estimated_size(), text) > most:
            raise damaged(path, f"it unpacks to more than {most >> 20} MiB", cure)
        return table


def read_csv(path: Path, cure: str, columns: Sequence[str], most: int = JSON_BYTES) -> list[dict[str, str]]:
    """The lines of a CSV file as `write_csv` writes it, by the names of its columns; it has these columns at least.

    Cells are text, whatever they hold; apostrophes that guard formulas are taken off again.
    """
    with sound(path, cure):
        lines = csv.reader(StringIO(read_whole(path, cure, most).decode(), newline=""), strict=True)
        header = next(lines, [])
        if missing := [name for name in columns if name not in header]:
            raise damaged(path, f"it has no column {', '.join(missing)}", cure)
        return [dict(zip(header, map(unguarded, line), strict=True)) for line in lines]


class Archive:
    """A zip whose members are read one by one, and unpack together to no more than so many bytes."""

    def __init__(self, file: zipfile.ZipFile, path: Path, cure: str, most: int) -> None:
        self._file, self._path, self._cure, self._left = file, path, cure, most
        self.names = [entry.filename for entry in file.infolist() if not entry.is_dir()]

    def read(self, name: str, most: int | None = None) -> bytes:
        """The bytes of a member, the first `most` of them at least where it is longer.

        Raises:
            BadFile: there is no such member, it is damaged or locked, or too much was unpacked.
        """
        with sound(self._path, self._cure):
            entry = self._file.getinfo(name)
            if entry.compress_type not in PACKINGS:
                raise damaged(self._path, f"{shown(name)} is packed in a way that is not read", self._cure)
            claimed = entry.file_size if most is None else min(entry.file_size, most)
            self._left -= claimed
            if self._left < 0 or claimed > UNPACKS * (entry.compress_size + 1):
                raise damaged(self._path, f"{shown(name)} claims to unpack to {entry.file_size} bytes", self._cure)
            with self._file.open(entry) as member:
                return member.read(claimed)


@contextmanager
def open_zip(
    path: Path, cure: str, *, content: bytes | None = None, entries: int = ENTRIES, most: int = ARRAYS_BYTES
) -> Generator[Archive]:
    """A zip, of no more than so many `entries` and bytes unpacked.

    Args:
        path: of the file; only its name where `content` holds the bytes.
        cure: what to do where it is damaged.
        content: of a zip that is no file.
        entries: that it may have.
        most: bytes that its members may unpack to.
    """
    with sound(path, cure):
        file = open_regular(path, cure) if content is None else BytesIO(content)
    with closing(file):
        with sound(path, cure):
            archive = zipfile.ZipFile(file)
        with archive:
            if (count := len(archive.filelist)) > entries:
                raise damaged(path, f"it has {count} entries", cure)
            yield Archive(archive, path, cure, most)


def _several(kinds: Any) -> tuple[Any, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def path_below(root: Path, name: str, file: Path, cure: str) -> Path:
    """Where `name`, which stands in `file`, lies below `root`, links followed.

    Raises:
        BadFile: it is absolute, goes up, holds NUL, or a link leads out of `root`.
    """
    # Python 3.11 tells of links in a circle by a RuntimeError, and of NUL by a ValueError.
    with suppress(OSError, RuntimeError, ValueError):
        place = root.resolve()
        found = (place / name).resolve()
        if is_relative(name) and found != place and found.is_relative_to(place):
            return found
    raise BadFile(f"{shown(file)} names {shown(name)}, which is not below {shown(root.name)}; {cure}")


def is_relative(name: str) -> bool:
    """Whether a path leads down alone, as far as its words tell: it is not absolute, goes up nowhere, has no NUL.

    >>> [is_relative(name) for name in ("a/b.png", "../b.png", "/etc/passwd", "")]
    [True, False, False, False]
    """
    path = PurePath(name)
    return bool(path.parts) and not path.anchor and ".." not in path.parts and "\0" not in name


def _check_header(file: Any, size: int, path: Path, cure: str, kinds: str, shape: Sequence[int | None] | None) -> None:
    """Refuse an array whose header claims more, or other, bytes than the file has, or is of another kind or shape."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    found, _, dtype = read(file)
    count = math.prod(map(int, found))  # of Python's own: those of NumPy overflow
    if dtype.hasobject or min(found, default=0) < 0 or file.tell() + count * dtype.itemsize != size:
        raise damaged(path, f"its header claims {count} numbers of {dtype}, which are not there", cure)
    if dtype.kind not in kinds:
        raise damaged(path, f"it holds {dtype}", cure)
    if shape is not None and not _fits(found, shape):
        wanted = ", ".join("any" if each is None else str(each) for each in shape)
        raise damaged(path, f"its shape is {found}, not ({wanted})", cure)
    file.seek(0)


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(each in {None, got} for each, got in zip(wanted, shape, strict=True))

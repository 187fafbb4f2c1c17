"""The door for files of data: JSON, arrays and tables are checked before they are believed, and bounded in memory.

Whatever is wrong with a file is one `BadFile` that names the file and the cure. Nothing that a file says is run, and
no library allocates what a header claims before the header is compared with the size of the file.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BufferedReader, BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from seewhy.core.text import shown
from seewhy.errors import BadFile, SeewhyError

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")

JSON_BYTES = 64 << 20
TABLE_BYTES = 4 << 30  # of a table when it is unpacked
ARRAYS_BYTES = 4 << 30  # of the arrays of one file together, unpacked
UNPACKS = 1100  # bytes for each byte packed: more than deflate can do
REASON = 200  # letters of what a library says


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
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import from_json

    with sound(path, cure):
        from_json(text, allow_inf_nan=False)
        try:
            return TypeAdapter(kind).validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise damaged(path, f"{place}: {first['msg']}" if place else first["msg"], cure) from error


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
        _check_header(file, os.fstat(file.fileno()).st_size, path, cure)
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    _check_array(array, path, cure, kinds, shape, finite=finite)
    return array


def read_arrays(path: Path, cure: str, names: Sequence[str], kinds: str = "fiu") -> dict[str, np.ndarray]:
    """The arrays of these names in an `.npz` file."""
    found: dict[str, np.ndarray] = {}
    with sound(path, cure), open_regular(path, cure) as file, zipfile.ZipFile(file) as archive:
        size, left = os.fstat(file.fileno()).st_size, ARRAYS_BYTES
        for name in names:
            told = archive.getinfo(f"{name}.npy").file_size
            left -= told
            if told > UNPACKS * size or left < 0:
                raise damaged(path, f"{name} claims to unpack to {told} bytes", cure)
            with archive.open(f"{name}.npy") as member:
                content = BytesIO(member.read(told + 1))
            _check_header(content, len(content.getvalue()), path, cure)
            found[name] = np.load(content, allow_pickle=False)
            _check_array(found[name], path, cure, kinds, None, finite=False)
    return found


def read_table(path: Path, cure: str, columns: Mapping[str, Any], most: int = TABLE_BYTES) -> pl.DataFrame:
    """A Parquet file that has these columns of these types (polars'); others are left out."""
    import polars as pl

    with sound(path, cure):
        open_regular(path, cure).close()
        found = pl.read_parquet_schema(path)
        if wrong := [name for name, kind in columns.items() if found.get(name) != kind]:
            raise damaged(path, f"missing or of another type: {', '.join(wrong)}", cure)
        if (table := pl.read_parquet(path, columns=list(columns))).estimated_size() > most:
            raise damaged(path, f"it unpacks to more than {most >> 30} GiB", cure)
        return table


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


def _check_header(file: Any, size: int, path: Path, cure: str) -> None:
    """Refuse an array whose header claims more, or other, bytes than the file has."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    count = 1
    for length in shape:
        count *= length  # of Python's own: those of NumPy overflow
    if dtype.hasobject or file.tell() + count * dtype.itemsize != size:
        raise damaged(path, f"its header claims {count} numbers of {dtype}, which are not there", cure)
    file.seek(0)


def _check_array(
    array: np.ndarray, path: Path, cure: str, kinds: str, shape: Sequence[int | None] | None, *, finite: bool
) -> None:
    if array.dtype.kind not in kinds:
        raise damaged(path, f"it holds {array.dtype}", cure)
    if shape is not None and not _fits(array.shape, shape):
        wanted = ", ".join("any" if each is None else str(each) for each in shape)
        raise damaged(path, f"its shape is {array.shape}, not ({wanted})", cure)
    if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
        raise damaged(path, "it holds NaN or infinity", cure)


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(each in {None, got} for each, got in zip(wanted, shape, strict=True))

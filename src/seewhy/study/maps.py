"""Maps as a study keeps them: half precision, as means of a few cells or in full, each with its own scale."""

from __future__ import annotations

import struct
from math import prod

import numpy as np

from seewhy.errors import UsageError

SIZES = ("none", "small", "full")
CELLS = 28  # a side of a small map: the smallest multiple of 7 and 14 on which pictures can be recognised
_HEAD = struct.Struct("<HHf")  # height, width, and what the numbers are multiplied by
_NUMBER = np.dtype("<f2")


def check_maps(size: str) -> None:
    """Refuse what names no size of maps."""
    if size not in SIZES:
        raise UsageError(f"maps are kept as {', '.join(SIZES[:-1])} or {SIZES[-1]}, not '{size}'")


def kept(values: np.ndarray, size: str) -> np.ndarray | None:
    """What is kept of a map `(h, w)`: nothing, the means of `CELLS` × `CELLS` cells, or all of it.

    A map with fewer pixels than cells a side is kept whole.
    """
    if size == "none":
        return None
    if size == "full" or min(values.shape) <= CELLS:
        return values
    from seewhy.metrics.context import cell_means  # which loads torch; whoever makes maps has it

    return cell_means(values, CELLS).reshape(CELLS, CELLS)


def packed(values: np.ndarray) -> bytes:
    """A map `(h, w)` in half precision, the same bytes everywhere; the largest number is 1 times its scale.

    >>> unpacked(packed(np.array([[3.0, -1.5]])))
    array([[ 3. , -1.5]], dtype=float32)
    """
    scale = float(np.abs(values).max()) or 1.0
    return _HEAD.pack(*values.shape, scale) + (values / scale).astype(_NUMBER).tobytes()


def unpacked(data: bytes) -> np.ndarray:
    """The map, float32 `(h, w)`.

    Raises:
        ValueError: these are not the bytes of a map.
    """
    if len(data) < _HEAD.size:
        raise ValueError("a map has a size and a scale")
    height, width, scale = _HEAD.unpack_from(data)
    if len(data) != size_of((height, width)) or not np.isfinite(scale):
        raise ValueError(f"a map of {height} × {width} has other bytes")
    values = np.frombuffer(data, _NUMBER, offset=_HEAD.size).astype(np.float32).reshape(height, width)
    if not np.isfinite(values).all():
        raise ValueError("a map holds finite numbers")
    return values * np.float32(scale)


def size_of(shape: tuple[int, int]) -> int:
    """How many bytes a map of this shape takes."""
    return _HEAD.size + prod(shape) * _NUMBER.itemsize


def bytes_kept(shape: tuple[int, int], size: str) -> int:
    """How many bytes are kept of a map of this shape."""
    if size == "none":
        return 0
    return size_of(shape if size == "full" or min(shape) <= CELLS else (CELLS, CELLS))

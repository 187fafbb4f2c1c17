"""COCO's run lengths of masks: column by column, unmarked first, as numbers or as compressed text.

Whatever came from outside is checked here before pycocotools, which believes what it is given, or memory is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seewhy.errors import UsageError
from seewhy.images import Mask
from seewhy.images.decoding import MAX_PIXELS

LONGEST_RUNS = 2_000_000  # letters of compressed run lengths, or numbers


def encode(mask: Mask) -> str:
    """Bool `(H, W)` as COCO's compressed run lengths."""
    return native().encode(np.asfortranarray(mask, dtype=np.uint8))["counts"].decode("ascii")


def runs(mask: Mask) -> list[int]:
    """Bool `(H, W)` as COCO's run lengths, not compressed: column by column, unmarked first.

    >>> runs(np.array([[False, True], [True, True]]))
    [1, 3]
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff(np.r_[0, edges, flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths


def decode(counts: str | Sequence[int], height: int, width: int) -> Mask:
    """Bool `(height, width)` from COCO's run lengths, compressed or as a list.

    Raises:
        UsageError: they do not describe a mask of this size.
    """
    lengths = checked_runs(counts, height, width)
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def checked_runs(counts: str | Sequence[int], height: int, width: int) -> list[int]:
    """The lengths of all runs, which fill a picture of this size exactly.

    Raises:
        UsageError: they do not, or no picture is of this size.
    """
    check_size(height, width)
    if len(counts) > LONGEST_RUNS:
        raise UsageError(f"the run lengths of a mask have {LONGEST_RUNS} signs at most; draw it with fewer edges")
    lengths = _lengths(counts) if isinstance(counts, str) else list(counts)
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise UsageError(f"the run lengths of a mask do not fill its {width} × {height} pixels; export it again")
    return lengths


def check_size(height: int, width: int) -> None:
    """Refuse a mask of a size that no picture has here.

    Raises:
        UsageError: a side is 0 or less, or there are more pixels than a picture may have.
    """
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise UsageError(
            f"a mask is of 1 to {MAX_PIXELS:,} pixels, not of {width} × {height}; check the picture's size"
        )


def compressed(lengths: Sequence[int]) -> str:
    """Run lengths that `checked_runs` gave as COCO's text; runs of length 0 but the first are left out.

    >>> _lengths(compressed([0, 2, 0, 1, 3]))
    [0, 3, 3]
    """
    whole: list[int] = []
    for place, length in enumerate(lengths):
        if length or not place:
            same = bool(whole) and (len(whole) - 1) % 2 == place % 2
            whole[-1:] = [whole[-1] + length] if same else [*whole[-1:], length]
    flat = {"size": [1, sum(whole)], "counts": whole}
    return native().frPyObjects(flat, 1, sum(whole))["counts"].decode("ascii")


def united(areas: Sequence[str], height: int, width: int) -> str:
    """The compressed run lengths of all that any of these areas marks, which `checked_runs` has seen."""
    left: list[dict[str, Any]] = [{"size": [height, width], "counts": each.encode("ascii")} for each in areas]
    while len(left) > 1:  # in pairs: one after the other would go through what has grown again and again
        left = [native().merge(left[place : place + 2]) for place in range(0, len(left), 2)]
    return left[0]["counts"].decode("ascii")


def native() -> Any:
    """The functions of pycocotools, which are given only what was checked."""
    from pycocotools import mask

    return mask


def _lengths(counts: str) -> list[int]:
    """COCO's run lengths from their text: six bits a character, from the third on as differences two back."""
    found: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise UsageError("the run lengths of a mask hold signs that COCO does not use; export it again")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        found.append(value + found[-2] if len(found) > 2 else value)
        value = shift = 0
    if shift:
        raise UsageError("the run lengths of a mask end in the middle; export it again")
    return found

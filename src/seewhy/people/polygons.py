"""Polygons of COCO to run lengths: checked and cut here, drawn by pycocotools, which believes whatever it is given."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from seewhy.errors import UsageError
from seewhy.people.runs import check_size, compressed, native, united

FARTHEST = 1e9  # pixels from the picture's corner: no picture is that large, and sums of such numbers are exact enough
REACH = 100_000  # pixels from the picture, below which polygons are drawn as they are
LONGEST_OUTLINE = 2_000_000  # pixels round one polygon: drawing it takes 80 bytes for each
LONGEST_OUTLINES = 100_000_000  # round all polygons of one file: drawing them takes some seconds

Corner: TypeAlias = tuple[float, float]


@dataclass
class Pen:
    """Draws the polygons of one file, as long as all of them together are not too long."""

    left: float = LONGEST_OUTLINES

    def draw(self, polygons: Sequence[Sequence[float]], height: int, width: int) -> str:
        """The compressed run lengths of what the polygons cover of a picture of this size.

        What is outside the picture is left out.

        Raises:
            UsageError: there is none, one has less than three corners, a number without a partner, one that is not
                finite or far from any picture, or the outlines are too long.
        """
        check_size(height, width)
        if not polygons:
            raise UsageError("a mask has one polygon at least; leave out what has no area")
        areas = [self._area(corners_of(each), height, width) for each in polygons]
        return united(areas, height, width)

    def _area(self, corners: list[Corner], height: int, width: int) -> str:
        inside = cut(corners, REACH, height, width)
        if (length := _outline(inside)) > LONGEST_OUTLINE:
            inside = cut(corners, max(height, width), height, width)
            length = _outline(inside)
        if not inside:
            return compressed([height * width])
        self.left -= length
        if length > LONGEST_OUTLINE or self.left < 0:
            raise UsageError("the outline of a polygon winds over too many pixels; give run lengths in place of it")
        drawn = native().frPyObjects([[number for corner in inside for number in corner]], height, width)
        return drawn[0]["counts"].decode("ascii")


def corners_of(numbers: Sequence[float]) -> list[Corner]:
    """The corners of a polygon that COCO writes as x, y and again x, y.

    Raises:
        UsageError: it is none.
    """
    if len(numbers) < 6 or len(numbers) % 2:
        raise UsageError(f"a polygon has three corners of two numbers each at least, not {len(numbers)} numbers")
    if not all(math.isfinite(number) and abs(number) <= FARTHEST for number in numbers):
        raise UsageError("a polygon has a corner that is no number, or far from any picture; draw it again")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def cut(corners: list[Corner], margin: float, height: int, width: int) -> list[Corner]:
    """The polygon without what lies farther than `margin` from the picture, which changes nothing inside.

    Source: Sutherland and Hodgman 1974, side after side.

    >>> cut([(0, 0), (50, 0), (0, 4)], 10, 4, 4)
    [(0, 0), (14, 0.0), (14, 2.88), (0, 4)]
    """
    for axis, sign, limit in ((0, 1, width + margin), (0, -1, margin), (1, 1, height + margin), (1, -1, margin)):
        if all(sign * corner[axis] <= limit for corner in corners):
            continue
        kept: list[Corner] = []
        for before, corner in _edges(corners):
            goes, comes = sign * before[axis] - limit, sign * corner[axis] - limit
            if (goes > 0) != (comes > 0):
                share = goes / (goes - comes)
                x, y = (a + share * (b - a) for a, b in zip(before, corner, strict=True))
                kept.append((sign * limit, y) if axis == 0 else (x, sign * limit))
            if comes <= 0:
                kept.append(corner)
        corners = kept
    return corners


def _outline(corners: Sequence[Corner]) -> float:
    """Pixels round a polygon, diagonal steps among them."""
    return sum(max(abs(x - left), abs(y - top)) + 1 for (x, y), (left, top) in _edges(corners))


def _edges(corners: Sequence[Corner]) -> Iterator[tuple[Corner, Corner]]:
    """From each corner to the next, the last one to the first."""
    return zip([corners[-1], *corners[:-1]], corners, strict=True) if corners else iter(())

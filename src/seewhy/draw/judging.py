"""What a classifier took for what, and how far its confidence can be trusted: SVGs for pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seewhy.draw.bars import percent, svg
from seewhy.draw.curves import GRID, PALETTE
from seewhy.draw.text import ellipsize, font
from seewhy.errors import UsageError

SIZE = 13
NAMES, HEAD, CELL = 150, 90, 64
SMALL_CELL, MANY = 34, 8  # classes from which on cells are small
LEFT, RIGHT, TOP, BOTTOM = 48, 24, 10, 42


class Confidence(NamedTuple):
    """Predictions of like confidence: the mean of it, how often they are right with its bounds, and how many."""

    confidence: float
    accuracy: float
    low: float
    high: float
    pictures: int


def confusion_svg(counts: NDArray[np.integer], names: Sequence[str]) -> str:
    """A table `(k, k)` of pictures by true class (rows) and predicted class (columns), shaded by the share of the row.

    Raises:
        UsageError: there are not as many names as rows and columns.
    """
    table = np.asarray(counts)
    if table.shape != (len(names), len(names)) or not names:
        raise UsageError("a confusion matrix has a row and a column for each class")
    cell = SMALL_CELL if len(names) > MANY else CELL
    shares = table / table.sum(axis=1, keepdims=True).clip(min=1)
    left = min(NAMES, max(font(SIZE).getlength(name) for name in names) + 20)
    width, height = round(left + cell * len(names)) + HEAD // 2, HEAD + cell * len(names) + 4

    def parts() -> Iterator[str]:
        for number, name in enumerate(names):
            middle = number * cell + cell / 2
            short = escape(ellipsize(name, font(SIZE), NAMES - 16))
            yield _text(left - 8, HEAD + middle + 4, short, "end")
            turn = f'transform="translate({left + middle + 4:g} {HEAD - 8}) rotate(-45)"'
            yield f'<text {turn} font-size="{SIZE}">{escape(ellipsize(name, font(SIZE), HEAD * 1.2))}</text>'
        for row, name in enumerate(names):
            for column, other in enumerate(names):
                yield from _cell(
                    (left + column * cell, HEAD + row * cell, cell),
                    (int(table[row, column]), float(shares[row, column])),
                    f"{name}, taken for {other}: {table[row, column]}",
                    right=row == column,
                )

    wrong = [
        f"{table[row, column]} {names[row]} taken for {names[column]}"
        for row, column in zip(*np.nonzero(table), strict=True)
        if row != column
    ]
    right = f"{int(np.trace(table))} of {int(table.sum())} right"
    return svg(width, height, "; ".join([right, *wrong]), parts())


def _cell(box: tuple[float, float, float], value: tuple[int, float], title: str, *, right: bool) -> Iterator[str]:
    x, y, side = box
    count, share = value
    fill = PALETTE[0] if right else PALETTE[1]
    place = f'x="{x + 1:g}" y="{y + 1:g}" width="{side - 2:g}" height="{side - 2:g}" rx="3"'
    yield f"<g><title>{escape(title)}</title>"
    yield f'<rect {place} fill="currentColor" fill-opacity="0.05"/>'
    if count:
        yield f'<rect {place} fill="{fill}" fill-opacity="{0.12 + 0.5 * share:.2f}"/>'
        lines = [str(count)] if side < CELL else [str(count), f"{share:.0%}"]
        for number, line in enumerate(lines):
            middle = y + side / 2 + 5 + (number * 16 - 8 if len(lines) > 1 else 0)
            look = f'font-size="{SIZE - 2}"' if number else f'font-size="{SIZE + 2}" font-weight="bold"'
            yield f'<text x="{x + side / 2:g}" y="{middle:g}" text-anchor="middle" {look}>{line}</text>'
    yield "</g>"


def reliability_svg(steps: Sequence[Confidence], *, width: int = 420, height: int = 300) -> str:
    """How often predictions of each confidence are right: dots with their bounds; on the diagonal both are the same.

    Raises:
        UsageError: there are no predictions.
    """
    if not steps:
        raise UsageError("there are no predictions to draw")
    most = max(step.pictures for step in steps)

    def x(share: float) -> float:
        return LEFT + share * (width - LEFT - RIGHT)

    def y(share: float) -> float:
        return TOP + (1 - share) * (height - TOP - BOTTOM)

    def parts() -> Iterator[str]:
        for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
            yield f'<line x1="{x(0):g}" x2="{x(1):g}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" {GRID}/>'
            yield _text(LEFT - 6, y(tick) + 4, f"{tick:.0%}", "end")
            yield _text(x(tick), height - BOTTOM + 16, f"{tick:.0%}", "middle")
        ends = f'x1="{x(0):g}" y1="{y(0):g}" x2="{x(1):g}" y2="{y(1):g}"'
        yield f'<line {ends} stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="4 4"/>'
        yield _text(x(0.5), height - 8, "confidence", "middle")
        for step in steps:
            title = (
                f"{step.pictures} predictions, {percent(step.confidence)} sure, {percent(step.accuracy)} right "
                f"({percent(step.low)} to {percent(step.high)})"
            )
            at = x(step.confidence)
            yield f'<g stroke="{PALETTE[0]}" fill="{PALETTE[0]}"><title>{title}</title>'
            yield f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y(step.low):.1f}" y2="{y(step.high):.1f}" stroke-width="2"/>'
            radius = 3.5 + 6 * (step.pictures / most) ** 0.5
            yield f'<circle cx="{at:.1f}" cy="{y(step.accuracy):.1f}" r="{radius:.1f}" stroke="none"/></g>'

    spoken = "; ".join(f"{percent(s.confidence)} sure: {percent(s.accuracy)} of {s.pictures} right" for s in steps)
    return svg(width, height, spoken, parts())


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{SIZE}">{words}</text>'

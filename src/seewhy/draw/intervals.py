"""Means with their intervals, as dots and lines on one scale: an SVG for pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import chain
from typing import NamedTuple

import numpy as np

from seewhy.draw.bars import svg
from seewhy.draw.curves import GRID, PALETTE
from seewhy.draw.text import font, wrap
from seewhy.errors import UsageError

SIZE = 13
NAMES, RIGHT, TOP, BOTTOM = 190, 16, 4, 34
PITCH, GAP, KEY, LINE = 16, 16, 22, 15
TICKS = 4  # steps of the scale, or about so many


class Dot(NamedTuple):
    """A mean, and the bounds that hold it."""

    value: float
    low: float
    high: float


def intervals_svg(
    rows: Mapping[str, Sequence[Dot | None]], series: Sequence[str], *, across: str, width: int = 560
) -> str:
    """One row of dots beside each name, one dot for each of `series`, on a common scale of `across`, as one `<svg>`.

    None is a dot that is missing. With several series a key below tells their colours.

    Raises:
        UsageError: there is no dot, one is not finite, or a row has not a place for each of the series.
    """
    dots = [dot for row in rows.values() for dot in row if dot is not None]
    if not dots or not all(map(math.isfinite, chain.from_iterable(dots))):
        raise UsageError("there is nothing to draw: intervals need a mean and two bounds, all finite")
    if any(len(row) != len(series) for row in rows.values()):
        raise UsageError(f"each row has one place for each of {', '.join(series)}")
    ticks = _ticks(min(dot.low for dot in dots), max(dot.high for dot in dots))
    scale = _Scale(ticks[0], ticks[-1], NAMES, width - RIGHT)
    pitch = PITCH * len(series) + GAP
    bottom = TOP + pitch * len(rows)
    keys = len(series) if len(series) > 1 else 0
    parts = chain(
        _axis(ticks, scale, bottom, across),
        *(_row(name, row, series, scale, TOP + place * pitch) for place, (name, row) in enumerate(rows.items())),
        (_key(name, number, bottom + BOTTOM + KEY * (number + 0.5)) for number, name in enumerate(series[:keys])),
    )
    return svg(width, bottom + BOTTOM + KEY * keys + 4, _spoken(rows, series, across), parts)


class _Scale(NamedTuple):
    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        return self.left + (value - self.low) / (self.high - self.low) * (self.right - self.left)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal steps that enclose both, and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    rough = (high - low or 1.0) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _axis(ticks: Sequence[float], scale: _Scale, bottom: float, across: str) -> Iterator[str]:
    for tick in ticks:
        x = scale.x(tick)
        line = GRID if tick else 'stroke="currentColor" stroke-opacity="0.5"'
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom:g}" {line}/>'
        yield _text(x, bottom + 14, f"{tick:g}".replace("-", "\N{MINUS SIGN}"), "middle")
    yield _text((scale.left + scale.right) / 2, bottom + 30, across, "middle")


def _row(name: str, row: Sequence[Dot | None], series: Sequence[str], scale: _Scale, top: float) -> Iterator[str]:
    lines = wrap(name, font(SIZE), NAMES - 14, most=2)
    first = top + (PITCH * len(row) + GAP - LINE * (len(lines) - 1)) / 2 + 4
    yield from (_text(0, first + LINE * number, line, "start") for number, line in enumerate(lines))
    for number, dot in enumerate(row):
        if dot is not None:
            y = top + GAP / 2 + PITCH * (number + 0.5)
            colour = PALETTE[number % len(PALETTE)]
            title = f"<title>{escape(f'{name}, {series[number]}: {_words(dot)}')}</title>"
            ends = f'x1="{scale.x(dot.low):.1f}" x2="{scale.x(dot.high):.1f}" y1="{y:g}" y2="{y:g}"'
            yield f'<g>{title}<line {ends} stroke="{colour}" stroke-width="2"/>'
            yield f'<circle cx="{scale.x(dot.value):.1f}" cy="{y:g}" r="4.5" fill="{colour}"/></g>'


def _key(name: str, number: int, y: float) -> str:
    colour = PALETTE[number % len(PALETTE)]
    return f'<circle cx="{NAMES + 6}" cy="{y:g}" r="4.5" fill="{colour}"/>' + _text(NAMES + 18, y + 4, name, "start")


def _spoken(rows: Mapping[str, Sequence[Dot | None]], series: Sequence[str], across: str) -> str:
    told = [
        f"{name}, {which}: {_words(dot)}" if len(series) > 1 else f"{name}: {_words(dot)}"
        for name, row in rows.items()
        for which, dot in zip(series, row, strict=True)
        if dot is not None
    ]
    return f"{across}. " + "; ".join(told)


def _words(dot: Dot) -> str:
    value, low, high = (f"{np.round(each, 3):g}" for each in dot)
    return f"{value} ({low} to {high})"


def _text(x: float, y: float, words: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{SIZE}">{escape(words)}</text>'

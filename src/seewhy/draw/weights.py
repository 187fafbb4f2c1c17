"""Weights with their uncertainty as horizontal bars from a common zero: a PNG, or an SVG for pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite, log10
from typing import NamedTuple

from PIL import Image, ImageColor, ImageDraw

from seewhy.draw.bars import SIZE, svg
from seewhy.draw.colors import AGAINST_FOR
from seewhy.draw.text import FAINT, INK, LEAN, PAPER, font
from seewhy.errors import UsageError

AGAINST, FOR = AGAINST_FOR[1], AGAINST_FOR[5]
PITCH, BAR, GAP, CAP = 26, 14, 14, 3
UNSURE = 0.4  # opacity of a bar whose interval reaches zero


class Weight(NamedTuple):
    """A weight, the name that it has in the picture, and half the width of its interval where that is known."""

    name: str
    value: float
    margin: float | None = None

    @property
    def sure(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.margin is None or abs(self.value) > self.margin


@dataclass(frozen=True)
class Row:
    """One weight, laid out: a bar from `zero` to `tip` about `middle`, whiskers from `low` to `high`."""

    weight: Weight
    number: str
    middle: float
    zero: float
    tip: float
    low: float
    high: float

    @property
    def color(self) -> str:
        """By sign."""
        return FOR if self.weight.value > 0 else AGAINST


def weight_bars(weights: Sequence[Weight], *, width: int = 640) -> Image.Image:
    """Bars in the given order on one scale, blue to the left of zero and orange to the right, whiskers across.

    Bars whose interval reaches zero are pale. Raises `UsageError` without weights or for one that is not finite.
    """
    rows, height = _layout(weights, width)
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    for row in rows:
        pen.text((LEAN, row.middle), row.weight.name, fill=INK, font=font(SIZE, bold=True), anchor="lm")
        pen.text((width - LEAN, row.middle), row.number, fill=INK, font=font(SIZE), anchor="rm")
        pen.rectangle(_box(row), fill=row.color if row.weight.sure else _faded(row.color))
        if row.weight.margin:
            low, high = round(row.low), round(row.high)
            pen.line((low, row.middle, high, row.middle), fill=INK)
            for end in (low, high):
                pen.line((end, row.middle - CAP, end, row.middle + CAP), fill=INK)
    zero = round(rows[0].zero)
    pen.line((zero, 0, zero, height), fill=FAINT)
    return canvas


def weight_bars_svg(weights: Sequence[Weight], *, width: int = 640) -> str:
    """The same bars as one `<svg>` element that takes its text colour from the page, light or dark."""
    rows, height = _layout(weights, width)
    spoken = "; ".join(f"{row.weight.name}: {row.number}" for row in rows)
    zero = f'<path d="M{rows[0].zero:.1f} 0V{height}" stroke="currentColor" stroke-opacity="0.6"/>'
    return svg(width, height, spoken, [*(_row_svg(row, width) for row in rows), zero])


def _layout(weights: Sequence[Weight], width: int) -> tuple[list[Row], int]:
    _check(weights)
    numbers = _numbers(weights)
    left = max(font(SIZE, bold=True).getlength(each.name) for each in weights) + GAP
    right = width - max(font(SIZE).getlength(number) for number in numbers) - GAP
    lowest = min(0.0, *(each.value - (each.margin or 0) for each in weights))
    highest = max(0.0, *(each.value + (each.margin or 0) for each in weights))
    span = highest - lowest or 1
    zero = left - (right - left) * (lowest / span)
    rows: list[Row] = []
    for place, (each, number) in enumerate(zip(weights, numbers, strict=True)):
        tip = zero + (right - left) * (each.value / span)
        margin = (right - left) * ((each.margin or 0) / span)
        rows.append(Row(each, number, PITCH * (place + 0.5), zero, tip, tip - margin, tip + margin))
    return rows, PITCH * len(rows)


def _check(weights: Sequence[Weight]) -> None:
    if not weights:
        raise UsageError("there are no weights to draw; pass at least one")
    wrong = next((each for each in weights if not isfinite(each.value + (each.margin or 0))), None)
    if wrong:
        raise UsageError(f"{wrong.name!r} has the weight {wrong.value} ± {wrong.margin}; pass finite numbers")


def _numbers(weights: Sequence[Weight]) -> list[str]:
    """Each with its sign and margin, all to the same decimal place."""
    largest = max(max(abs(each.value), each.margin or 0) for each in weights)
    digits = 2 - round(log10(largest)) if largest else 0
    form = f".{max(digits, 0)}f" if -5 < digits < 6 else ".1e"
    return [_signed(each.value, form) + (f" ± {each.margin:{form}}" if each.margin else "") for each in weights]


def _signed(value: float, form: str) -> str:
    return ("+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "") + f"{abs(value):{form}}"


def _box(row: Row) -> tuple[int, int, int, int]:
    left, right = sorted((row.zero, row.tip))
    return round(left), round(row.middle - BAR / 2), round(right), round(row.middle + BAR / 2)


def _faded(color: str) -> tuple[int, ...]:
    return tuple(round(255 + UNSURE * (part - 255)) for part in ImageColor.getrgb(color))


def _row_svg(row: Row, width: int) -> str:
    left, right = sorted((row.zero, row.tip))
    fill = f'fill="{row.color}"' + ("" if row.weight.sure else f' fill-opacity="{UNSURE}"')
    level = f'y="{row.middle:g}" dominant-baseline="central"'
    return (
        f'<text x="{LEAN}" {level} font-weight="bold">{escape(row.weight.name)}</text>'
        f'<rect x="{left:.1f}" y="{row.middle - BAR / 2:g}" width="{right - left:.1f}" height="{BAR}" {fill}/>'
        f"{_whiskers_svg(row) if row.weight.margin else ''}"
        f'<text x="{width - LEAN}" {level} text-anchor="end">{row.number}</text>'
    )


def _whiskers_svg(row: Row) -> str:
    ends = "".join(f"M{end:.1f} {row.middle - CAP:g}v{2 * CAP}" for end in (row.low, row.high))
    return f'<path d="M{row.low:.1f} {row.middle:g}H{row.high:.1f}{ends}" stroke="currentColor" fill="none"/>'

"""The classes that the model found most probable, as horizontal bars: a PNG, or an SVG for pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw, ImageFont, ImageOps

from seewhy.draw.text import INK, LEAN, PAPER, font, wrap
from seewhy.errors import UsageError

SIZE, PITCH, BAR, GAP = 15, 19, 14, 14
MARGIN = 16
EXPLAINED, OTHER = "#d2641a", "#a3abb5"


@dataclass(frozen=True)
class Row:
    """One bar, laid out: text lines from `top` on, the bar from `bar_left` to `bar_right` about `middle`."""

    name: str
    lines: list[str]
    top: float
    middle: float
    bar_left: float
    bar_right: float
    percent: str
    explained: bool


def bars(classes: Sequence[tuple[str, float]], *, explained: int | None = None, width: int = 640) -> Image.Image:
    """Bars of (name, probability) in the given order; `explained` is the place of the class to highlight.

    All bars start at 0 and share one scale, 0 to 100 %. Raises `UsageError` for a probability outside [0, 1].
    """
    width -= 2 * MARGIN
    rows, height = _layout(classes, explained, width)
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    for row in rows:
        face = _face(row.explained)
        for number, line in enumerate(row.lines):
            pen.text((LEAN, row.top + number * PITCH), line, fill=INK, font=face)
        top, bottom = row.middle - BAR / 2, row.middle + BAR / 2
        box = (round(row.bar_left), round(top), round(row.bar_right), round(bottom))
        pen.rectangle(box, fill=EXPLAINED if row.explained else OTHER)
        pen.text((row.bar_right + 8, row.middle), row.percent, fill=INK, font=face, anchor="lm")
    return ImageOps.expand(canvas, MARGIN, PAPER)


def bars_svg(classes: Sequence[tuple[str, float]], *, explained: int | None = None, width: int = 640) -> str:
    """The same bars as one `<svg>` element that takes its text colour from the page, light or dark."""
    rows, height = _layout(classes, explained, width)
    spoken = "; ".join(f"{row.name} {row.percent}" for row in rows)
    return svg(width, height, spoken, map(_row_svg, rows))


def svg(width: int, height: float, spoken: str, parts: Iterable[str]) -> str:
    """One `<svg>` element of these parts; `spoken` is what it says to those who cannot see it."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(spoken)}" style="max-width:100%;height:auto" fill="currentColor" '
        f'font-family="DejaVu Sans, Verdana, sans-serif" font-size="{SIZE}">'
    )
    return "\n".join([head, *parts, "</svg>"])


def percent(probability: float) -> str:
    """A probability in per cent; only 0 and 1 themselves are called 0.0% and 100.0%."""
    if 0 < probability < 0.0005:
        return "<0.1%"
    if 0.9995 <= probability < 1:
        return ">99.9%"
    return f"{probability:.1%}"


def _layout(classes: Sequence[tuple[str, float]], explained: int | None, width: int) -> tuple[list[Row], int]:
    _check(classes, explained)
    names = width * 0.42
    longest = width - names - GAP - 8 - font(SIZE, bold=True).getlength(">99.9%")
    rows: list[Row] = []
    top = 0
    for place, (name, probability) in enumerate(classes):
        name = "".join(filter(str.isprintable, " ".join(name.split())))
        lines = wrap(name, _face(place == explained), names - LEAN, most=2)
        high = PITCH * len(lines)
        left, middle = names + GAP, top + high / 2
        right = left + max(1.0, probability * longest)
        rows.append(Row(name, lines, top, middle, left, right, percent(probability), place == explained))
        top += high + GAP
    return rows, top - GAP


def _check(classes: Sequence[tuple[str, float]], explained: int | None) -> None:
    if not classes:
        raise UsageError("there are no classes to draw; pass (name, probability) pairs")
    wrong = next((pair for pair in classes if not 0 <= pair[1] <= 1), None)
    if wrong:
        raise UsageError(f"{wrong[0]!r} has the probability {wrong[1]}; pass probabilities in [0, 1], not logits")
    if explained is not None and not 0 <= explained < len(classes):
        raise UsageError(f"explained is {explained}, but there are {len(classes)} classes; pass a place from 0 on")


def _face(explained: bool) -> ImageFont.FreeTypeFont:
    return font(SIZE, bold=explained)


def _row_svg(row: Row) -> str:
    weight = ' font-weight="bold"' if row.explained else ""
    fill = f'fill="{EXPLAINED}"' if row.explained else 'fill-opacity="0.4"'
    lines = "".join(
        f'<tspan x="{LEAN}" y="{row.top + number * PITCH + SIZE:g}">{escape(line)}</tspan>'
        for number, line in enumerate(row.lines)
    )
    return (
        f"<g{weight}><title>{escape(row.name)}</title><text>{lines}</text>"
        f'<rect x="{row.bar_left:g}" y="{row.middle - BAR / 2:g}" width="{row.bar_right - row.bar_left:.1f}" '
        f'height="{BAR}" rx="2" {fill}/>'
        f'<text x="{row.bar_right + 8:.1f}" y="{row.middle:g}" dominant-baseline="central">'
        f"{escape(row.percent)}</text></g>"
    )

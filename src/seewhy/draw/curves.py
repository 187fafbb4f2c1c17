"""Curves over shares of a picture, as an SVG for pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np

from seewhy.draw.bars import percent, svg
from seewhy.errors import UsageError

# Okabe & Ito's colours, which most kinds of colour blindness leave apart; dashes double them.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a7a7a", "#000000")
DASHES = ("", "6 3", "2 3")
LEFT, RIGHT, TOP, BOTTOM = 44, 20, 10, 40
ROW, KEY = 20, 26
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def curves_svg(
    curves: Mapping[str, Sequence[float] | np.ndarray], *, across: str, up: str, width: int = 420, height: int = 260
) -> str:
    """Named curves at equal steps from 0 to 100 % of `across`, on one scale from 0, as one `<svg>` with its key below.

    Raises:
        UsageError: there is no curve, or one has fewer than two points or a value that is not finite.
    """
    lines = {name: np.asarray(values, float) for name, values in curves.items()}
    if not lines or any(len(values) < 2 or not np.isfinite(values).all() for values in lines.values()):
        raise UsageError("curves need two finite points or more")
    top = _round_up(max(float(values.max()) for values in lines.values()))
    across_px, up_px = width - LEFT - RIGHT, height - TOP - BOTTOM

    def x(share: float) -> float:
        return LEFT + share * across_px

    def y(value: float) -> float:
        return TOP + (1 - max(value, 0) / top) * up_px

    def parts() -> Iterator[str]:
        for tick in TICKS:
            yield f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{y(tick * top):.1f}" y2="{y(tick * top):.1f}" {GRID}/>'
            yield _text(LEFT - 6, y(tick * top) + 4, percent(tick * top) if tick else "0", "end")
            yield _text(x(tick), height - BOTTOM + 16, f"{tick:.0%}", "middle")
        yield _text(LEFT + across_px / 2, height - 6, across, "middle")
        for number, (name, values) in enumerate(lines.items()):
            points = " ".join(
                f"{x(share):.1f},{y(value):.1f}"
                for share, value in zip(np.linspace(0, 1, len(values)), values, strict=True)
            )
            title = f"<title>{escape(name)}</title>"
            yield f'<polyline points="{points}" fill="none" stroke-width="2" {_stroke(number)}>{title}</polyline>'
            row = height + KEY / 2 + number * ROW
            yield f'<line x1="{LEFT}" x2="{LEFT + 28}" y1="{row}" y2="{row}" stroke-width="2" {_stroke(number)}/>'
            yield _text(LEFT + 36, row + 4, name, "start")

    spoken = f"{up} by {across}: " + "; ".join(f"{name} averages {percent(v.mean())}" for name, v in lines.items())
    return svg(width, height + KEY + len(lines) * ROW, spoken, parts())


GRID = 'stroke="currentColor" stroke-opacity="0.15"'


def _stroke(number: int) -> str:
    dash = DASHES[number // len(PALETTE) % len(DASHES)]
    return f'stroke="{PALETTE[number % len(PALETTE)]}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _text(x: float, y: float, words: str, anchor: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="12" fill="currentColor">{escape(words)}</text>'


def _round_up(value: float) -> float:
    """To a tick that people read easily."""
    return next((end for end in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if value <= end), value)

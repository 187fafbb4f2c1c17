"""Curves over the epochs of a training, as an SVG for pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from seewhy.draw.bars import svg
from seewhy.draw.curves import GRID, PALETTE
from seewhy.draw.text import font
from seewhy.errors import UsageError

LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 40
ROW, KEY = 20, 22
STEPS, LABELS = 4, 8  # of the scale up, and about so many across


def epochs_svg(
    curves: Mapping[str, Sequence[float]],
    *,
    across: str,
    stages: Mapping[str, int],
    top: float | None = None,
    width: int = 460,
    height: int = 270,
) -> str:
    """Named curves with a value for each epoch, on one scale from 0, as one `<svg>` with its key below.

    `stages` names what the epochs belong to, in order, with how many each has; `top` ends the scale, else the largest
    value does.

    Raises:
        UsageError: there is no epoch, a value is not finite, or curves and stages are of other lengths.
    """
    count = sum(stages.values())
    values = [value for curve in curves.values() for value in curve]
    if not count or any(len(curve) != count for curve in curves.values()) or not all(map(math.isfinite, values)):
        raise UsageError("curves of a training need a finite value for each of its epochs")
    end = top or _round_up(max(values))

    def x(epoch: float) -> float:
        return LEFT + (epoch - 0.5) / count * (width - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (1 - max(value, 0) / end) * (height - TOP - BOTTOM)

    def parts() -> Iterator[str]:
        for tick in range(STEPS + 1):
            at = y(end * tick / STEPS)
            yield f'<line x1="{LEFT}" x2="{width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" {GRID}/>'
            yield _text(LEFT - 6, at + 4, f"{end * tick / STEPS:.3g}", "end")
        for epoch in _labels(count):
            yield _text(x(epoch), height - BOTTOM + 16, str(epoch), "middle")
        yield _text((LEFT + width - RIGHT) / 2, height - 6, across, "middle")
        yield from _stages(stages, x, width, height)
        for number, (name, curve) in enumerate(curves.items()):
            yield from _curve(name, [(x(epoch), y(value)) for epoch, value in enumerate(curve, start=1)], number)
            row = height + KEY / 2 + number * ROW
            yield f'<line x1="{LEFT}" x2="{LEFT + 28}" y1="{row:g}" y2="{row:g}" {_stroke(number)}/>'
            yield _text(LEFT + 36, row + 4, name, "start")

    spoken = f"By {across}: " + "; ".join(f"{name} ends at {curve[-1]:.3g}" for name, curve in curves.items())
    return svg(width, height + KEY + len(curves) * ROW, spoken, parts())


def _stages(stages: Mapping[str, int], x: Callable[[float], float], width: int, height: int) -> Iterator[str]:
    """What belongs to which, with a line between two."""
    if len(stages) < 2:
        return
    before = 0
    for name, count in stages.items():
        edge = x(before + 0.5)
        if before:
            yield (
                f'<line x1="{edge:.1f}" x2="{edge:.1f}" y1="{TOP - 14}" y2="{height - BOTTOM}" '
                'stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="3 3"/>'
            )
        yield _text(min(edge + 5, width - font(12).getlength(name)), TOP - 6, name, "start")
        before += count


def _curve(name: str, points: Sequence[tuple[float, float]], number: int) -> Iterator[str]:
    title = f"<title>{escape(name)}</title>"
    if len(points) == 1:
        yield f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="4" fill="{PALETTE[number]}">{title}</circle>'
    else:
        line = " ".join(f"{across:.1f},{up:.1f}" for across, up in points)
        yield f'<polyline points="{line}" fill="none" {_stroke(number)}>{title}</polyline>'


def _labels(count: int) -> list[int]:
    """Epochs that are named below: the first, the last, and round ones between."""
    step = next(each for each in (1, 2, 5, 10, 20, 50, 100, 200, 500, count) if count / each <= LABELS)
    between = [epoch for epoch in range(step, count, step) if 1 < epoch <= count - step / 2]
    return sorted({1, *between, count})


def _round_up(value: float) -> float:
    """To an end whose quarters are round."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * each for each in (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10) if power * each >= value * (1 - 1e-9))


def _stroke(number: int) -> str:
    return f'stroke="{PALETTE[number % len(PALETTE)]}" stroke-width="2"'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12">{escape(words)}</text>'

"""A small line without axes, for how a number goes from step to step."""

from __future__ import annotations

from collections.abc import Sequence

from seewhy.draw.bars import EXPLAINED, svg

MARGIN = 4


def spark_svg(values: Sequence[float], spoken: str, *, width: int = 180, height: int = 40) -> str:
    """Values of 0 or more from left to right as one `<svg>`, 0 at the foot; `spoken` says what it shows."""
    top = max(values, default=0) or 1
    step = (width - 2 * MARGIN) / max(len(values) - 1, 1)
    points = [
        (MARGIN + number * step, height - MARGIN - max(value, 0) / top * (height - 2 * MARGIN))
        for number, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    foot = f'y1="{height - MARGIN}" y2="{height - MARGIN}" stroke="currentColor" stroke-opacity="0.2"'
    parts = [
        f'<line x1="{MARGIN}" x2="{width - MARGIN}" {foot}/>',
        f'<polyline points="{line}" fill="none" stroke="{EXPLAINED}" stroke-width="2" stroke-linejoin="round"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{EXPLAINED}"/>' for x, y in points),
    ]
    return svg(width, height, spoken, parts)

"""The report of a repair: what it brought and what it cost, on photos that no step has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seewhy.audit.repair import Judged
from seewhy.core.text import percent
from seewhy.draw import Dot, intervals_svg
from seewhy.report.limits import LIMITS
from seewhy.report.page import drawing, render

WHAT = {
    "accuracy": "all photos",
    "worst": "worst group",
    "effect": "the finding moves its class by",
}


def repair_page(verdict: str, finding: str, rows: Sequence[Mapping[str, Any]], counts: tuple[int, int, int]) -> str:
    """The page; `rows` name a figure, before and after."""
    dots = {row["figure"]: [_dot(row["before"]), _dot(row["after"])] for row in rows}
    return render(
        "repair.html",
        limits=LIMITS["repair"],
        title="Is it repaired?",
        lead=verdict,
        finding=finding,
        rows=[(row["figure"], percent(max(row["before"], 0)), percent(max(row["after"], 0))) for row in rows],
        chart=drawing(intervals_svg(dots, ("before", "after"), across="share of photos")),
        counts=counts,
    )


def _dot(value: float) -> Dot:
    """A figure without an interval."""
    return Dot(value, value, value)


def judged_words(way: str | None, usable: bool, before: Judged, after: Judged, photos: int) -> str:
    """What became of a repair, in one sentence; no `way` was worth it where there is none."""
    if way is None:
        return "Not repaired: on the photos kept aside no way brings the worst group more than it costs."
    said = "Repaired" if usable else "Refused, since it costs more than it brings"
    worst, overall = (
        f"{percent(one)} before, {percent(other)} after"
        for one, other in ((before.worst, after.worst), (before.accuracy, after.accuracy))
    )
    return f"{said}, {way}: worst group {worst}; all photos {overall}, on {photos} photos that no step has seen."

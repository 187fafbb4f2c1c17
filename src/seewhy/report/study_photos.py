"""A study photo by photo: what each model sees in it, and how every explanation of it scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seewhy.draw import fit
from seewhy.errors import SeewhyError
from seewhy.images import Entry
from seewhy.metrics import MetricInfo
from seewhy.report.page import Picture, embed
from seewhy.report.verdict import title_of
from seewhy.report.words import number
from seewhy.study.summary import StudyResult

if TYPE_CHECKING:
    import polars as pl

SHOWN = 300  # photos; a page of more would be slow to open
THUMBNAIL = 120


@dataclass(frozen=True)
class Scored:
    """One explanation: why what, and its score by each metric, in words."""

    model: str
    method: str
    why: str
    values: Sequence[str]


@dataclass(frozen=True)
class Photo:
    """One photo; without its picture where it cannot be opened any more."""

    name: str
    picture: Picture | None
    rows: Sequence[Scored]


def photos_of(result: StudyResult, metrics: Sequence[MetricInfo]) -> list[Photo]:
    """The first `SHOWN` photos that have scores, in the order of the folder."""
    units = result.table.partition_by("model", "method", "image", as_dict=True)
    scored = {image for _, _, image in units}
    shown = [entry for entry in result.folder.entries if entry.path in scored][:SHOWN]
    return [
        Photo(
            entry.path,
            _thumbnail(result, entry),
            [
                _scored(units[model, method, entry.path], metrics)
                for model in result.plan.models
                for method in sorted(result.plan.methods, key=lambda each: each.startswith("control:"))
                if (model, method, entry.path) in units
            ],
        )
        for entry in shown
    ]


def _scored(unit: pl.DataFrame, metrics: Sequence[MetricInfo]) -> Scored:
    first = unit.row(0, named=True)
    values = dict(unit.select("metric", "value").iter_rows())
    why = f"{first['label']} ({first['probability']:.1%})"
    return Scored(first["model"], title_of(first["method"]), why, [_words(values.get(each.name)) for each in metrics])


def _words(value: float | None) -> str:
    return "–" if value is None else number(value)


def _thumbnail(result: StudyResult, entry: Entry) -> Picture | None:
    try:
        return embed(fit(result.folder.image(entry).pixels, THUMBNAIL), "")
    except SeewhyError:
        return None

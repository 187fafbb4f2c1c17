"""The report of `study`: scores of every model, method and metric over a folder, down to the single photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from seewhy.draw import Dot, intervals_svg
from seewhy.metrics import MetricInfo
from seewhy.report.compare import Row, Table
from seewhy.report.page import write_page
from seewhy.report.study_photos import photos_of
from seewhy.report.study_tables import grids, latex, markdown
from seewhy.report.verdict import cell_words, title_of
from seewhy.report.words import counted, number
from seewhy.study.comparison import Cell
from seewhy.study.summary import (
    CHANCE,
    LEVEL,
    Mean,
    ModelScores,
    StudyResult,
    metric_agreement,
    metric_concordance,
    pairwise,
    photo_concordance,
)

PAGE, MARKDOWN, LATEX = "report.html", "tables.md", "tables.tex"


@dataclass(frozen=True)
class Family:
    """Metrics of one kind: a table for each model, a chart for each metric."""

    name: str
    tables: Sequence[tuple[str, Table]]
    charts: Sequence[tuple[MetricInfo, Markup]]


class Failed(NamedTuple):
    """What could not be explained, and why."""

    source: str
    error: str


def write_study_report(folder: Path, result: StudyResult) -> Path:
    """Write `report.html`, `tables.md` and `tables.tex` to `folder`; returns the path of the first."""
    tables = grids(result.scores, result.means)
    page = write_page(folder / PAGE, "study.html", **_fields(result))
    (folder / MARKDOWN).write_text(markdown(tables), "utf-8", errors="replace", newline="\n")
    (folder / LATEX).write_text(latex(tables), "utf-8", errors="replace", newline="\n")
    return page


def _fields(result: StudyResult) -> dict[str, Any]:
    plan = result.plan
    photos = photos_of(result, result.metrics)
    return {
        "title": f"A study of {counted(len(plan.images), 'photo')}",
        "lead": study_verdict(result),
        "families": families(result),
        "tested": bool(result.beats_chance),
        "untested": CHANCE in result.plan.methods and not result.beats_chance,
        "cells": _cells(result),
        "masked": len(plan.masks),
        "agreements": list(_agreements(result)),
        "differences": list(_differences(result)),
        "titles": [metric.title for metric in result.metrics],
        "photos": photos,
        "unshown": result.table["image"].n_unique() - len(photos),
        "failures": _failures(result),
        "facts": _facts(result),
        "count": len(plan.images),
    }


def _failures(result: StudyResult) -> list[Failed]:
    """What failed in the same way on the same photo, told once."""
    counts = Counter((each.unit.image, each.failure.message) for each in result.failures if each.failure)
    return [Failed(f"{image}, {counted(count, 'explanation')}", message) for (image, message), count in counts.items()]


def study_verdict(result: StudyResult) -> str:
    """One sentence on each model."""
    return " ".join(_verdict(result, each) for each in result.scores)


def families(result: StudyResult) -> list[Family]:
    """Tables and charts by kind of metric."""
    return [_family(result, name) for name in dict.fromkeys(metric.family for metric in result.metrics)]


def _verdict(result: StudyResult, scores: ModelScores) -> str:
    """One sentence on a model."""
    ranks, tests = result.ranks[scores.model], scores.tests
    if len(ranks) < 2:
        return f"For {scores.model} there are no two methods with scores of faithfulness to choose from."
    best = next(iter(ranks))
    known = [result.beats_chance.get((scores.model, metric.name, best)) for metric in tests]
    chance = f" and beats chance in {known.count(True)} of them" if any(each is not None for each in known) else ""
    return f"For {scores.model} {title_of(best)} ranks best over {counted(len(tests), 'test')} of faithfulness{chance}."


def _cells(result: StudyResult) -> str:
    sizes = {settings["cells"] for settings in result.plan.metrics.values() if settings.get("cells")}
    return "".join(f"Maps are compared as means of {size} × {size} cells, areas and pixels alike." for size in sizes)


def _family(result: StudyResult, name: str) -> Family:
    metrics = [metric for metric in result.metrics if metric.family == name]
    charts = ((metric, _chart(result, metric)) for metric in metrics)
    return Family(
        name,
        [(each.model, _table(result, each, name, metrics)) for each in result.scores],
        [(metric, chart) for metric, chart in charts if chart],
    )


def _table(result: StudyResult, scores: ModelScores, family: str, metrics: Sequence[MetricInfo]) -> Table:
    ranks = result.ranks[scores.model]
    order = sorted(scores.methods, key=lambda method: (method not in scores.rivals, ranks.get(method, 0.0)))
    rows = [
        Row(
            title_of(method),
            ranks.get(method) if family == "faithfulness" else None,
            [_cell(result, (scores.model, metric.name, method)) for metric in metrics],
            control=method not in scores.rivals,
        )
        for method in order
    ]
    return Table(family, metrics, rows)


def _cell(result: StudyResult, key: tuple[str, str, str]) -> tuple[str, bool | None]:
    mean, better = result.means.get(key), result.beats_chance.get(key)
    return (cell_words(Cell(mean.value, mean.low, mean.high, better)), better) if mean else ("–", None)


def _chart(result: StudyResult, metric: MetricInfo) -> Markup | None:
    """Methods down, a colour for each model; none where nothing was scored."""
    models = [each.model for each in result.scores]
    rows = {
        title_of(method): [_dot(result.means.get((model, metric.name, method))) for model in models]
        for method in result.plan.methods
    }
    if not any(dot for row in rows.values() for dot in row):
        return None
    chart = intervals_svg(rows, models, across="higher is better" if metric.higher_is_better else "lower is better")
    return Markup(chart)  # noqa: S704 - intervals_svg escapes names


def _dot(mean: Mean | None) -> Dot | None:
    return mean and Dot(mean.value, mean.low, mean.high)


def _agreements(result: StudyResult) -> Iterator[dict[str, Any]]:
    """For each model how alike metrics order its methods."""
    for scores in result.scores:
        metrics = [metric for metric in scores.metrics if any(scores.of(metric.name, each) for each in scores.rivals)]
        tau = metric_agreement(scores, metrics)
        if tau is not None and len(metrics) > 1:
            among = metric_concordance(scores, metrics)
            photos = ((metric.title, photo_concordance(scores, metric.name)) for metric in metrics)
            yield {
                "model": scores.model,
                "among": number(among or 0.0, 2),
                "matrix": _matrix([metric.title for metric in metrics], tau),
                "photos": {title: number(w, 2) for title, w in photos if w is not None},
            }


def _differences(result: StudyResult) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """For each model the p-values of pairs of methods by metric."""
    for scores in result.scores:
        tested = [(metric.title, pairwise(scores, metric.name)) for metric in scores.metrics]
        shown = [(title, _p_values(*pairs)) for title, pairs in tested if pairs]
        if shown:
            yield scores.model, shown


def _matrix(titles: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    """The larger, the stronger the colour."""
    rows = [[(number(float(value), 2), max(float(value), 0.0)) for value in row] for row in values]
    return {"titles": titles, "rows": rows}


def _p_values(methods: Sequence[str], values: np.ndarray) -> dict[str, Any]:
    """The smaller, the stronger the colour; nothing on the diagonal."""
    rows = [
        [("" if i == j else _p_words(float(p)), float(i != j and p <= LEVEL)) for j, p in enumerate(row)]
        for i, row in enumerate(values)
    ]
    return {"titles": [title_of(method) for method in methods], "rows": rows}


def _p_words(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _facts(result: StudyResult) -> dict[str, str]:
    plan = result.plan
    return {
        **{f"Model {name}": fingerprint[:16] for name, fingerprint in plan.models.items()},
        **{f"Method {name}": _settings(settings) for name, settings in plan.methods.items()},
        **{f"Metric {name}": _settings(settings) for name, settings in plan.metrics.items()},
        "Photos": f"{len(plan.images)}, {len(plan.masks)} of them with a mask",
        "Arithmetic": f"{plan.precision}, {counted(plan.threads, 'thread')}, batches of {plan.batch_size}",
        "Seed": str(plan.seed),
        "Plan": plan.sha256[:16],
    }


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "no settings"

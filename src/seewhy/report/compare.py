"""The report of `compare`: which explanation to believe, the pictures in a row, scores, curves and agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from seewhy.core.outcome import Outcome
from seewhy.draw import curves_svg, fit
from seewhy.methods import Explanation, method_info
from seewhy.methods.pictures import explanation_tile
from seewhy.metrics import MetricInfo
from seewhy.report.page import write_page
from seewhy.report.pictures import Picture, embed, embed_photo
from seewhy.report.verdict import cell_words, title_of, verdict
from seewhy.report.words import alternative, counted
from seewhy.study.comparison import Cell, Comparison, Trial, agreement

CELL = 360
SHOWN = 12  # photos with pictures; tables count all
CURVES = {"insertion-minus-deletion": ("Insertion", "Deletion")}
ABOUT_CURVES = {
    "Insertion": "of the pixels shown, most relevant first: the sooner a curve rises, the better",
    "Deletion": "of the pixels hidden, most relevant first: the sooner a curve falls, the better",
}


@dataclass(frozen=True)
class Row:
    """One line of the table of scores; `rank` only where it is a method's."""

    title: str
    rank: float | None
    cells: Sequence[tuple[str, bool | None]]
    control: bool


@dataclass(frozen=True)
class Table:
    """Metrics of one kind, and what every method scores."""

    family: str
    metrics: Sequence[MetricInfo]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Photo:
    """One photo with what each method found in it, best first."""

    name: str
    label: str
    photo: Picture
    pictures: Sequence[tuple[str, Picture]]


def write_compare_report(folder: Path, comparison: Comparison, failures: Sequence[Outcome] = ()) -> Path:
    """Write `folder/report.html`; returns its path."""
    one = next(iter(comparison.trials[0].explanations.values()))
    return write_page(
        folder / "report.html",
        "compare.html",
        title="Which explanation to believe",
        lead=verdict(comparison),
        asked=f"{counted(len(comparison.trials), 'photo')}, {one.classifier}",
        unseen=max(len(comparison.trials) - SHOWN, 0),
        photos=[_photo(trial, list(comparison.ranks)) for trial in comparison.trials[:SHOWN]],
        tables=score_tables(comparison),
        curves=mean_curves(comparison),
        agreement=_agreement(comparison),
        metrics=comparison.metrics,
        random_maps=max((len(scores) for trial in comparison.trials for scores in trial.chance.values()), default=0),
        several=len(comparison.trials) > 1,
        failures=failures,
    )


def score_tables(comparison: Comparison) -> list[Table]:
    """One table for each kind of metric."""
    return [_table(comparison, family) for family in dict.fromkeys(metric.family for metric in comparison.metrics)]


def _photo(trial: Trial, methods: Sequence[str]) -> Photo:
    one = trial.explanations[methods[0]]
    photo, _ = embed_photo(one)
    pictures = [(title_of(method), _picture(trial.explanations[method])) for method in methods]
    return Photo(one.image.name, f"{one.target_label} ({one.probability:.1%})", photo, pictures)


def _picture(explanation: Explanation) -> Picture:
    tile = explanation_tile(explanation)
    return embed(fit(tile.picture, CELL), alternative(explanation, method_info(explanation.method)))


def _table(comparison: Comparison, family: str) -> Table:
    metrics = [metric for metric in comparison.metrics if metric.family == family]
    ranked = family == "faithfulness"
    rows = [
        Row(
            title_of(method),
            comparison.mean_rank(method) if ranked else None,
            [_cell(comparison.cell(metric, method)) for metric in metrics],
            control=method in comparison.controls,
        )
        for method in (*comparison.ranks, *comparison.controls)
    ]
    return Table(family, metrics, rows)


def _cell(cell: Cell | None) -> tuple[str, bool | None]:
    return ("–", None) if cell is None else (cell_words(cell), cell.beats_chance)


def mean_curves(comparison: Comparison) -> list[tuple[str, str, Markup]]:
    """One chart for each part of a metric that has a curve to show, of the mean over photos: title, words, `<svg>`."""
    charts: list[tuple[str, str, Markup]] = []
    for metric in comparison.metrics:
        for part, title in enumerate(CURVES.get(metric.name, ())):
            drawn = _mean_of_each(comparison, metric.name, part)
            words = ABOUT_CURVES[title]
            chart = curves_svg(drawn, across="of the pixels", up="probability")
            charts.append((title, words, Markup(chart)))  # noqa: S704 - curves_svg escapes names
    return charts


def _mean_of_each(comparison: Comparison, metric: str, part: int) -> Mapping[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for method in (*comparison.ranks, *comparison.controls[:1]):
        curves = [score.curve for trial in comparison.trials for score in trial.draws[metric][method]]
        found[title_of(method)] = np.mean([curve[part] for curve in curves if curve is not None], axis=0)
    return found


def _agreement(comparison: Comparison) -> Mapping[str, object]:
    """Titles, and rows of (words, strength from 0 to 1), best method first."""
    order = [comparison.methods.index(method) for method in comparison.ranks]
    values = agreement(comparison)[np.ix_(order, order)]
    return {
        "titles": [title_of(method) for method in comparison.ranks],
        "rows": [[(f"{value:.2f}", round(max(float(value), 0.0), 2)) for value in row] for row in values],
    }

"""The tables of a study for papers, as Markdown and as LaTeX: models down, metrics across, a table for each method.

Shares are in percent; ± is half of the 95 % bootstrap interval over photos; the best model of a column is bold.
Localisation has a table of its own, methods and metrics down, models across.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from seewhy.metrics import Metric
from seewhy.report.study import title_of
from seewhy.study.summary import Mean, ModelScores

Means = Mapping[tuple[str, str, str], Mean]  # by model, metric and method
MARKDOWN_SPECIAL = re.compile(r"([\\`*_|<>\[\]])")
LATEX_SPECIAL = {
    **{letter: f"\\{letter}" for letter in "{}$&#%_"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "\N{MINUS SIGN}": "$-$",
    "–": "--",
}


@dataclass(frozen=True)
class Entry:
    """A mean and half its interval, as they are printed; nothing where there is no score."""

    value: str = ""
    half: str = ""
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """One table: how many of the first columns name the rows, a direction for each of the others, and the entries."""

    title: str
    names: tuple[str, ...]
    columns: tuple[tuple[str, bool | None], ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Entry, ...]], ...]


def grids(scores: Sequence[ModelScores], means: Means) -> list[Grid]:
    """A table for each method, one of localisation for all."""
    metrics = [metric for metric in scores[0].metrics if "mask" not in metric.needs]
    located = [metric for metric in scores[0].metrics if "mask" in metric.needs]
    found = [_of_method(method, metrics, scores, means) for method in scores[0].methods] if metrics else []
    return [*found, *([_of_localisation(located, scores, means)] if located else [])]


def markdown(tables: Sequence[Grid]) -> str:
    """The tables as GitHub's Markdown."""
    return "\n".join(line for table in tables for line in _markdown(table))


def latex(tables: Sequence[Grid]) -> str:
    """The tables as plain LaTeX, which needs no package."""
    return "\n".join(line for table in tables for line in _latex(table))


def _of_method(method: str, metrics: Sequence[type[Metric]], scores: Sequence[ModelScores], means: Means) -> Grid:
    columns = [_entries(metric, method, scores, means) for metric in metrics]
    rows = zip(((each.model,) for each in scores), zip(*columns, strict=True), strict=True)
    heads = ((_heading(metric), metric.higher_is_better) for metric in metrics)
    return Grid(title_of(method), ("Model",), tuple(heads), tuple(rows))


def _of_localisation(metrics: Sequence[type[Metric]], scores: Sequence[ModelScores], means: Means) -> Grid:
    rows = tuple(
        ((title_of(method), _heading(metric)), _entries(metric, method, scores, means))
        for method in scores[0].methods
        for metric in metrics
    )
    return Grid("Localisation", ("Method", "Metric"), tuple((each.model, None) for each in scores), rows)


def _heading(metric: type[Metric]) -> str:
    return metric.title + (" (%)" if _is_share(metric) else "")


def _is_share(metric: type[Metric]) -> bool:
    return max(map(abs, metric.bounds)) <= 1


def _entries(metric: type[Metric], method: str, scores: Sequence[ModelScores], means: Means) -> tuple[Entry, ...]:
    """One entry for each model, the best of several marked."""
    found = [means.get((each.model, metric.name, method)) for each in scores]
    known = [mean.value for mean in found if mean]
    compared = len(known) > 1 and method in scores[0].rivals
    best = (max if metric.higher_is_better else min)(known) if compared else None
    return tuple(_entry(metric, mean, best) if mean else Entry() for mean in found)


def _entry(metric: type[Metric], mean: Mean, best: float | None) -> Entry:
    scale = 100 if _is_share(metric) else 1
    value, half = scale * mean.value, scale * (mean.high - mean.low) / 2
    return Entry(f"{value:z.2f}", f"{half:.2f}", mean.value == best)


def _markdown(table: Grid) -> Iterator[str]:
    arrows = {True: " ↑", False: " ↓", None: ""}

    def shown(entry: Entry) -> str:
        value = f"**{entry.value}**" if entry.best else entry.value
        return f"{value} ± {entry.half}" if entry.value else "–"

    yield f"### {_escaped(table.title)}"
    yield ""
    yield _piped([*table.names, *(_escaped(name) + arrows[higher] for name, higher in table.columns)])
    yield _piped(["---"] * len(table.names) + ["---:"] * len(table.columns))
    for names, entries in table.rows:
        yield _piped([*map(_escaped, names), *map(shown, entries)])
    yield ""


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _latex(table: Grid) -> Iterator[str]:
    arrows = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}

    def shown(entry: Entry) -> str:
        value = rf"\mathbf{{{entry.value}}}" if entry.best else entry.value
        return rf"${value} \pm {entry.half}$" if entry.value else "--"

    kinds = "l" * len(table.names) + "r" * len(table.columns)
    yield r"\begin{table}"
    yield rf"\caption{{{_in_latex(table.title)}}}"
    yield rf"\begin{{tabular}}{{{kinds}}}"
    yield r"\hline"
    yield _joined([*table.names, *(_in_latex(name) + arrows[higher] for name, higher in table.columns)])
    yield r"\hline"
    for names, entries in table.rows:
        yield _joined([*map(_in_latex, names), *map(shown, entries)])
    yield r"\hline"
    yield r"\end{tabular}"
    yield r"\end{table}"
    yield ""


def _joined(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _in_latex(text: str) -> str:
    return "".join(LATEX_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))

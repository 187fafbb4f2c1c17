"""The tables of a study for papers, as Markdown and as LaTeX: models down, metrics across, a table for each method.

Shares are in percent; brackets hold the 95 % interval over photos, where there is one; n counts the photos that have a
score, and says on how many the method failed; the best model of a column is bold. Localisation has a table of its own,
methods and metrics down, models across, and below each metric what maps of other classes score.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from seewhy.metrics import Metric
from seewhy.report.page import title_of
from seewhy.study.scores import Mean, ModelScores

Means = Mapping[tuple[str, str, str], Mean]  # by model, metric and method
Failed = Mapping[tuple[str, str], tuple[int, str]]  # by model and method: on how many photos, and why
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
    """A mean and the bounds of its interval, as they are printed; nothing where there is none."""

    value: str = ""
    bounds: tuple[str, str] | None = None
    best: bool = False


@dataclass(frozen=True)
class Grid:
    """One table: how many of the first columns name the rows, a direction for each of the others, and the entries."""

    title: str
    names: tuple[str, ...]
    columns: tuple[tuple[str, bool | None], ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Entry, ...]], ...]


def grids(scores: Sequence[ModelScores], means: Means, failed: Failed | None = None) -> list[Grid]:
    """A table for each method, one of localisation for all."""
    metrics = [metric for metric in scores[0].metrics if "mask" not in metric.needs]
    located = [metric for metric in scores[0].metrics if "mask" in metric.needs]
    known = failed or {}
    found = [_of_method(method, metrics, scores, means, known) for method in scores[0].methods] if metrics else []
    return [*found, *([_of_localisation(located, scores, means, known)] if located else [])]


def markdown(tables: Sequence[Grid]) -> str:
    """The tables as GitHub's Markdown."""
    return "\n".join(line for table in tables for line in _markdown(table))


def latex(tables: Sequence[Grid]) -> str:
    """The tables as plain LaTeX, which needs no package."""
    return "\n".join(line for table in tables for line in _latex(table))


def _of_method(
    method: str, metrics: Sequence[type[Metric]], scores: Sequence[ModelScores], means: Means, failed: Failed
) -> Grid:
    columns = [_entries(metric, method, scores, means) for metric in metrics]
    names = ((each.model, count_words(means, failed, each.model, method, metrics)) for each in scores)
    rows = zip(names, zip(*columns, strict=True), strict=True)
    heads = ((_heading(metric), metric.higher_is_better) for metric in metrics)
    return Grid(title_of(method), ("Model", "n"), tuple(heads), tuple(rows))


def _of_localisation(
    metrics: Sequence[type[Metric]], scores: Sequence[ModelScores], means: Means, failed: Failed
) -> Grid:
    def counts(method: str, metric: type[Metric]) -> str:
        found = [count_words(means, failed, each.model, method, [metric]) for each in scores]
        return found[0] if len({*found}) == 1 else "; ".join(found)

    rows: list[tuple[tuple[str, ...], tuple[Entry, ...]]] = []
    for method, metric in product(scores[0].methods, metrics):
        names = (title_of(method), _heading(metric), counts(method, metric))
        rows += [(names, _entries(metric, method, scores, means))]
        others = [[*each.others.get((metric.name, method), {}).values()] for each in scores]
        if method in scores[0].rivals and any(others):
            beside = tuple(_plain(metric, values) for values in others)
            rows += [((names[0], f"{names[1]}, other classes", names[2]), beside)]
    return Grid("Localisation", ("Method", "Metric", "n"), tuple((each.model, None) for each in scores), tuple(rows))


def count_words(means: Means, failed: Failed, model: str, method: str, metrics: Sequence[type[Metric]]) -> str:
    """How many photos have scores, from and to where metrics differ, and on how many the method failed.

    >>> count_words({}, {("toy", "lime"): (2, "no")}, "toy", "lime", [])
    '0, 2 failed'
    """
    found = [means.get((model, metric.name, method)) for metric in metrics]
    counts = sorted(mean.pictures if mean else 0 for mean in found) or [0]
    without, _ = failed.get((model, method), (0, ""))
    return "–".join(map(str, dict.fromkeys((counts[0], counts[-1])))) + (f", {without} failed" if without else "")


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
    bounds = (f"{scale * mean.low:z.2f}", f"{scale * mean.high:z.2f}") if mean.bounds else None
    return Entry(f"{scale * mean.value:z.2f}", bounds, mean.value == best)


def _plain(metric: type[Metric], values: Sequence[float]) -> Entry:
    """The mean alone, of a control."""
    scale = 100 if _is_share(metric) else 1
    return Entry(f"{scale * sum(values) / len(values):z.2f}") if values else Entry()


def _markdown(table: Grid) -> Iterator[str]:
    arrows = {True: " ↑", False: " ↓", None: ""}

    def shown(entry: Entry) -> str:
        value = f"**{entry.value}**" if entry.best else entry.value
        return f"{value} ({' to '.join(entry.bounds)})" if entry.bounds else value or "–"

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
        bounds = " ($" + "$ to $".join(entry.bounds) + "$)" if entry.bounds else ""
        return f"${value}${bounds}" if entry.value else "--"

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

"""The report of a truth test: which methods mark what turned the answer, and mark it for that answer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from seewhy.core.statistics import Share
from seewhy.core.text import percent
from seewhy.draw import Dot, intervals_svg
from seewhy.report.page import counted, listed, number, render, title_of
from seewhy.report.study_tables import Entry, Grid
from seewhy.study.scores import Mean
from seewhy.study.truth_summary import MethodTruth, ModelTruth

HEADS = (
    "Evidence inside (%)",
    "control class (%)",
    "difference (%)",
    "Spot inside (%)",
    "spot, control class (%)",
    "Deletion (%)",
)


def truth_page(truths: Sequence[ModelTruth], overlay: str, failures: Sequence[Mapping[str, str]]) -> str:
    """The page."""
    return render(
        "truth.html",
        title="Do explanations show what turned the answer?",
        lead=" ".join(map(truth_words, truths)),
        overlay=overlay,
        models=[_model(each) for each in truths],
        heads=HEADS,
        failures=failures,
    )


def truth_words(truth: ModelTruth) -> str:
    """In a few sentences what became of one model's answers, and who shows why."""
    lead = f"{truth.model}: the overlay turns the answer to {truth.turned} of {counted(truth.photos, 'photo')}"
    if not truth.counted:
        return f"{lead}, so there is nothing to explain."
    lifted = f"whose probability it lifts there from {percent(truth.was)} to {percent(truth.now)}"
    told = [f"{lead}, to {truth.turned_to} {truth.counted} times, {lifted}."]
    asking = [title_of(each.method) for each in truth.rows if each.asks]
    blind = [title_of(each.method) for each in truth.rows if each.asks is False]
    if asking:
        told += [f"These mark it more for that class than for another, the most first: {listed(asking)}."]
    if blind:
        told += [f"Of these it cannot be told that they do: {listed(blind)}."]
    if not asking and not blind and truth.rows:
        told += ["So few photos cannot tell any method's maps of that class from those of another."]
    if truth.agreement is not None:
        told += [f"The order agrees with that by deletion with a rank correlation of {number(truth.agreement, 2)}."]
    return " ".join(told)


def truth_grids(truths: Sequence[ModelTruth]) -> list[Grid]:
    """A table for each model, for papers."""
    return [
        Grid(
            f"{each.model}, turned to {each.turned_to}",
            ("Method", "n"),
            tuple((head, None) for head in HEADS),
            tuple(((title_of(row.method), _count(row)), _entries(row)) for row in each.rows),
        )
        for each in truths
        if each.rows
    ]


def _entries(row: MethodTruth) -> tuple[Entry, ...]:
    return (
        *map(_entry, (row.inside, row.control, row.difference)),
        *(
            Entry(f"{100 * share.value:.2f}", (f"{100 * share.low:.2f}", f"{100 * share.high:.2f}"))
            for share in (row.spot, row.spot_control)
        ),
        _entry(row.deleted),
    )


def _entry(mean: Mean) -> Entry:
    bounds = (f"{100 * mean.low:z.2f}", f"{100 * mean.high:z.2f}") if mean.bounds else None
    return Entry(f"{100 * mean.value:z.2f}", bounds)


def _count(row: MethodTruth) -> str:
    return f"{row.photos}, {row.failed} failed" if row.failed else str(row.photos)


def _model(truth: ModelTruth) -> dict[str, Any]:
    rows = [
        {
            "title": title_of(each.method),
            "count": _count(each),
            "cells": [*map(_words, (each.inside, each.control, each.difference)), _spot(each.spot),
                      _spot(each.spot_control), _words(each.deleted)],
            "asks": each.asks,
        }
        for each in truth.rows
    ]  # fmt: skip
    return {"name": truth.model, "rows": rows, "chart": truth_chart(truth), "turned_to": truth.turned_to}


def _words(mean: Mean) -> str:
    words = number(100 * mean.value, 1)
    return f"{words} ({number(100 * mean.low, 1)} to {number(100 * mean.high, 1)})" if mean.bounds else words


def _spot(share: Share) -> str:
    return f"{number(100 * share.value, 0)} ({number(100 * share.low, 0)} to {number(100 * share.high, 0)})"


def truth_chart(truth: ModelTruth) -> Markup | None:
    """What each method marks, for the class and for the control class."""
    if not truth.rows:
        return None
    rows = {title_of(each.method): [_dot(each.inside), _dot(each.control)] for each in truth.rows}
    chart = intervals_svg(rows, (truth.turned_to or "", "a control class"), across="share of the evidence inside")
    return Markup(chart)  # noqa: S704 - intervals_svg escapes names


def _dot(mean: Mean) -> Dot:
    return Dot(mean.value, *(mean.bounds or (mean.value, mean.value)))

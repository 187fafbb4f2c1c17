"""The report of `explain`: photo by photo what the model said, where it looked, and by which method."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import quote

from markupsafe import Markup

from seewhy.core.outcome import Outcome
from seewhy.draw import OURS, Colors, bars_svg, fit, percent, weight_bars_svg
from seewhy.methods import Explanation, method_info
from seewhy.methods.pictures import by_classes, class_tile, explanation_tile, is_blurred, shared_limit
from seewhy.models import Prediction
from seewhy.report.page import Picture, embed, embed_photo, render, render_macro, scale_bar, thumbnail, write_page
from seewhy.report.words import OTHER_COLORS, alternative, asked_classes, cautions, counted, facts, kept_words, listed

BARS_WIDTH, CELL = 380, 360
PHOTO = "explain-photo.html"
CHUNK = 1 << 16  # characters


class ExplainReport:
    """The report of photo after photo, written into `folder/report.html` at the end.

    >>> report = ExplainReport(folder)  # doctest: +SKIP
    >>> for outcome in explain_each(classifier, sources, request):  # doctest: +SKIP
    ...     report.add(outcome)
    >>> report.close()  # doctest: +SKIP

    The sections wait in temporary files, so that memory holds one photo at a time.
    """

    def __init__(self, folder: Path = Path(), colors: Colors = OURS) -> None:
        self.path, self._colors = folder / "report.html", colors
        self._contents, self._photos = _waiting(), _waiting()
        self._count, self._lead = 0, ""
        self._failures: list[Outcome[Any]] = []

    def add(self, outcome: Outcome[tuple[Explanation, ...]], saved: Path | None = None) -> None:
        """Add a photo with its explanations, and a link to the folder that they were `saved` in, or its failure."""
        if outcome.error:
            self._failures.append(outcome)
        elif outcome.value:
            link = saved and quote(Path(os.path.relpath(saved, self.path.parent)).as_posix()) + "/"
            section = _section(outcome.value, link, self._colors)
            self._count += 1
            self._lead = self._lead or section["lead"]
            self._contents.write(render_macro(PHOTO, "entry", section, self._count))
            self._photos.write(render_macro(PHOTO, "full", section, self._count))

    def page(self) -> str:
        """The page, where it need not be a file."""
        return render("explain.html", **self._fields())

    def close(self) -> Path:
        """Write the page, whole or not at all; returns its path."""
        with self._contents, self._photos:
            return write_page(self.path, "explain.html", **self._fields())

    def _fields(self) -> dict[str, Any]:
        title, lead = "Nothing could be explained", "Every photo failed; the reasons are below."
        if self._count:
            title = "Where the model looked" + (f" in {self._count} photos" if self._count > 1 else "")
            failed = f" {counted(len(self._failures), 'photo')} could not be explained: see the end."
            lead = self._lead + failed * bool(self._failures)
        contents, photos = _again(self._contents), _again(self._photos)
        return {
            "title": title, "lead": lead, "count": self._count,
            "contents": contents, "photos": photos, "failures": self._failures,
        }  # fmt: skip


def _waiting() -> IO[str]:
    """A file that is gone when it is closed; what UTF-8 cannot say becomes a question mark."""
    return TemporaryFile("w+", encoding="utf-8", errors="replace", newline="")


def _again(file: IO[str]) -> Iterator[Markup]:
    file.seek(0)
    while part := file.read(CHUNK):
        yield Markup(part)  # noqa: S704 - it was rendered by a template


def _section(explanations: Sequence[Explanation], link: str | None, colors: Colors) -> dict[str, Any]:
    """One photo of the page."""
    one = explanations[0]
    # Methods may differ in the last digits, as they run in other batches: the first one's word counts.
    known = {each.index: each for explanation in reversed(explanations) for each in explanation.predictions}
    classes = sorted(known.values(), key=lambda each: -each.probability)
    explained = [each for each in classes if each.index in {asked.target.index for asked in explanations}]
    photo, whole = embed_photo(one)
    findings = [
        _finding(each, colors, _limit(each, explanations), is_first=_is_first(place, explanations))
        for place, each in enumerate(explanations)
    ]
    titles = dict.fromkeys(finding["info"].title for finding in findings)
    return {
        "name": one.image.name,
        "notes": (*one.image.notes, *cautions(one)),
        "photo": photo,
        "whole": whole,
        "thumbnail": thumbnail(one.image),
        "best": f"{classes[0].name}, {percent(classes[0].probability)}",
        "says": _likely(classes[0]),
        "explained": ", ".join(map(_likely, explained)) if explained != classes[:1] else "",
        "bars": _bars(classes, explained),
        "grids": _grids(explanations),
        "findings": findings,
        "lead": f"Asked of {one.classifier}: why {asked_classes(explanations)}? Answered by {listed(list(titles))}.",
        "classifier": one.classifier,
        "fingerprint": one.fingerprint,
        "link": link,
    }


def _likely(prediction: Prediction) -> str:
    return f"{prediction.name} ({percent(prediction.probability)})"


def _bars(classes: Sequence[Prediction], explained: Sequence[Prediction]) -> Markup:
    """The classes as bars, the explained one highlighted; none where several are explained."""
    named = [(each.name, each.probability) for each in classes]
    highlighted = classes.index(explained[0]) if len(explained) == 1 else None
    return Markup(bars_svg(named, explained=highlighted, width=BARS_WIDTH))  # noqa: S704 - bars_svg escapes names


def _grids(explanations: Sequence[Explanation]) -> list[dict[str, Any]]:
    """For each method of regions that was asked about several classes, what speaks for each of them.

    Where `rules`, a picture keeps what must stay for the model to say so; else the strongest of what speaks for it.
    """
    return [
        {"info": method_info(name), "rules": any(each.rule for each in about), "cells": [_cell(each) for each in about]}
        for name, about in by_classes(explanations).items()
    ]


def _cell(explanation: Explanation) -> tuple[str, Picture]:
    tile = class_tile(explanation)
    shown = f"{explanation.image.name}, {kept_words(explanation, tile.caption)}"
    return tile.heading, embed(fit(tile.picture, CELL), shown)


def _limit(explanation: Explanation, explanations: Sequence[Explanation]) -> float | None:
    """The end of the colours, common to all classes that a method was asked about at a layer."""
    same = [each for each in explanations if (each.method, each.layer) == (explanation.method, explanation.layer)]
    return shared_limit(same)


def _is_first(place: int, explanations: Sequence[Explanation]) -> bool:
    """Whether it is the first of its method: how to read a method's pictures is told once."""
    return explanations[place].method not in {each.method for each in explanations[:place]}


def _finding(explanation: Explanation, colors: Colors, limit: float | None, *, is_first: bool) -> Mapping[str, Any]:
    """One overlay, and what is to be said of it."""
    info = method_info(explanation.method)
    tile = explanation_tile(explanation, colors=colors, limit=limit)
    legend, weights = tile.legend, tile.weights
    bars = weight_bars_svg(weights, width=BARS_WIDTH) if weights else ""
    return {
        "info": info,
        "about": explanation.target_label + (f" · layer {explanation.layer}" if explanation.layer else ""),
        "rule": explanation.rule.sentence if explanation.rule else None,
        "picture": embed(tile.picture, alternative(explanation, info)),
        "scale": scale_bar(legend) if legend else None,
        "words": legend.words if legend else (),
        "numbers": legend.numbers if legend else (),
        "other_colors": OTHER_COLORS if legend and legend.colors.cmap else "",
        "weights": Markup(bars),  # noqa: S704 - weight_bars_svg escapes names
        "intervals": any(weight.margin for weight in weights),
        "found": bool(explanation.rule or legend),
        "signed": explanation.signed,
        "blurred": is_blurred(explanation),
        "is_first": is_first,
        "facts": facts(explanation),
    }

"""The report of `explain`: photo by photo what the model said, where it looked, and by which method."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seewhy.core.outcome import Outcome
from seewhy.draw import OURS, Colors, Tile, fit, photo_uri, weight_bars_svg
from seewhy.methods import Explanation, Method, method_info
from seewhy.methods.evidence import decides, together
from seewhy.methods.explanation import (
    by_classes,
    class_tile,
    effects_of,
    explanation_tile,
    explanation_tiles,
    is_blurred,
)
from seewhy.methods.other_classes import class_words
from seewhy.methods.sums import SummedOverRegions
from seewhy.models import Prediction
from seewhy.models.head import MEANS, NOUN
from seewhy.report.page import (
    OTHER_COLORS,
    PAGE,
    SMALL,
    Picture,
    Sections,
    alternative,
    asked_classes,
    bars_of,
    counted,
    drawing,
    embed,
    facts,
    framed_photo,
    kept_words,
    listed,
    method_notes,
    photo_notes,
    render,
    says,
    title_of,
    write_page,
)

BARS_WIDTH, CELL = 380, 360
INFO = ("title", "paper", "arxiv", "question", "reading")  # of a method, what the page says


@dataclass
class ExplainReport:
    """The report of photo after photo, written into `folder/report.html` at the end.

    >>> report = ExplainReport(folder)  # doctest: +SKIP
    >>> for outcome in explain_each(classifier, sources, request):  # doctest: +SKIP
    ...     report.add(outcome)
    >>> report.close()  # doctest: +SKIP

    The sections wait in a temporary file, so that memory holds one photo at a time.
    """

    folder: Path = Path()
    colors: Colors = OURS
    _photos: Sections = field(default_factory=Sections, init=False)
    _failures: list[Outcome[Any]] = field(default_factory=list[Outcome[Any]], init=False)

    def add(
        self,
        outcome: Outcome[tuple[Explanation, ...]],
        saved: Path | None = None,
        tiles: Sequence[Tile] | None = None,
    ) -> None:
        """Add a photo with its explanations, or its failure.

        Args:
            outcome: The explanations of one photo, or the error that stopped it.
            saved: The folder that they were saved in, to link to.
            tiles: Their pictures by `explanation_tiles`, where they are drawn already.
        """
        if outcome.error:
            self._failures.append(outcome)
        elif outcome.value:
            link = saved and quote(Path(os.path.relpath(saved, self.folder)).as_posix()) + "/"
            self._photos.add(**photo_section(outcome.value, self.colors, tiles, link))

    def page(self) -> str:
        """The page, where it need not be a file."""
        return render("explain.html", **self._fields())

    def close(self) -> Path:
        """Write the page, whole or not at all; returns its path."""
        with self._photos.file:
            return write_page(self.folder / PAGE, "explain.html", **self._fields())

    def _fields(self) -> dict[str, Any]:
        title, lead, count = (
            "Nothing could be explained",
            "Every photo failed; the reasons are below.",
            self._photos.count,
        )
        if count:
            title = "Where the model looked" + (f" in {count} photos" if count > 1 else "")
            failed = f" {counted(len(self._failures), 'photo')} could not be explained: see the end."
            lead = next(iter(self._photos))["lead"] + failed * bool(self._failures)
        return {"title": title, "lead": lead, "count": count, "photos": self._photos, "failures": self._failures}


def photo_section(
    explanations: Sequence[Explanation],
    colors: Colors = OURS,
    tiles: Sequence[Tile] | None = None,
    link: str | None = None,
) -> dict[str, Any]:
    """One photo of the page: first the words, then the drawing."""
    tiles = tiles or explanation_tiles(explanations, colors)
    one, by_regions = explanations[0], by_classes(explanations)
    infos, blurred = [method_info(each.method) for each in explanations], [is_blurred(each) for each in explanations]
    findings = [
        _finding(each, info, blurred=blur, is_first=infos.index(info) == place)
        for place, (each, info, blur) in enumerate(zip(explanations, infos, blurred, strict=True))
    ]
    titles, told = dict.fromkeys(info.title for info in infos), photo_notes(explanations)
    # Methods may differ in the last digits, as they run in other batches: the first one's word counts.
    known = {each.index: each for explanation in reversed(explanations) for each in explanation.predictions}
    values = one.meaning == "values"
    classes = sorted(known.values(), key=lambda each: each.index if values else -each.number)
    asked = {index for each in explanations for index in (each.target.index, *each.target.also)}
    explained = [each for each in classes if each.index in asked]
    words = {
        "name": one.image.name,
        "notes": told,
        "means": MEANS[one.meaning],
        "noun": NOUN[one.meaning],
        "lead": f"Asked of {one.classifier}: why {asked_classes(explanations)}? Answered by {listed(list(titles))}.",
        "classifier": one.classifier,
        "fingerprint": one.fingerprint,
        "link": link,
        "grids": [_grid(name, about) for name, about in by_regions.items()],
    }
    for each, info, finding, tile in zip(explanations, infos, findings, tiles, strict=True):
        finding |= {
            "pixels": _pixels(each, info, colors),
            "about_class": class_words(each.checks, blind=info.class_blind),
            "specific": _specific(each, info, colors),
            "found": bool(finding["rule"] or tile.legend),
            "percent": any(not each.unit for each in tile.weights),
            "intervals": any(each.margin for each in tile.weights),
            "undecided": bool(each.regions and not each.is_zero and not decides(each.regions)),
            "effects": effects_of(each),
            "pairs": together(each.regions) if each.regions else [],
            "notes": method_notes(each, told),
        }
    rows = _rows(explanations, findings)
    return {**words, "rows": rows, **_drawn(one, classes, explained, findings, tiles)}


def _rows(explanations: Sequence[Explanation], findings: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Of several classes a row for each method and layer, of one class one row of all methods."""
    several = len({each.target for each in explanations}) > 1
    rows: dict[tuple[str, str | None] | None, list[dict[str, Any]]] = {}
    for each, finding in zip(explanations, findings, strict=True):
        rows.setdefault((each.method, each.layer) if several else None, []).append(finding)
    return [*rows.values()]


def _drawn(
    one: Explanation,
    classes: Sequence[Prediction],
    explained: Sequence[Prediction],
    findings: Sequence[dict[str, Any]],
    tiles: Sequence[Tile],
) -> dict[str, Any]:
    """The pictures and charts of a photo; those of each finding are put into it."""
    shown, whole, alt = framed_photo(one)
    small = fit(one.image.pixels, SMALL)
    overlays = [(tile.picture, finding["alt"]) for finding, tile in zip(findings, tiles, strict=True)]
    embedded = [
        Picture(photo_uri(pixels), pixels.shape[1], pixels.shape[0], words)
        for pixels, words in [(shown, alt), (small, ""), *overlays]
    ]
    large, thumbnail, *pictures = embedded
    for finding, tile, picture in zip(findings, tiles, pictures, strict=True):
        legend = tile.legend
        finding |= {
            "picture": picture,
            "scale": (legend.uri, legend.words, legend.numbers) if legend else None,
            "other_colors": OTHER_COLORS if legend and legend.colors.cmap else "",
            "weights": drawing(weight_bars_svg(tile.weights, width=BARS_WIDTH) if tile.weights else ""),
            "pairs": drawing(weight_bars_svg(finding["pairs"], width=BARS_WIDTH) if finding["pairs"] else ""),
        }
    highlighted = classes.index(explained[0]) if len(explained) == 1 else None
    best = classes[0]
    return {
        "photo": large,
        "whole": whole,
        "thumbnail": thumbnail,
        "bars": bars_of(classes, highlighted, BARS_WIDTH),
        "best": f"{best.name}, {best.told}",
        "says": says(classes),
        "explained": ", ".join(f"{each.name} ({each.told})" for each in explained) if explained != [best] else "",
    }


def _pixels(explanation: Explanation, info: type[Method], colors: Colors) -> Picture | None:
    """What regions hold the sums of, pixel by pixel; None where they do not."""
    if explanation.regions is None or not issubclass(info, SummedOverRegions):
        return None
    alone = replace(explanation, regions=None)
    return embed(explanation_tile(alone, colors=colors).picture, alternative(alone, info))


def _specific(explanation: Explanation, info: type[Method], colors: Colors) -> Picture | None:
    """What is about the class alone; None where no other class was asked about."""
    if (values := explanation.specific) is None:
        return None
    alone = replace(explanation, values=values, regions=None, others=None, signed=True)
    return embed(explanation_tile(alone, colors=colors).picture, alternative(alone, info))


def _grid(method: str, explanations: Sequence[Explanation]) -> dict[str, Any]:
    """What speaks for each of several classes, by a method of regions.

    Where `rules`, a picture keeps what is enough for the model to say so; else the strongest of what speaks for it.
    """
    rules = any(each.rule for each in explanations)
    return {"title": method_info(method).title, "rules": rules, "cells": [_cell(each) for each in explanations]}


def _cell(explanation: Explanation) -> tuple[str, str, Picture]:
    tile = class_tile(explanation)
    shown = f"{explanation.image.name}, {kept_words(explanation)}"
    return tile.heading, tile.caption, embed(fit(tile.picture, CELL), shown)


def _finding(explanation: Explanation, info: type[Method], *, blurred: bool, is_first: bool) -> dict[str, Any]:
    """What is to be said of one overlay; how to read a method's pictures is told at the first of them."""
    return {
        "info": {name: getattr(info, name) for name in INFO},
        "title": title_of(explanation.method),
        "about": " · ".join(
            [
                explanation.target_label,
                *([explanation.told] if explanation.target.against is not None else []),
                *([f"layer {explanation.layer}"] if explanation.layer else []),
            ]
        ),
        "rule": explanation.rule.sentence if explanation.rule else None,
        "alt": alternative(explanation, info),
        "signed": explanation.signed,
        "blurred": blurred,
        "is_first": is_first,
        "facts": facts(explanation),
    }

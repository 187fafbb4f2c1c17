"""The report of `explain`: photo by photo what the model said, where it looked, and by which method."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from seewhy.core.outcome import Outcome
from seewhy.draw import OURS, Colors, Legend, Weight, bars_svg, fit, weight_bars_svg
from seewhy.methods import Explanation, MethodInfo
from seewhy.methods.pictures import by_classes, class_tile, explanation_tile, is_blurred, shared_limit
from seewhy.methods.registry import method_info
from seewhy.models import Prediction
from seewhy.report.page import write_page
from seewhy.report.pictures import Picture, embed, embed_photo, scale_bar, thumbnail
from seewhy.report.words import OTHER_COLORS, alternative, asked_classes, cautions, counted, facts, kept_words, listed

BARS_WIDTH, CELL = 380, 360


@dataclass(frozen=True)
class Finding:
    """One overlay, and what is to be said of it.

    `scale` holds the colours of its `legend` and `weights` the bars of its regions, where it has them. How to read a
    method's pictures is told at the first of them.
    """

    info: MethodInfo
    about: str
    rule: str | None
    picture: Picture
    legend: Legend | None
    scale: str | None
    weights: Markup | None
    intervals: bool
    found: bool
    signed: bool
    blurred: bool
    is_first: bool
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Grid:
    """What speaks for each of several classes, by one method of regions: pictures under headings.

    Where `rules`, a picture keeps what must stay for the model to say so; else the strongest of what speaks for it.
    """

    info: MethodInfo
    rules: bool
    cells: Sequence[tuple[str, Picture]]


@dataclass(frozen=True)
class Section:
    """One photo of the page."""

    name: str
    notes: Sequence[str]
    photo: Picture
    whole: bool
    thumbnail: Picture
    best: Prediction
    explained: Sequence[Prediction]
    bars: Markup
    grids: Sequence[Grid]
    findings: Sequence[Finding]
    asked: str
    classifier: str
    fingerprint: str
    link: str | None


def write_explain_report(folder: Path, results: Iterable[tuple[Outcome, Path | None]], colors: Colors = OURS) -> Path:
    """Write `folder/report.html` from outcomes, each with the folder it was saved in, if it was; returns its path.

    Outcomes are taken one by one, and only small pictures of them are kept.
    """
    sections: list[Section] = []
    failures: list[Outcome] = []
    for outcome, saved in results:
        if outcome.error:
            failures.append(outcome)
        elif outcome.value:
            sections.append(_section(outcome.value, _link(saved, folder) if saved else None, colors))
    return write_page(
        folder / "report.html",
        "explain.html",
        title=_title(sections),
        lead=_lead(sections, len(failures)),
        sections=sections,
        failures=failures,
        other_colors=OTHER_COLORS,
    )


def _title(sections: Sequence[Section]) -> str:
    if not sections:
        return "Nothing could be explained"
    return "Where the model looked" + (f" in {len(sections)} photos" if len(sections) > 1 else "")


def _lead(sections: Sequence[Section], failed: int) -> str:
    if not sections:
        return "Every photo failed; the reasons are below."
    one = sections[0]
    methods = dict.fromkeys(finding.info.title for finding in one.findings)
    asked = f"Asked of {one.classifier}: why {one.asked}? Answered by {listed(list(methods))}."
    return asked + (f" {counted(failed, 'photo')} could not be explained: see the end." if failed else "")


def _section(explanations: Sequence[Explanation], link: str | None, colors: Colors) -> Section:
    one = explanations[0]
    # Methods may differ in the last digits, as they run in other batches: the first one's word counts.
    known = {each.index: each for explanation in reversed(explanations) for each in explanation.predictions}
    classes = sorted(known.values(), key=lambda each: -each.probability)
    explained = [each for each in classes if each.index in {asked.target.index for asked in explanations}]
    photo, whole = embed_photo(one)
    limits = _limits(explanations)
    return Section(
        name=one.image.name,
        notes=(*one.image.notes, *cautions(one)),
        photo=photo,
        whole=whole,
        thumbnail=thumbnail(one.image),
        best=classes[0],
        explained=explained,
        bars=_bars(classes, explained),
        grids=_grids(explanations),
        findings=[
            _finding(
                each,
                colors,
                limit=limits[each.method, each.layer],
                is_first=each.method not in {earlier.method for earlier in explanations[:place]},
            )
            for place, each in enumerate(explanations)
        ],
        asked=asked_classes(explanations),
        classifier=one.classifier,
        fingerprint=one.fingerprint,
        link=link,
    )


def _bars(classes: Sequence[Prediction], explained: Sequence[Prediction]) -> Markup:
    """The classes as bars, the explained one highlighted; none where several are explained."""
    named = [(each.name, each.probability) for each in classes]
    highlighted = classes.index(explained[0]) if len(explained) == 1 else None
    return Markup(bars_svg(named, explained=highlighted, width=BARS_WIDTH))  # noqa: S704 - bars_svg escapes names


def _grids(explanations: Sequence[Explanation]) -> list[Grid]:
    """One grid for each method of regions that was asked about several classes."""
    return [
        Grid(method_info(name), any(each.rule for each in about), [_cell(each) for each in about])
        for name, about in by_classes(explanations).items()
    ]


def _cell(explanation: Explanation) -> tuple[str, Picture]:
    tile = class_tile(explanation)
    shown = f"{explanation.image.name}, {kept_words(explanation, tile.caption)}"
    return tile.heading, embed(fit(tile.picture, CELL), shown)


def _limits(explanations: Sequence[Explanation]) -> dict[tuple[str, str | None], float | None]:
    """The end of the colours, common to all classes that a method was asked about at a layer."""
    asked: dict[tuple[str, str | None], list[Explanation]] = {}
    for each in explanations:
        asked.setdefault((each.method, each.layer), []).append(each)
    return {key: shared_limit(same) for key, same in asked.items()}


def _finding(explanation: Explanation, colors: Colors, *, limit: float | None, is_first: bool) -> Finding:
    info = method_info(explanation.method)
    tile = explanation_tile(explanation, colors=colors, limit=limit)
    return Finding(
        info=info,
        about=explanation.target_label + (f" · layer {explanation.layer}" if explanation.layer else ""),
        rule=explanation.rule.sentence if explanation.rule else None,
        picture=embed(tile.picture, alternative(explanation, info)),
        legend=tile.legend,
        scale=scale_bar(tile.legend) if tile.legend else None,
        weights=_weights(tile.weights) if tile.weights else None,
        intervals=any(weight.margin for weight in tile.weights),
        found=bool(explanation.rule or tile.legend),
        signed=explanation.signed,
        blurred=is_blurred(explanation),
        is_first=is_first,
        facts=facts(explanation),
    )


def _weights(weights: Sequence[Weight]) -> Markup:
    return Markup(weight_bars_svg(weights, width=BARS_WIDTH))  # noqa: S704 - weight_bars_svg escapes names


def _link(saved: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(saved, folder)).as_posix()) + "/"

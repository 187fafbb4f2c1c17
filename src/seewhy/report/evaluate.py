"""The report of `evaluate`: how good a classifier is, and its mistakes with their reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seewhy.cases import Twin, Twins
from seewhy.core.outcome import Outcome
from seewhy.draw import fit
from seewhy.images import Image
from seewhy.methods import Explanation, method_info
from seewhy.methods.pictures import explanation_tile
from seewhy.report.judging import accuracy_words, judgement
from seewhy.report.page import write_page
from seewhy.report.pictures import Picture, embed
from seewhy.report.words import alternative, counted
from seewhy.study.judged import Judged, Mistake

CELL = 360


@dataclass(frozen=True)
class Shown:
    """One mistake: the photo, the evidence and the twins, each with a caption."""

    path: str
    true: str
    said: str
    words: str
    pictures: Sequence[tuple[str, Picture]]


def write_evaluate_report(folder: Path, judged: Judged) -> Path:
    """Write `folder/report.html`; returns its path."""
    evaluation = judged.evaluation
    count = int((~evaluation.right).sum())
    figures = judgement("What it gets right", evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    for name, chart in (("confusion", figures.confusion), ("reliability", figures.reliability)):
        if chart:
            (folder / f"{name}.svg").write_text(chart, "utf-8")
    return write_page(
        folder / "report.html",
        "evaluate.html",
        title="How good is it?",
        lead=f"{judged.model} gets {accuracy_words(evaluation)}",
        judgement=figures,
        mistakes_title=f"Its {counted(count, 'mistake')}" if count else "It makes no mistakes here",
        mistakes=[_shown(each, judged) for each in judged.mistakes],
        method=next((method_info(each.explanation.method).title for each in judged.mistakes if each.explanation), ""),
        unshown=judged.unshown,
        learned=judged.learned,
        failures=[Outcome(path, error=error) for path, error in judged.failures],
    )


def _shown(mistake: Mistake, judged: Judged) -> Shown:
    evaluation, names = judged.evaluation, judged.evaluation.names
    true, said = int(evaluation.truth[mistake.index]), int(evaluation.predicted[mistake.index])
    sure, missed = evaluation.probabilities[mistake.index, [said, true]]
    photo = mistake.explanation.image if mistake.explanation else judged.pictures.image(mistake.index)
    words = f"{sure:.1%} sure of {names[said]}, {missed:.1%} of {names[true]}. {_vote(mistake.twins)}"
    return Shown(mistake.path, names[true], names[said], words, list(_pictures(photo, mistake)))


def _pictures(photo: Image, mistake: Mistake) -> Iterator[tuple[str, Picture]]:
    yield "Photo", embed(fit(photo.pixels, CELL), f"The photo {mistake.path}")
    if mistake.explanation:
        yield f"Evidence for {mistake.explanation.target_label}", _evidence(mistake.explanation)
    for twin in mistake.twins.twins if mistake.twins else ():
        yield _caption(twin), embed(fit(twin.image.pixels, CELL), f"The twin {twin.case.path}")


def _evidence(explanation: Explanation) -> Picture:
    tile = explanation_tile(explanation)
    return embed(fit(tile.picture, CELL), alternative(explanation, method_info(explanation.method)))


def _caption(twin: Twin) -> str:
    return f"Twin {twin.case.label}, {twin.case.similarity:.2f} alike"


def _vote(twins: Twins | None) -> str:
    if twins is None:
        return ""
    told = ", ".join(f"{count} {name}" for name, count in twins.vote)
    same = "" if twins.same_class else f" No other picture is taken for {twins.predictions[0].name}."
    return f"Of the {sum(count for _, count in twins.vote)} pictures nearest to it: {told}.{same}"

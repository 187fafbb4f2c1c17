"""The report of `explainer train`: whether a learned explainer is of use, what it was judged by, and what it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.draw import epochs_svg, fit
from seewhy.explainers.gate import ENOUGH, RIVALS, Verdict
from seewhy.explainers.training import Trained
from seewhy.methods import Explanation, method_info
from seewhy.methods.explanation import explanation_tile
from seewhy.report.page import Picture, alternative, drawing, embed, number, render

COLUMNS = {"learned": "Learned", "grad_cam": "Grad-CAM", "mean_map": "Mean map"}
CELL = 300
WHAT = {
    "shapley": "shares of the score, as long Shapley values give them",
    "mask": "what the class can be recognised from alone",
}


def explainer_page(
    trained: Trained,
    *,
    method: str,
    classes: Sequence[str],
    photos: Mapping[str, int],
    shown: Sequence[Sequence[Explanation]],
    failures: Sequence[Outcome[object]] = (),
) -> str:
    """The page of a training; `shown` holds some photos it had not seen, each explained by it and by Grad-CAM."""
    about, verdict = trained.explainer.about, trained.verdict
    return render(
        "explainer.html",
        title="A learned explainer",
        lead=f"It guesses {WHAT[about['objective']]} of {about['model']}, from one look at a photo.",
        about=about,
        usable=not trained.explainer.reasons,
        reasons=trained.explainer.reasons,
        told=trained.explainer.told,
        enough=f"{ENOUGH:.0%}",
        columns=COLUMNS.values(),
        tables=[(question, _rows(verdict, question), _shares(verdict, question)) for question in verdict.questions],
        loss=drawing(epochs_svg(_curves(trained), across="looks", stages={"": len(trained.history)})),
        classes=classes,
        photos=photos,
        shown=[_photo(each) for each in shown],
        method=quote(method),
        failures=failures,
    )


def _curves(trained: Trained) -> dict[str, list[float]]:
    curves = {"photos it learns from": "loss", "photos it is watched on": "validation_loss"}
    history = trained.history
    return {words: [each[key] for each in history] for words, key in curves.items() if history and key in history[0]}


def _rows(verdict: Verdict, question: str) -> list[tuple[str, list[str]]]:
    """Each photo with its scores, and at the end their medians."""
    judged = [each for each in verdict.photos if question in each.scores]
    rows = [(f"{each.photo}, {each.target}", [each.scores[question][name] for name in COLUMNS]) for each in judged]
    medians = [float(np.median([values[place] for _, values in rows])) for place in range(len(COLUMNS))]
    return [(name, [number(value) for value in values]) for name, values in [*rows, ("Median", medians)]]


def _shares(verdict: Verdict, question: str) -> str:
    """On how many photos it is better than each rival."""
    count = sum(question in each.scores for each in verdict.photos)
    return " and ".join(
        f"better than {words} on {round(verdict.share(question, rival) * count)} of {count}"
        for rival, words in RIVALS.items()
    )


def _photo(explanations: Sequence[Explanation]) -> list[tuple[str, Picture]]:
    """A photo beside what each method draws of it."""
    photo = explanations[0].image
    drawn = [("Photo", embed(fit(photo.pixels, CELL), f"The photo {photo.name}"))]
    for each in explanations:
        info = method_info(each.method)
        evidence = fit(explanation_tile(each).picture, CELL)
        caption = f"{info.title.partition(' (')[0]}: {each.target_label}"
        drawn.append((caption, embed(evidence, alternative(each, info))))
    return drawn

"""What a study's work on one photo costs by one method, by eight at once, and by eight one after another."""

from __future__ import annotations

from functools import partial

import torch
from benchmarks._networks import DEFAULT, classifier_of
from benchmarks._timing import machine, take_turns, write_section

from seewhy import Classifier, open_image
from seewhy.images import Image
from seewhy.methods import Method
from seewhy.metrics import Metric
from seewhy.study.score import Scoring, score_picture
from seewhy.verbs.study import STUDY_METRICS

PHOTO = "sample:cat"
METHODS = ("grad-cam", "layer-cam", "eigen-cam", "hires-cam", "xgrad-cam", "grad-cam++", "lrp", "input-x-gradient")
ONE, TOGETHER, APART = "one method", "eight at once", "eight one after another"

ABOUT = f"""\
## A photo of a study

Milliseconds for one photo ({PHOTO}) by the default metrics, and how many times as long as {ONE} (median over rounds and
its quartiles). Methods: {", ".join(METHODS)}. **Wanted: eight at most 3 times as long as one.**
"""


def main(device: torch.device, budget: float) -> None:
    """Measure, and write the section `study` of the results; `budget` is in seconds for each contestant."""
    classifier, image = classifier_of(DEFAULT, device), open_image(PHOTO)

    def score(*methods: str) -> None:
        _score(classifier, image, methods)

    def apart() -> None:
        for method in METHODS:
            score(method)

    contestants = {ONE: partial(score, METHODS[0]), TOGETHER: partial(score, *METHODS), APART: apart}
    timing = take_turns(contestants, device, budget=budget)
    rows = [f"| {name} | {timing.milliseconds(name):.0f} | {timing.ratio(name, ONE)} |" for name in contestants]
    write_section("study", "\n".join([ABOUT, machine(device), "", "| what | ms | ÷ one |\n|---|--:|--:|", *rows]))


def _score(classifier: Classifier, image: Image, methods: tuple[str, ...]) -> None:
    metrics = tuple(Metric.registry.chosen(STUDY_METRICS).values())
    found = score_picture(classifier, image, Scoring(Method.registry.chosen(methods), metrics))
    if found.errors:
        raise next(iter(found.errors.values()))

"""The page of each outcome: no number without a unit, no sentence with one that is not true of the data behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

import glyphs
from methods.test_anchors import NAMES, SIDE, Shades, both, says_cat
from methods.test_anchors import explain as anchor
from report.claims import WORDS, Words, page_of, unproved
from report.test_anchor_page import torch_scores
from seewhy.images import Image
from seewhy.methods import Cost, Explanation, find_method
from seewhy.models import Classifier, Preprocessing, Target

PHOTO, OTHER = glyphs.picture(), glyphs.picture(glyphs.RED)
RED, BLUE = Target(0), Target(1)
QUARTERS = np.kron(np.arange(16).reshape(4, 4), np.ones((8, 8))).astype(np.int32)
CUT = {"regions": QUARTERS, "fill": "black"}


def explain(
    classifier: Classifier,
    name: str,
    *targets: Target,
    photo: Image = PHOTO,
    compared: bool = False,
    **parameters: object,
) -> list[Explanation]:
    method, generator = find_method(name, **parameters), torch.Generator().manual_seed(0)
    return method(classifier, [photo], [[*(targets or (RED,))]], generator=generator, compared=compared)


def fragile() -> list[Explanation]:
    shades = Classifier.from_module(Shades(torch_scores), Preprocessing((SIDE, SIDE)), NAMES, "shades", gives="logits")
    return anchor("anchors-lime", shades, other_fill="grey")


def saturated(factor: float = 40.0) -> Classifier:
    found = glyphs.classes()
    with torch.no_grad():
        found.module.dense.weight *= factor
    return found


def undecided() -> list[Explanation]:
    (found,) = explain(glyphs.classes(), "lime", **CUT)
    return [replace(found, regions=replace(found.regions, least=1e3))]


OUTCOMES: dict[str, Callable[[], Sequence[Explanation]]] = {
    "a rule": lambda: anchor("anchors-lime", says_cat(both)),
    "an empty rule": lambda: anchor("anchors-lime", says_cat(lambda z: z[:, 0] | True)),
    "a fragile rule": fragile,
    "not the model's answer": lambda: anchor("anchors-lime", says_cat(both), Target(1)),
    "no single part": undecided,
    "low relevance": lambda: explain(glyphs.classes(), "lrp"),
    "a sum that misses": lambda: explain(glyphs.classes(), "integrated-gradients", steps=2, most_steps=2),
    "a contrast": lambda: explain(glyphs.classes(), "kernel-shap", Target(0, against=1), **CUT),
    "a contrast of a map": lambda: explain(glyphs.classes(), "grad-cam", Target(0, against=1)),
    "a class beside a rival by lime": lambda: explain(glyphs.classes(), "lime", Target(0, against=1), **CUT),
    "saturated": lambda: explain(saturated(), "lime", **CUT),
    "nothing matters": lambda: explain(saturated(0.0), "lime", **CUT),
    "class-blind": lambda: explain(glyphs.classes(), "eigen-cam"),
    "beside other classes": lambda: explain(glyphs.classes(), "grad-cam", compared=True),
    "sums beside other classes": lambda: explain(glyphs.classes(), "deep-lift", compared=True),
    "several classes": lambda: explain(glyphs.classes(), "kernel-shap", RED, BLUE, **CUT),
    "several maps": lambda: explain(glyphs.classes(), "grad-cam", RED, BLUE),
    "labels": lambda: explain(glyphs.labels(), "lime", RED, BLUE, **CUT),
    "a probability": lambda: explain(glyphs.classes(), "kernel-shap", of="probability", **CUT),
    "a value": lambda: explain(glyphs.values(), "kernel-shap", **CUT),
    "pairs": lambda: explain(glyphs.classes(), "shapley-interactions", regions="grid:3"),
    "patterns": lambda: explain(glyphs.classes(), "dff", patterns=3),
    "two pictures": lambda: explain(glyphs.classes(), "bilrp", reference=OTHER),
}


every_outcome = pytest.mark.parametrize("outcome", OUTCOMES)


@cache
def found(outcome: str) -> tuple[Sequence[Explanation], Words]:
    explanations = OUTCOMES[outcome]()
    return explanations, page_of(explanations)


@every_outcome
def test_every_sentence_with_a_number_is_true(outcome):
    assert unproved(*found(outcome)) == []


@every_outcome
def test_what_is_said_in_words_is_said_where_it_is_so(outcome):
    explanations, page = found(outcome)
    text = " ".join(page)
    wrong = [words for words, so in WORDS.items() if (words in text) != any(map(so, explanations))]
    assert wrong == []


def falsified(explanation: Explanation) -> Explanation:
    """Everything a little larger, and another class at the head."""
    more = [
        replace(each, probability=each.probability and each.probability * 0.9, value=each.value and each.value + 1)
        for each in explanation.predictions
    ]
    rule, regions = explanation.rule, explanation.regions
    return replace(
        explanation,
        predictions=tuple(more),
        cost=Cost(explanation.cost.forwards + 1, 0, 0.1),
        rule=rule and replace(rule, low=rule.low / 2, area=rule.area / 2, coverage=rule.coverage / 2),
        regions=regions and replace(regions, weights=regions.weights * 1.3, least=0.0),
    )


@every_outcome
def test_of_other_data_the_page_is_not_true(outcome):
    explanations, page = found(outcome)
    wrong = unproved([falsified(each) for each in explanations], page)
    assert [each for each in wrong if "forward" in each]
    assert len(wrong) > 1, wrong

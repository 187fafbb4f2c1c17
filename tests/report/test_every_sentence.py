"""The page of each outcome: no number without a unit, no sentence with one that is not true of the data behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

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
from seewhy.methods.evidence import RegionWeights, Rule
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


def with_score(score: float) -> Classifier:
    """Whose bias leaves red so much."""
    found = glyphs.classes()
    with torch.no_grad():
        found.module.dense.bias[0] += score - found.logits(found.preprocess([PHOTO]))[0, 0]
    return found


def undecided(least: float = 1e3, change: float = 0.5) -> list[Explanation]:
    (found,) = explain(glyphs.classes(), "lime", **CUT)
    return [replace(found, regions=replace(found.regions, least=least), checks={**found.checks, "change": change})]


OUTCOMES: dict[str, Callable[[], Sequence[Explanation]]] = {
    "a rule": lambda: anchor("anchors-lime", says_cat(both)),
    "an empty rule": lambda: anchor("anchors-lime", says_cat(lambda z: z[:, 0] | True)),
    "a fragile rule": fragile,
    "not the model's answer": lambda: anchor("anchors-lime", says_cat(both), Target(1)),
    "no single part": undecided,
    "no single part, yet all together": lambda: undecided(least=3.0, change=5.0),
    "a rival of two classes": lambda: explain(glyphs.binary(), "kernel-shap", Target(1, against=0), **CUT),
    "two labels together": lambda: explain(glyphs.labels(), "kernel-shap", Target(0, also=(1,)), **CUT),
    "one label rather than another": lambda: explain(glyphs.labels(), "lime", Target(0, against=1), **CUT),
    "low relevance": lambda: explain(glyphs.classes(), "lrp"),
    "relevance beyond the score": lambda: explain(with_score(0.1), "lrp"),
    "relevance against the score": lambda: explain(with_score(-0.1), "lrp"),
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


def _rule(**parts: Callable[[Rule], Any]) -> Callable[[Explanation], Explanation]:
    """Another rule, of which these parts differ."""
    return lambda e: e if e.rule is None else replace(e, rule=_changed(e.rule, parts))


def _regions(**parts: Callable[[RegionWeights], Any]) -> Callable[[Explanation], Explanation]:
    """Other regions, of which these parts differ; those of a rule are told by the rule, and of nothing nothing is."""
    return lambda e: e if e.regions is None or e.rule or e.is_zero else replace(e, regions=_changed(e.regions, parts))


def _changed(about: Any, parts: Mapping[str, Callable[[Any], Any]]) -> Any:
    return replace(about, **{name: change(about) for name, change in parts.items()})


def _other_second(rule: Rule) -> Any:
    return rule.second and replace(rule.second, low=rule.second.low / 2, high=rule.second.high / 2)


def _check(name: str) -> Callable[[Explanation], Explanation]:
    return lambda e: replace(e, checks={**e.checks, name: 2 * e.checks[name] + 1}) if name in e.checks else e


# Every number behind a page, changed by itself.
CHANGES: dict[str, Callable[[Explanation], Explanation]] = {
    "predictions": lambda e: replace(
        e,
        predictions=tuple(
            replace(each, probability=each.probability and each.probability * 0.9, value=each.value and each.value + 1)
            for each in e.predictions
        ),
    ),
    "cost": lambda e: replace(e, cost=Cost(e.cost.forwards + 1, 0, 0.1)),
    "bounds": _rule(low=lambda rule: rule.low / 2, high=lambda rule: rule.high / 2),
    "tried": _rule(variations=lambda rule: rule.variations and rule.variations + 1),
    "area": _rule(area=lambda rule: rule.area / 2),
    "coverage": _rule(coverage=lambda rule: rule.coverage / 2 if rule.sought else rule.coverage),
    "second look": _rule(second=_other_second),
    "weights": _regions(weights=lambda regions: regions.weights * 1.3),
    "signs": _regions(weights=lambda regions: -regions.weights),
    "errors": _regions(errors=lambda regions: None if regions.errors is None else 2 * regions.errors + 0.1),
    "alone": _regions(alone=lambda regions: regions.alone and tuple(each and each / 2 for each in regions.alone)),
    "pairs": _regions(pairs=lambda regions: tuple(each._replace(value=1.3 * each.value) for each in regions.pairs)),
}


def _differs(one: Explanation, other: Explanation) -> bool:
    return one.manifest() != other.manifest()


@every_outcome
def test_of_other_data_the_page_is_not_true(outcome):
    """Whichever number behind it changes, a sentence is found out."""
    explanations, page = found(outcome)
    changes = CHANGES | {name: _check(name) for each in explanations for name in each.checks}
    unseen = []
    for name, change in changes.items():
        others = [change(each) for each in explanations]
        if any(map(_differs, explanations, others)) and not unproved(others, page):
            unseen.append(name)
    assert unseen == []


@every_outcome
def test_of_other_data_a_word_is_not_true(outcome):
    """A page of one outcome does not pass for that of another, where their words differ."""
    explanations, page = found(outcome)
    text = " ".join(page)
    for other in OUTCOMES:
        theirs = [any(map(so, found(other)[0])) for so in WORDS.values()]
        mine = [any(map(so, explanations)) for so in WORDS.values()]
        told = [words in text for words in WORDS]
        assert (theirs == told) == (theirs == mine), other

"""The page of every outcome of an anchor: each sentence held against the numbers behind it."""

from __future__ import annotations

import re

import pytest

from methods.test_anchors import NAMES, SIDE, Shades, both, explain, says_cat
from seewhy.core.outcome import Outcome
from seewhy.models import Classifier, Preprocessing, Target
from seewhy.report.explain import ExplainReport


def page_of(found) -> str:
    report = ExplainReport()
    report.add(Outcome(found.image.name, (found,)))
    text = re.sub(r"<[^>]+>", " ", report.page())
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def bounds_in(text: str, after: str) -> tuple[int, int]:
    found = re.search(after + r".*?in (\d+)(?: to (\d+))? % of cases", text)
    assert found, text
    return int(found[1]), int(found[2] or found[1])


def test_a_rule_says_how_often_it_holds_what_it_keeps_and_how_it_fares_elsewhere():
    (found,) = explain("anchors-lime", says_cat(both))
    rule, text = found.rule, page_of(found)
    low, high = bounds_in(text, "These 2 regions")
    assert low / 100 <= rule.low <= rule.precision <= rule.high <= high / 100
    assert f"({100 * rule.area:.0f} % of the picture)" in text
    assert f"speaks about {100 * rule.coverage:g}% of all cases" in text
    assert "hidden ones are painted black" in text
    assert "enough, which is not to say necessary" in text
    low, high = bounds_in(text, "replaced with parts of other photos")
    assert low / 100 <= rule.second.low <= rule.second.high <= high / 100
    assert "fragile" not in text


def test_an_empty_rule_was_tried_with_all_hidden():
    (found,) = explain("anchors-lime", says_cat(lambda z: z[:, 0] | True))
    text = page_of(found)
    assert found.rule.regions == ()
    assert "No region has to stay: the model says “cat”" in text
    assert "A case hides each region by the toss of a coin" in text
    assert "with all hidden at once as well" in text


def test_no_empty_rule_where_all_hidden_loses_the_class():
    (found,) = explain("anchors-lime", says_cat(lambda z: z.any(1)))
    assert "No region has to stay" not in page_of(found)


def test_a_fragile_rule_is_called_so():

    model = Classifier.from_module(
        Shades(torch_scores).eval(), Preprocessing((SIDE, SIDE)), NAMES, "shades", gives="logits"
    )
    (found,) = explain("anchors-lime", model, other_fill="grey")
    assert found.rule.second.high < found.rule.threshold - 0.05
    assert "fragile, as a rule promises 90 %" in page_of(found)


def torch_scores(z):
    """Cat while cell 4 is white and nothing is grey."""
    cat = (z[:, 4] > 1) & ~(z.abs() < 1).any(1)
    return cat[:, None].float() * z.new_tensor([1, 0, 0]) + z.new_tensor([0, 0.5, 0])


@pytest.mark.parametrize("target", [Target(1), Target(1, 0)])
def test_what_is_not_the_answer_is_called_so(target):
    (found,) = explain("anchors-lime", says_cat(both), target)
    text = page_of(found)
    assert "Not the model" in text
    assert "No rule was found" not in text

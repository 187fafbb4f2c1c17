"""Every outcome, in words that a stranger understands."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.explainers.anchor_search import Anchor
from seewhy.explainers.anchor_words import best_found, nothing_to_keep, rule_found
from seewhy.models import Categories, Target

NAMES = Categories(("minibus", "tram", "racer"))
BUS, RATHER = Target(0), Target(0, 1)


def found(anchor: Anchor, target: Target = BUS) -> str:
    return rule_found(anchor, 12, target, NAMES, 0.1).replace("\N{NO-BREAK SPACE}", " ")


def failed(anchor: Anchor, target: Target = BUS) -> str:
    return best_found(anchor, 0.95, target, NAMES, 0.1).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("anchor", "target", "sentence"),
    [
        (
            Anchor((1, 2, 7), 1210, 1240, 0.9701, 0.9899, np.inf),
            BUS,
            "If these 3 regions stay and others are hidden at random, the model says “minibus” in 97 to 99 % of cases "
            "(1,240 tried, 90 % sure).",
        ),
        (
            Anchor((4,), 100, 100, 0.93, 1.0, 2048),
            RATHER,
            "If this region stays and others are hidden at random, the model prefers “minibus” to “tram” in 93 to "
            "100 % of cases (100 tried, 90 % sure).",
        ),
        (
            Anchor((1, 2), 1000, 1024, 1000 / 1024, 1000 / 1024, 1024),
            BUS,
            "If these 2 regions stay and others are hidden at random, the model says “minibus” in 1,000 of the 1,024 "
            "cases there are.",
        ),
        (
            Anchor((), 200, 200, 0.956, 1.0, 4096),
            BUS,
            "No region has to stay: whichever are hidden, the model says “minibus” in 95 to 100 % of cases (200 "
            "tried, 90 % sure).",
        ),
        (
            Anchor((), 4096, 4096, 1.0, 1.0, 4096),
            BUS,
            "No region has to stay: whichever are hidden, the model says “minibus” in all 4,096 cases there are.",
        ),
        (
            Anchor(tuple(range(12)), 1, 1, 1.0, 1.0, 1),
            BUS,
            "Only if all of the picture stays is it sure that the model says “minibus”: no smaller part was found to "
            "be enough.",
        ),
    ],
)
def test_a_rule_that_holds(anchor, target, sentence):
    assert found(anchor, target) == sentence


@pytest.mark.parametrize(
    ("anchor", "sentence"),
    [
        (
            Anchor((1, 2, 7), 240, 300, 0.7501, 0.8199, np.inf),
            "No rule was found under which the model says “minibus” in 95 % of cases. The best one found: if these 3 "
            "regions stay and others are hidden at random, it does so in 75 to 82 % of cases (300 tried, 90 % sure).",
        ),
        (
            Anchor((), 8, 16, 0.5, 0.5, 16),
            "No rule was found under which the model says “minibus” in 95 % of cases. With no rule at all, and regions "
            "hidden at random, it does so in 8 of the 16 cases there are.",
        ),
    ],
)
def test_a_rule_that_fails(anchor, sentence):
    assert failed(anchor) == sentence


@pytest.mark.parametrize(
    ("margin", "target", "sentence"),
    [
        (-1, BUS, "The model says “tram” here, not “minibus”, so there is nothing to keep; ask about “tram”."),
        (
            -1,
            RATHER,
            "Here the model prefers “tram” to “minibus”, so there is nothing to keep; ask about “tram” rather than "
            "“minibus”.",
        ),
        (
            0,
            BUS,
            "On this picture “minibus” and “tram” score exactly the same: there is no decision for a rule to keep.",
        ),
    ],
)
def test_a_class_that_is_not_the_answer(margin, target, sentence):
    assert nothing_to_keep(margin, 1, target, NAMES) == sentence


def test_percents_never_promise_more_than_the_bounds():
    """Rounded outwards, but an exact 97 stays 97."""
    assert "in 96 to 98 % of" in found(Anchor((1,), 97, 100, 0.969, 0.971, np.inf))
    assert "in 97 % of" in found(Anchor((1,), 97, 100, 0.97, 0.97, np.inf))

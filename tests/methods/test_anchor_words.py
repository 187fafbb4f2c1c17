"""Every outcome, in words that a stranger understands."""

from __future__ import annotations

import numpy as np

from seewhy.methods.anchor_search import Anchor
from seewhy.methods.anchors import best_found, nothing_to_keep, rule_found
from seewhy.models import Categories, Target

NAMES = Categories(("minibus", "tram", "racer"))
BUS, RATHER = Target(0), Target(0, 1)
MANY = np.inf
COIN = "and others are hidden at random"


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def found(anchor: Anchor, target: Target = BUS) -> str:
    return plain(rule_found(anchor, 12, target, NAMES, 0.1))


def failed(anchor: Anchor) -> str:
    return plain(best_found(anchor, 0.95, BUS, NAMES, 0.1))


def test_some_regions_are_enough():
    often = "in 97 to 99 % of cases (1,240 tried, 90 % sure)"
    text = found(Anchor((1, 2, 7), 1210, 1240, 0.9701, 0.9899, MANY))
    assert text == f"If these 3 regions stay {COIN}, the model says “minibus” {often}."


def test_one_region_is_enough_for_one_class_rather_than_another():
    often = "in 93 to 100 % of cases (100 tried, 90 % sure)"
    text = found(Anchor((4,), 100, 100, 0.93, 1.0, 2048), RATHER)
    assert text == f"If this region stays {COIN}, the model prefers “minibus” to “tram” {often}."


def test_where_all_is_tried_cases_are_counted():
    exact = Anchor((1, 2), 1000, 1024, 1000 / 1024, 1000 / 1024, 1024)
    assert (
        found(exact)
        == f"If these 2 regions stay {COIN}, the model says “minibus” in 1,000 of the 1,024 cases there are."
    )


def test_no_region_is_needed():
    start = "No region has to stay: whichever are hidden, the model says “minibus” in"
    assert found(Anchor((), 200, 200, 0.956, 1.0, 4096)) == f"{start} 95 to 100 % of cases (200 tried, 90 % sure)."
    assert found(Anchor((), 4096, 4096, 1.0, 1.0, 4096)) == f"{start} all 4,096 cases there are."


def test_all_regions_are_needed():
    start, end = "Only if all of the picture stays is it sure that", "no smaller part was found to be enough."
    assert found(Anchor(tuple(range(12)), 1, 1, 1.0, 1.0, 1)) == f"{start} the model says “minibus”: {end}"


def test_no_rule_is_found():
    start = "No rule was found under which the model says “minibus” in 95 % of cases."
    often = "in 75 to 82 % of cases (300 tried, 90 % sure)"
    some = failed(Anchor((1, 2, 7), 240, 300, 0.7501, 0.8199, MANY))
    assert some == f"{start} The best one found: if these 3 regions stay {COIN}, it does so {often}."
    none = failed(Anchor((), 8, 16, 0.5, 0.5, 16))
    assert (
        none == f"{start} With no rule at all, and regions hidden at random, it does so in 8 of the 16 cases there are."
    )


def test_the_class_is_not_the_answer():
    asked = nothing_to_keep(-1, 1, BUS, NAMES)
    assert asked == "The model says “tram” here, not “minibus”, so there is nothing to keep; ask about “tram”."
    start, end = "Here the model prefers “tram” to “minibus”", "ask about “tram” rather than “minibus”."
    assert nothing_to_keep(-1, 1, RATHER, NAMES) == f"{start}, so there is nothing to keep; {end}"
    tie = nothing_to_keep(0, 1, BUS, NAMES)
    assert tie.startswith("On this picture “minibus” and “tram” score exactly the same")


def test_percents_never_promise_more_than_the_bounds():
    """Rounded outwards, but an exact 97 stays 97."""
    assert "in 96 to 98 % of" in found(Anchor((1,), 97, 100, 0.969, 0.971, MANY))
    assert "in 97 % of" in found(Anchor((1,), 97, 100, 0.97, 0.97, MANY))

"""Every outcome, in words that a stranger understands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seewhy.engines import FILLS, find_fill
from seewhy.methods import SecondLook
from seewhy.methods.anchor_search import Anchor
from seewhy.methods.anchor_words import Wording, hidden_words, nothing_to_keep
from seewhy.models import Categories, Target

NAMES = Categories(("minibus", "tram", "racer"))
BUS, RATHER = Target(0), Target(0, 1)
MANY = np.inf
GREY = "painted grey"
OTHERS = f"A case hides each other region by the toss of a coin; hidden ones are {GREY}."
EACH = f"A case hides each region by the toss of a coin; hidden ones are {GREY}."
MOST = 140  # characters of a sentence
WORDING = Wording(
    target=BUS,
    categories=NAMES,
    hidden=GREY,
    delta=0.1,
    threshold=0.95,
    regions=12,
    area=0.421,
    rival="tram",
    kept=True,
)
SECOND = SecondLook("replaced with noise", 0.65, 0.52, 0.77, 64)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def found(anchor: Anchor, wording: Wording = WORDING) -> str:
    return plain(wording.rule_found(anchor))


def failed(anchor: Anchor) -> str:
    return plain(WORDING.best_found(anchor))


def test_some_regions_are_enough():
    often = "in 97 to 99 % of cases (1,240 tried, 90 % sure)"
    text = found(Anchor((1, 2, 7), 1210, 1240, 0.9701, 0.9899, MANY))
    these = "These 3 regions (42 % of the picture) are enough, which is not to say necessary"
    says = f"while they stay, the model says “minibus” {often}."
    assert text == f"{these}: {says} {OTHERS} With all of them hidden it still does."


def test_what_is_left_alone_is_told_where_it_loses_the_class():
    text = found(Anchor((4,), 100, 100, 0.93, 1.0, MANY), replace(WORDING, kept=False))
    assert text.endswith("With all of them hidden “tram” is ahead.")


def test_one_region_is_enough_for_one_class_rather_than_another():
    often = "in 93 to 100 % of cases (100 tried, 90 % sure)"
    text = found(Anchor((4,), 100, 100, 0.93, 1.0, 2048), replace(WORDING, target=RATHER))
    start = "This region (42 % of the picture) is enough, which is not to say necessary: while it stays"
    assert text.startswith(f"{start}, the model prefers “minibus” to “tram” {often}. {OTHERS}")


def test_where_all_is_tried_cases_are_counted():
    exact = Anchor((1, 2), 1000, 1024, 1000 / 1024, 1000 / 1024, 1024)
    assert "while they stay, the model says “minibus” in 1,000 of the 1,024 cases there are." in found(exact)


def test_no_region_is_needed():
    start = "No region has to stay: the model says “minibus” in"
    end = f"and with all hidden at once as well. {EACH}"
    assert (
        found(Anchor((), 200, 200, 0.956, 1.0, 4096)) == f"{start} 95 to 100 % of cases (200 tried, 90 % sure), {end}"
    )
    assert found(Anchor((), 4096, 4096, 1.0, 1.0, 4096)) == f"{start} all 4,096 cases there are, {end}"


def test_all_regions_are_needed():
    start, end = "Only if all of the picture stays is it sure that", "no smaller part was found to be enough."
    assert found(Anchor(tuple(range(12)), 1, 1, 1.0, 1.0, 1)) == f"{start} the model says “minibus”: {end}"


def test_no_rule_is_found():
    start = "No rule was found under which the model says “minibus” in 95 % of cases."
    often = "in 75 to 82 % of cases (300 tried, 90 % sure)"
    some = failed(Anchor((1, 2, 7), 240, 300, 0.7501, 0.8199, MANY))
    these = "these 3 regions (42 % of the picture)"
    assert some == f"{start} The best one found keeps {these}: it does so {often}. {OTHERS}"
    none = failed(Anchor((), 8, 16, 0.5, 0.5, 16))
    assert none == f"{start} With no rule at all it does so in 8 of the 16 cases there are. {EACH}"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.52, 0.77, "fragile, as a rule promises 90 %."),
        (0.91, 1.00, "the rule holds here too (90 % or more)."),
        (0.80, 0.95, "too close to 90 % to tell."),
    ],
)
def test_the_second_look_says_how_the_rule_fares(low, high, verdict):
    second = replace(SECOND, low=low, high=high)
    text = plain(WORDING.second_look(second, fragile=high < 0.9))
    often = f"it does so in {100 * low:g} to {100 * high:g} % of cases (64 tried, 90 % sure)"
    assert text == f"With hidden regions replaced with noise {often}: {verdict}"
    assert len(text) <= MOST


@pytest.mark.parametrize("name", FILLS)
def test_every_fill_has_words(name):
    words = hidden_words(find_fill(name))
    assert words.startswith(("painted ", "replaced with ", "filled from "))
    assert len({hidden_words(find_fill(each)) for each in FILLS}) == len(FILLS)


def test_the_class_is_not_the_answer():
    asked = nothing_to_keep(-1, 1, BUS, NAMES)
    assert asked.startswith("Not the model's answer: it says “tram” here, not “minibus”.")
    rather = nothing_to_keep(-1, 1, RATHER, NAMES)
    assert rather.startswith("Not the model's answer: here it prefers “tram” to “minibus”.")
    assert rather.endswith("ask about “tram” rather than “minibus”.")
    tie = nothing_to_keep(0, 1, BUS, NAMES)
    assert tie.startswith("On this picture “minibus” and “tram” score exactly the same")


def test_percents_never_promise_more_than_the_bounds():
    """Rounded outwards, but an exact 97 stays 97."""
    assert "in 96 to 98 % of" in found(Anchor((1,), 97, 100, 0.969, 0.971, MANY))
    assert "in 97 % of" in found(Anchor((1,), 97, 100, 0.97, 0.97, MANY))

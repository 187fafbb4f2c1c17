"""What hiding regions does, in sentences: each outcome, held against the numbers behind it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from seewhy.methods.effects import effect_sentences
from seewhy.methods.evidence import Pair, RegionWeights, together

LABELS = np.arange(4, dtype=np.int32).reshape(2, 2)


def told(weights: list[float], errors: float = 0.01, meaning: Any = "classes", **options: Any) -> str:
    company = "variations that keep 50% of the regions"
    regions = RegionWeights(LABELS, np.array(weights), np.full(4, errors), company=company, **options)
    return " ".join(effect_sentences(regions, "bus", 0.618, meaning, {"change": 9.2}))


@pytest.mark.parametrize("factor", [1.3, 2.6, 14.0])
def test_the_strongest_region_is_told_by_what_hiding_it_does_to_the_odds(factor):
    text = told([0.1, math.log(factor), -0.2, 0.0], unit="log-odds")
    assert text == (
        f"Hiding region 1 makes the odds of “bus” {factor:g} times smaller, on average over variations that keep 50% "
        "of the regions."
    )
    assert f"{factor:g} times larger" in told([0.1, -math.log(factor), 0.2, 0.0], unit="log-odds")


def test_chance_has_no_effect():
    assert not told([0.1, 0.7, -0.2, 0.0], errors=1.0, unit="log-odds")


def test_nothing_has_no_effect():
    assert not told([0.0, 0.0, 0.0, 0.0], unit="log-odds")


def test_where_no_single_part_decides_both_sizes_are_told():
    text = told([0.1, math.log(1.2), -0.1, 0.0], unit="log-odds", least=0.46)
    assert text == (
        "No single part decides: hiding any one region changes the odds of “bus” by a factor of 1.2 at most, on "
        "average over variations that keep 50% of the regions. "
        f"Hiding everything makes them {math.exp(9.2):,.0f} times smaller."
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (-0.7, "Hiding everything makes them 2.0 times larger."),
        (
            0.1,
            "Hiding everything changes them by a factor of 1.1: little of the answer hangs on what hiding takes away.",
        ),
    ],
)
def test_what_everything_does_is_told_by_its_sign_and_size(change, words):
    regions = RegionWeights(LABELS, np.array([0.1, 0.2, -0.1, 0.0]), None, unit="log-odds", least=0.46)
    assert effect_sentences(regions, "bus", 0.6, "classes", {"change": change})[0].endswith(words)


def test_values_are_told_as_values():
    text = told([0.1, 0.3, -0.1, 0.0], least=0.46, meaning="values")
    assert text == (
        "No single part decides: hiding any one region changes “bus” by 0.3 at most, on average over variations that "
        "keep 50% of the regions. Hiding everything lowers it by 9.2."
    )


def test_what_was_measured_with_one_region_hidden_is_told():
    text = told([0.1, 0.7, -0.2, 0.0], unit="log-odds", alone=(None, 0.235, 0.7, None))
    assert text.endswith(
        "The whole picture gives “bus” 61.8%. With only one region hidden it gives 23.5% (1), 70.0% (2)."
    )


def test_shares_of_other_methods_have_no_sentence():
    assert not told([0.1, 0.7, -0.2, 0.0])


def test_what_the_whole_picture_gives_is_not_told_where_it_is_not_known():
    regions = RegionWeights(LABELS, np.array([0.7, 0.1]), None, unit="log-odds", alone=(0.235, None))
    (_, text) = effect_sentences(regions, "bus", None, "classes", {})
    assert text == "With only one region hidden it gives 23.5% (1)."


def test_a_number_of_ones_own_is_no_probability():
    assert not told([0.1, 0.7, -0.2, 0.0], alone=(None, 3.2, None, None))


@pytest.mark.parametrize(
    ("unit", "weights", "words"),
    [
        (
            "score",
            [0.1, 2.59, -0.2, 0.0],
            (
                "Hiding region 1 lowers the score of “bus” by 2.59, on average over all that may be shown beside it. "
                "Against a class whose score stays the same, that makes it 13 times less likely."
            ),
        ),
        (
            "probability",
            [0.1, -0.234, -0.2, 0.0],
            (
                "Hiding region 1 raises the probability of “bus” by 23.4 points, on average over all that may be shown "
                "beside it."
            ),
        ),
        (
            "value",
            [0.1, 0.3, -0.2, 0.0],
            "Hiding region 1 lowers “bus” by 0.300, on average over all that may be shown beside it.",
        ),
        (
            "log-odds",
            [0.1, math.log(2.6), -0.2, 0.0],
            (
                "Hiding region 1 makes the odds of “bus” 2.6 times smaller, on average over all that may be shown "
                "beside it."
            ),
        ),
    ],
)
def test_shares_are_told_in_their_unit(unit, weights, words):
    company = "all that may be shown beside it"
    regions = RegionWeights(LABELS, np.array(weights), np.full(4, 0.01), unit=unit, company=company)
    assert effect_sentences(regions, "bus", 0.618, "classes", {}) == (words,)
    for other in ({"one": False}, {"meaning": "labels"}):  # of two classes, or of a label, scores say no such thing
        (text,) = effect_sentences(regions, "bus", 0.618, **{"meaning": "classes", "checks": {}, **other})
        assert text == words.partition(" Against")[0]


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("score", "Region 1 takes 2.59 from the score of “bus”, as this method shares it out."),
        ("log-odds", "Region 1 makes the odds of “bus” 13 times smaller, as this method shares it out."),
        ("value", "Region 1 takes 2.59 from “bus”, as this method shares it out."),
    ],
)
def test_what_was_not_found_by_hiding_is_not_told_so(unit, words):
    regions = RegionWeights(LABELS, np.array([0.1, -2.59, 0.2, 0.0]), None, unit=unit)
    assert effect_sentences(regions, "bus", 0.618, "classes", {}) == (words,)


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        ("score", 0.84, "add 0.84 more to the score of “bus” than each for itself would: they need each other."),
        ("score", -0.84, "add 0.84 less to the score of “bus” than each for itself would: they say some of the same."),
        (
            "log-odds",
            math.log(2.6),
            "make the odds of “bus” 2.6 times larger than each for itself would: they need each other.",
        ),
    ],
)
def test_what_two_regions_do_together_is_told(unit, value, words):
    pairs = (Pair(0, 1, value, 0.1), Pair(1, 2, 3.0, 2.0), Pair(0, 3, 5.0))
    regions = RegionWeights(LABELS, np.array([1.0, 3.0, -0.5, 0.0]), np.full(4, 0.01), unit=unit, pairs=pairs)
    assert f"Together, regions 1 and 2 {words}" in effect_sentences(regions, "bus", 0.6, "classes", {})
    assert [each.name for each in together(regions)] == ["1 + 2"], "chance and regions without a name are left out"

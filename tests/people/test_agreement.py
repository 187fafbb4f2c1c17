"""Agreement, against the examples that its inventors print."""

from __future__ import annotations

import numpy as np
import pytest

from people.samples import Clock, answer
from seewhy.images import iou
from seewhy.people.agreement import area_agreement, guess_agreement, krippendorff_alpha
from seewhy.people.masks import MaskRevision
from seewhy.people.runs import encode


def units(*coders: str) -> list[list[str]]:
    """The values of each unit, from one row of marks for each coder; a dot is no value."""
    rows = [coder.split() for coder in coders]
    return [[mark for mark in unit if mark != "."] for unit in zip(*rows, strict=True)]


# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, sections A, B and C; and the encyclopedia's example.
BINARY = units("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
NOMINAL = units("a a b b d c c c e d d a", "b a b b b c c c e d d d")
MISSING = units(
    "1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."
)
THREE = units(". . . . . 3 4 1 2 1 1 3 3 . 3", "1 . 2 1 3 3 4 3 . . . . . . .", ". . 2 1 3 4 4 . 2 1 1 3 3 . 4")


@pytest.mark.parametrize(("found", "published"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743), (THREE, 0.691)])
def test_alpha_is_what_is_published(found, published):
    assert krippendorff_alpha(found) == pytest.approx(published, abs=0.0005)


def literal_alpha(found):
    """By the pairs themselves: 1 − observed over expected disagreement."""
    pairable = [unit for unit in found if len(unit) > 1]
    values = [value for unit in pairable for value in unit]
    observed = sum(
        (one != other) / (len(unit) - 1)
        for unit in pairable
        for place, one in enumerate(unit)
        for there, other in enumerate(unit)
        if place != there
    ) / len(values)
    pairs = [(one, other) for place, one in enumerate(values) for there, other in enumerate(values) if place != there]
    return 1 - observed / (sum(one != other for one, other in pairs) / len(pairs))


def test_alpha_is_that_of_all_pairs():
    chance = np.random.default_rng(0)
    for _ in range(20):
        found = [chance.integers(0, 4, chance.integers(0, 5)).tolist() for _ in range(15)]
        assert krippendorff_alpha(found) == pytest.approx(literal_alpha(found), abs=1e-12)


def test_the_edges_of_alpha():
    assert krippendorff_alpha([]) is None
    assert krippendorff_alpha([["a"], ["b"], []]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) == 1
    assert krippendorff_alpha([["a", "a"], ["b", "b"]]) == 1
    assert krippendorff_alpha([["a", "b"], ["b", "a"]]) < 0
    chance = np.random.default_rng(0).integers(0, 3, (4000, 3))
    assert abs(krippendorff_alpha(chance.tolist())) < 0.02


def test_who_resigned_said_nothing():
    said = [answer(1, "ann", "cat"), answer(1, "bob", "cat"), answer(1, "cy", None), answer(2, "ann", "dog")]
    assert guess_agreement(said) == 1
    assert guess_agreement([*said, answer(2, "bob", "cat")]) == krippendorff_alpha([["cat", "cat"], ["dog", "cat"]])


def test_overlap_by_hand():
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert iou(one, other) == 1
    one[:2] = True
    assert iou(one, other) == 0
    other[1:3] = True
    assert iou(one, other) == pytest.approx(4 / 12)


def test_areas_are_compared_pair_by_pair_within_a_picture_and_label():
    def mask(player, columns, label="cat", image="a"):
        pixels = np.zeros((2, 8), bool)
        pixels[:, columns] = True
        return MaskRevision(f"{image}.jpg", image, player, label, 1, encode(pixels), *pixels.shape, Clock()())

    halves = [mask("ann", slice(0, 4)), mask("bob", slice(0, 4)), mask("cy", slice(2, 6))]
    found = area_agreement([*halves, mask("ann", slice(0, 1), "ear"), mask("ann", slice(0, 1), image="b")])
    assert [(each.image, each.label, each.players) for each in found] == [("a.jpg", "cat", 3)]
    assert found[0].iou == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)

from __future__ import annotations

import numpy as np
import pytest

import planted
from network.test_labels import words
from seewhy.images import Image
from seewhy.network.concepts import GlobalView, Seen, _trend, sum_up
from seewhy.network.view import look


def seen(number: int, said: dict[tuple[str, int], object]) -> Seen:
    image = planted.picture()
    pixels = image.pixels.copy()
    pixels[0, 0] = number  # another picture
    view = look(planted.classifier(), Image(pixels, f"picture {number}"), 0, layers=["first", "second"], checked=False)
    return Seen(view, said)


def test_a_layers_labels_are_summed_over_pictures_by_hand():
    found = sum_up(
        [
            seen(1, {("first", 0): words(("ear", 2.0), ("paw", 1.0))}),
            seen(2, {("first", 0): words(("ear", 3.0)), ("second", 0): words(("paw", 1.0))}),
            seen(3, {("first", 0): words(("tail", 4.0))}),
            seen(4, {}),
        ]
    )
    assert found.pictures == 3
    first, second = found.layers
    assert [(each.name, each.score, each.pictures) for each in first.concepts] == [("ear", 5, 2), ("tail", 4, 1)]
    assert first.pictures == 3
    assert [each.view.image.name for each in first.concepts[0].examples] == ["picture 2", "picture 1"]
    weights = [each.view.layer("first").clusters[0].weight for each in first.concepts[0].examples]
    assert first.concepts[0].weight == pytest.approx(np.mean(weights))
    assert [each.name for each in second.concepts] == ["paw"]
    assert not found.simulated


def test_five_labels_and_three_examples_at_most():
    pictures = [seen(number, {("first", 0): words((f"label {number % 7}", float(number)))}) for number in range(1, 29)]
    (first, _) = sum_up(pictures).layers
    assert len(first.concepts) == 5
    assert all(len(each.examples) == 3 for each in first.concepts)
    assert first.concepts[0].name == "label 0"  # 7 + 14 + 21 + 28
    assert first.concepts[0].score == 70
    assert [each.score for each in first.concepts[0].examples] == [28, 21, 14]


def test_slopes_are_those_of_mean_scores():
    found = sum_up(
        [
            seen(1, {("first", 0): words(("edge", 3.0), ("ear", 1.0)), ("second", 0): words(("ear", 4.0))}),
            seen(2, {("first", 0): words(("edge", 1.0)), ("second", 0): words(("ear", 2.0), ("edge", 1.0))}),
        ]
    )
    trends = {trend.name: trend for trend in found.trends}
    assert trends["edge"].curve == (2.0, 1.0)  # the mean over the clusters that have it
    assert trends["edge"].slope == pytest.approx(-1)
    assert trends["ear"].curve == (1.0, 3.0)
    assert found.late() == found.early() == ()  # two layers are no trend


def test_a_slope_is_that_of_least_squares():

    layers = ["a", "b", "c", "d"]
    trend = _trend("ear", {"a": [1.0], "c": [2.0, 4.0], "d": [2.0]}, layers)
    assert trend.curve == (1, 0, 3, 2)
    assert trend.slope == pytest.approx(((-1.5 * 1) + (-0.5 * 0) + (0.5 * 3) + (1.5 * 2)) / 5)
    for level in (_trend("ear", {"a": [1.0]}, ["a"]), _trend("ear", {layer: [2.0] for layer in "abc"}, "abc")):
        assert (level.slope, level.p) == (0, 1)


def test_early_and_late_are_labels_that_can_be_told_from_chance():

    layers = "abcdefgh"
    rising = {layer: [number + 0.5 * (number % 2)] for number, layer in enumerate(layers)}
    fading = {layer: [9.0 - number] for number, layer in enumerate(layers)}
    given_once = {"g": [5.0]}
    found = GlobalView(
        (), tuple(_trend(*each, layers) for each in (("ear", rising), ("fur", given_once), ("edge", fading))), (), False
    )
    assert [trend.name for trend in found.late()] == ["ear"]
    assert [trend.name for trend in found.early()] == ["edge"]
    assert found.trends[1].slope > 0

"""Each explanation gets the picture that suits it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.transform import resize

from report.samples import explanation, photo
from seewhy.draw import Colors, Weight, blank, fit, kept_overlay, overlay, peak, png_bytes
from seewhy.errors import UsageError
from seewhy.methods import RegionWeights, Rule
from seewhy.methods.explanation import (
    by_classes,
    class_grid,
    class_tile,
    explanation_panel,
    explanation_tile,
    explanation_tiles,
    is_blurred,
    is_speckled,
    shared_limit,
)
from seewhy.models import Target

LABELS = np.kron([[0, 1], [2, 3]], np.ones((12, 12))).astype(np.int32)
RULE = Rule((0, 3), 0.98, 0.97, 0.99, 0.25, 0.5, 1240, 0.95, "If these 2 regions stay, it stays a cat.")


def of_regions(*weights, errors=None, **changes):
    found = RegionWeights(LABELS, np.array(weights, float), None if errors is None else np.array(errors, float))
    return explanation(values=found.painted, signed=True, regions=found, **changes)


def chroma(picture):
    return np.ptp(picture.astype(int), axis=-1)


def test_regions_come_with_legend_and_ranked_weights():
    tile = explanation_tile(of_regions(2.0, -1.0, 0.25, 0.0, errors=[0.1, 0.1, 0.1, 0.1]))
    assert tile.caption == "Grad-CAM"
    assert (tile.legend.signed, tile.legend.limit) == (True, 2.0)
    assert [weight.name for weight in tile.weights] == ["1", "2", "3"]
    assert tile.weights[1] == Weight("2", -1.0, pytest.approx(0.196))


def test_several_region_pictures_can_share_a_scale():
    tile = explanation_tile(of_regions(2.0, -1.0, 0.25, 0.0), "LIME", limit=4.0, colors=Colors(opacity=0.5))
    assert (tile.legend.limit, tile.legend.peak, tile.legend.colors.opacity, tile.caption) == (4.0, 2.0, 0.5, "LIME")


def test_what_may_be_chance_has_no_colour_but_its_bar():
    found = of_regions(2.0, -1.0, 1.5, 0.0, errors=[0.1, 1.0, 0.1, 0.1], view=(0.0, 0.0, 90.0, 60.0))
    tile = explanation_tile(found)
    high, wide = tile.picture.shape[:2]
    inside = (slice(high // 8, high // 6), slice(-wide // 6, -wide // 8))
    assert chroma(tile.picture)[inside].max() == 0
    assert [weight.sure for weight in tile.weights] == [True, True, False]


def test_chance_alone_gives_words_instead_of_colours():
    tile = explanation_tile(of_regions(2.0, -1.0, 1.5, 0.0, errors=[9.0] * 4))
    assert tile.legend is None
    assert len(tile.weights) == 3
    nothing = explanation_tile(of_regions(0.0, 0.0, 0.0, 0.0, errors=[9.0] * 4))
    assert nothing.weights == ()
    assert chroma(tile.picture).max() == chroma(nothing.picture).max() == 12  # the plate of the words
    assert not np.array_equal(tile.picture, nothing.picture)
    assert np.array_equal(nothing.picture, explanation_tile(explanation(values=np.zeros((4, 4)))).picture)


def test_a_rule_shows_what_has_to_stay_and_says_so():
    tile = explanation_tile(of_regions(2.0, -1.0, 1.5, 0.0, rule=RULE))
    found = explanation()
    keep = np.array([True, False, False, True])
    assert np.array_equal(tile.picture, kept_overlay(found.image.pixels, LABELS, keep, found.view, longest=640))
    assert (tile.caption, tile.legend, tile.weights) == (RULE.sentence, None, ())


@pytest.mark.parametrize(
    ("precision", "variations", "words"),
    [(0.98, 100, "no region has to stay"), (0.3, 100, "no rule found"), (0.0, 0, "not the model's answer")],
)
def test_an_empty_rule_is_told_in_words(precision, variations, words):
    rule = replace(RULE, regions=(), precision=precision, variations=variations)
    found = of_regions(0.0, 0.0, 0.0, 0.0, rule=rule)
    assert np.array_equal(explanation_tile(found).picture, blank(found.image.pixels, found.view, words, longest=640))


@pytest.mark.parametrize("signed", [True, False])
def test_a_noisy_map_of_pixels_is_blurred_and_cut_where_its_few_largest_values_begin(signed):
    values = np.random.default_rng(0).standard_normal((80, 80)) ** 5
    noisy = explanation(values=values if signed else np.abs(values), signed=signed)
    drawn = gaussian_filter(noisy.values, 0.008 * 80)
    limit = peak(drawn, signed=signed, percentile=99.5)
    assert explanation_tile(noisy).legend.limit == limit < np.abs(drawn).max()
    assert explanation_tile(noisy, limit=1.0).legend.limit == 1.0
    shown = overlay(noisy.image.pixels, drawn, noisy.view, signed=signed, limit=limit, longest=640)
    assert np.array_equal(explanation_tile(noisy).picture, shown)


@pytest.mark.parametrize(("size", "signed"), [((7, 7), True), ((7, 7), False), ((80, 80), False), ((80, 80), True)])
def test_other_maps_are_shown_up_to_their_peak(size, signed):
    coarse = np.random.default_rng(0).random((7, 7)) ** 5
    values = resize(coarse, size, order=1).astype(np.float32)
    assert explanation_tile(explanation(values=values, signed=signed)).legend.limit == values.max()


def test_what_is_speckled():
    smooth = np.linspace(0, 1, 100)[None].repeat(100, axis=0)
    assert not is_speckled(smooth)
    assert is_speckled(np.random.default_rng(0).standard_normal((100, 100)))
    assert not is_speckled(np.random.default_rng(0).standard_normal((14, 14))), "cells are meant to be seen one by one"
    assert not is_speckled(np.zeros((100, 100)))


def test_several_maps_share_the_largest_scale():
    one, other = (explanation(values=np.full((7, 7), size), signed=True) for size in (2.0, -3.0))
    assert shared_limit([one, other]) == 3.0
    assert shared_limit([explanation(values=np.zeros((7, 7)))]) is None


SCALES = [(2.0, -1.0, 0.1), (-3.0, 1.0, 0.1), (9.0, 0.0, 9.0)]  # two weights and the error of all


def test_weights_of_several_classes_share_the_largest_scale_that_has_a_colour():
    small, large, chance = (of_regions(*each, 0.0, 0.0, errors=[errors] * 4) for *each, errors in SCALES)
    assert shared_limit([small, large, chance]) == 3.0
    assert [each.legend and each.legend.limit for each in explanation_tiles([small, large, chance])] == [3.0, 3.0, None]
    assert shared_limit([chance, of_regions(0.0, 0.0, 0.0, 0.0, rule=RULE)]) is None


def test_a_signed_map_of_pixels_may_be_empty():
    assert explanation_tile(explanation(values=np.zeros((80, 80)), signed=True)).legend is None


def test_a_class_is_shown_by_what_surely_speaks_for_it():
    tile = class_tile(of_regions(2.0, -1.0, 1.5, 0.1, errors=[0.1, 0.1, 0.1, 0.1]))
    assert (tile.heading, tile.caption) == ("tiger cat · 60.0%", "2 of 4 regions surely speak for it")
    pixels = fit(photo().pixels[:, 15:75], 640)
    left = slice(10, pixels.shape[1] // 2 - 10)
    assert tile.picture.shape == pixels.shape
    assert np.array_equal(tile.picture[10:140, left], pixels[10:140, left])
    assert chroma(tile.picture)[:, -100:].max() <= 1


def test_a_class_that_nothing_speaks_for_says_so():
    tile = class_tile(of_regions(-1.0, -1.0, 0.0, 1.0, errors=[1.0] * 4))
    assert tile.caption == "No region surely speaks for it."
    assert chroma(tile.picture).max() == 12  # the plate of the words


def test_a_class_with_a_rule_is_shown_by_the_rule():
    assert class_tile(of_regions(-1.0, -1.0, 0.0, 1.0, rule=RULE)).caption == "2 of 4 regions are enough"


def test_a_grid_says_in_words_what_hiding_a_region_does():
    found = of_regions(2.0, -1.0, 0.7, 0.1, errors=[0.1] * 4)
    odds = replace(found, regions=replace(found.regions, unit="log-odds", least=0.5))
    assert class_tile(odds).caption == "2 of 4 regions surely speak for it; hiding one: odds ÷ 7.4 to odds ÷ 2.0"
    undecided = class_tile(replace(found, regions=replace(odds.regions, least=2.5)))
    assert undecided.caption == "No single part decides."
    assert chroma(undecided.picture).max() == 12  # the plate of the words


def test_a_view_beyond_the_photo_is_cut_at_the_photo():
    tile = class_tile(of_regions(2.0, -1.0, 1.5, 0.1, view=(-5.4, -20.0, 95.0, 80.0)))
    assert tile.picture.shape == fit(photo().pixels, 640).shape


def test_a_grid_has_a_tile_per_class_and_the_same_bytes_again():
    several = [of_regions(2.0, -1.0, 1.5, 0.1, target=Target(index), target_label="x") for index in (280, 281, 282)]
    two, four = class_grid(several[:1]), class_grid(several)
    assert four.width > two.width
    assert png_bytes(four) == png_bytes(class_grid(several))


def test_a_grid_is_of_one_photo_and_one_method_of_regions():
    found = of_regions(2.0, -1.0, 1.5, 0.1)
    with pytest.raises(UsageError, match="one photo by one method"):
        class_grid([found, replace(found, image=photo(height=61))])
    with pytest.raises(UsageError, match="one photo by one method"):
        class_grid([])
    with pytest.raises(UsageError, match="not about regions"):
        class_grid([explanation()])


@pytest.mark.parametrize("rule", [None, RULE, replace(RULE, regions=(), sentence="Nothing has to stay. " * 20)])
@pytest.mark.parametrize("errors", [None, [0.1] * 4, [9.0] * 4])
def test_panels_of_regions_have_the_same_bytes_again(rule, errors):
    found = of_regions(2.0, -1.0, 1.5, 0.0, errors=errors, rule=rule, target_label="a very long name " * 20)
    assert png_bytes(explanation_panel(found)) == png_bytes(explanation_panel(found))


def test_classes_are_gathered_by_methods_of_regions_that_were_asked_about_several():
    first = of_regions(1.0, 0.0, 0.0, 0.0)
    second = replace(first, target=Target(0))
    assert by_classes([explanation(), first, second]) == {"grad-cam": [first, second]}
    assert by_classes([first, explanation()]) == {}


def test_a_few_large_values_do_not_drown_the_rest():
    values = np.tile(np.linspace(0.1, 1, 80, dtype=np.float32), (80, 1))
    smooth, outliers = explanation(values=values), values.copy()
    outliers[:2, :4] = 9
    drowned = explanation(values=outliers)
    assert not is_blurred(drowned)
    assert explanation_tile(smooth).legend.limit == 1
    assert 1 <= explanation_tile(drowned).legend.limit < 1.1
    assert explanation_tile(drowned).legend.numbers == ("0%", "strongest here 900%", "≥ 100%")

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from network import pictures
from network.pictures import WORDS, blob, cluster, layer
from seewhy.models import Box as View
from seewhy.network import Link
from seewhy.network.layout import AT_ONCE, FAINTEST, LARGEST, SMALLEST, brief, lay_out, stack


def apart(one, other) -> bool:
    return one.right <= other.left or other.right <= one.left or one.bottom <= other.top or other.bottom <= one.top


@pytest.mark.parametrize("per_band", [None, 1, 2, 3])
@pytest.mark.parametrize("words", [{}, WORDS], ids=["plain", "words"])
def test_nothing_overlaps_and_nothing_is_cut_off(per_band, words):
    found = lay_out(pictures.view(), words, per_band)
    boxes = [found.photo, *(card.box for card in found.cards), *(row.box for row in found.classes)]
    assert all(apart(one, other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert 0 <= box.left < box.right <= found.width
        assert 0 <= box.top < box.bottom <= found.height


@pytest.mark.parametrize("place", [lay_out, stack])
def test_layers_are_said_in_words_where_it_was_measured_what_they_see(place):
    measured = replace(layer("a", cluster(0, 50, blob(1, 1))), reach=0.05)
    for column, lines in zip(place(pictures.view((measured, layer("b")))).columns, (3, 2), strict=True):
        assert len(column.lines) == lines
        assert (column.lines[0] == "edges and textures") == (lines == 3)


def test_areas_follow_what_is_lost_and_the_one_without_which_most_is_lost_is_the_largest():
    cards = {card.key: card for card in lay_out(pictures.view()).cards}
    assert cards["0-0"].box.width == pytest.approx(LARGEST)  # three quarters are lost without it
    assert cards["0-1"].box.width == pytest.approx(SMALLEST, abs=4)  # nearly nothing
    share = 0.25 / 0.75  # it gains a quarter
    assert cards["3-0"].box.width == pytest.approx((SMALLEST**2 + share * (LARGEST**2 - SMALLEST**2)) ** 0.5)


def test_without_a_check_areas_follow_weights():
    layers = (layer("one", *(cluster(place, weight, blob(1, 1), None) for place, weight in enumerate((60, 30)))),)
    one, other = (card.box.width**2 - SMALLEST**2 for card in lay_out(pictures.view(layers)).cards)
    assert one == pytest.approx(2 * other)


def test_cards_have_the_shape_of_what_the_network_saw():
    for card in lay_out(pictures.view(box=View(0, 0, 90, 60))).cards:
        assert card.box.width / card.box.height == pytest.approx(1.5)


def test_layers_go_from_left_to_right_between_photo_and_classes():
    found = lay_out(pictures.view())
    places = [found.photo.left, *(column.x for column in found.columns), found.classes[0].box.left]
    assert places == sorted(places)


def test_layers_of_a_narrow_picture_go_on_below():
    found = lay_out(pictures.view(), per_band=2)
    first, second, third, fourth = found.columns
    assert first.y == second.y < third.y == fourth.y
    assert third.x < second.x
    assert found.width < lay_out(pictures.view()).width


def test_ribbons_run_from_card_to_card():
    found = lay_out(pictures.view())
    boxes = {card.key: card.box for card in found.cards}
    pairs = {(ribbon.start, ribbon.end) for ribbon in found.ribbons}
    assert pairs == {("0-0", "1-1"), ("0-1", "1-0")}  # neighbours, a quarter and more; nothing is lost without 3-0
    for ribbon in found.ribbons:
        (x, y), (to_x, _) = ribbon.points
        assert x < to_x
        if ribbon.start in boxes:
            box = boxes[ribbon.start]
            assert (x, y) == (box.right, (box.top + box.bottom) / 2)


def test_what_hangs_on_another_stands_at_its_height():
    found = {card.key: card.box.top for card in lay_out(pictures.view()).cards}
    assert found["0-0"] < found["0-1"]
    assert found["1-1"] < found["1-0"]  # though 1-0 is the heavier


def test_what_is_written_on_a_card():
    cards = {card.key: card for card in lay_out(pictures.view(), WORDS).cards}
    assert cards["0-0"].words == ("<wheel>, rim",)
    assert cards["0-0"].weight == "40 %"
    assert cards["0-0"].effect == "20.0% without it"
    assert cards["0-0"].fall == pytest.approx(0.75)
    assert cards["0-1"].words == ()
    assert len(cards["3-0"].words) == 2
    assert cards["3-0"].weight == "\N{MINUS SIGN}60 %"
    assert cards["3-0"].fall == pytest.approx(-0.25)
    assert [cards[key].confirmed for key in ("0-0", "0-1", "1-1", "3-0")] == [True, False, None, True]


def test_a_group_that_is_not_stable_is_pale():
    layers = tuple(
        replace(each, stability=value) for each, value in zip(pictures.view().layers, (0.6, 0.1, None, 1), strict=True)
    )
    cards = {card.key: card.opacity for card in lay_out(pictures.view(layers)).cards}
    assert cards == {"0-0": 0.6, "0-1": 0.6, "1-0": FAINTEST, "1-1": FAINTEST, "3-0": 1.0}


def test_a_dead_layer_says_so_in_its_column():
    assert " ".join(lay_out(pictures.view()).columns[2].remark) == "no positive evidence in this layer"


@pytest.mark.parametrize("words", [{}, WORDS], ids=["plain", "words"])
def test_on_a_telephone_everything_stands_below_each_other_and_nothing_is_cut_off(words):
    wide = layer("b", *(cluster(place, 20, blob(1, 1), 0.1 * place) for place in range(4)), outcome="odd ones out")
    view = pictures.view((*pictures.view().layers, wide))
    found = stack(view, words)
    assert found.width <= 390
    assert {card.key for card in found.cards} == {card.key for card in lay_out(view, words).cards}
    boxes = [found.photo, *(card.box for card in found.cards), *(row.box for row in found.classes)]
    assert all(apart(one, other) for one, other in combinations(boxes, 2))
    assert all(0 <= box.left < box.right <= found.width and 0 <= box.top < box.bottom <= found.height for box in boxes)
    heights = [found.photo.bottom, *(column.y for column in found.columns), found.classes[0].box.top]
    assert heights == sorted(heights)
    assert max(card.box.bottom for card in found.cards) < found.columns[-1].remark_y
    assert stack(pictures.view((layer("dead", outcome="nothing"),))).cards == ()


def test_a_view_in_which_nothing_was_found_can_be_drawn():
    found = lay_out(pictures.view((layer("dead", outcome="nothing"),)))
    assert found.cards == found.ribbons == ()
    assert lay_out(pictures.view((layer("one", cluster(0, 100, blob(1, 1))),))).cards[0].box.width == LARGEST


def test_the_picture_for_people_has_three_layers_and_the_four_groups_that_matter_most():
    hidden = (0.7, 0.1, 0.75, 0.4, 0.79, 0.5)
    wide = [cluster(place, 20 - place, blob(place, 1), lost) for place, lost in enumerate(hidden)]
    layers = (*pictures.view().layers, layer("more", *wide), layer("last", cluster(0, 50, blob(1, 1))))
    view = replace(pictures.view(layers), links=(Link(0, 1, 4, 3, 0.9), Link(0, 1, 4, 4, 0.9), Link(1, 0, 4, 1, 0.9)))
    short, numbers = brief(view)
    assert numbers == (0, 3, 5)
    assert [len(each.clusters) for each in short.layers] == [2, 1, 1]
    short, numbers = brief(replace(view, layers=(layers[0], layers[4])))
    assert numbers == (0, 1)
    assert [each.index for each in short.layers[1].clusters] == [0, 1, 3, 5]
    assert len(short.layers[1].clusters) == AT_ONCE
    keys = {card.key for card in lay_out(view).cards}
    assert {card.key for card in lay_out(*brief(view)[:1], places=brief(view)[1]).cards} <= keys


def test_links_of_the_short_picture_join_the_same_groups():
    wide = layer("b", *(cluster(place, 20, blob(1, 1), 0.1 * place) for place in range(6)))
    links = (Link(0, 1, 1, 3, 0.9), Link(0, 1, 1, 4, 0.8))
    view = replace(pictures.view((pictures.view().layers[0], wide)), links=links)
    assert brief(view)[0].links == (Link(0, 1, 1, 3, 0.9),)  # the fifth is not among the four

"""Pieces of pages, read as a browser would."""

from __future__ import annotations

from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

import planted
from seewhy.draw import Colors
from seewhy.models import Prediction
from seewhy.verbs.explain import explain
from seewhy.web.parts.figures import bars_html, method_html, photo_html, seen_html

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def tags(html, name):
    return [attributes for tag, attributes in Tags(html).found if tag == name]


@pytest.fixture(scope="module")
def explanation():
    return explain(planted.classifier(), planted.picture(), "grad-cam")


def test_every_picture_has_words_or_is_ornament(explanation):
    for html in (method_html([explanation]), photo_html(explanation.image), seen_html(explanation)):
        alts = [each["alt"] for each in tags(html, "img")]
        assert alts
        assert all(alt is not None for alt in alts)
        assert any(alts)


def test_names_that_people_gave_are_text(explanation):
    hostile = replace(explanation, image=replace(explanation.image, name=HOSTILE), target_label=HOSTILE)
    for html in (method_html([hostile]), photo_html(hostile.image), bars_html([Prediction(0, HOSTILE, 0.5)])):
        assert not tags(html, "script")
        assert not any("onerror" in each for each in tags(html, "img"))


def test_colours_and_opacity_change_the_picture(explanation):
    drawn = {method_html([explanation], Colors(opacity, cmap)) for cmap in (None, "jet") for opacity in (0.5, 1.0)}
    assert len(drawn) == 4


def test_words_about_colours_know_whose_colours_they_are(explanation):
    assert "seewhy's own" in unescape(method_html([explanation], Colors(cmap="jet")))
    assert "seewhy's own" not in unescape(method_html([explanation]))


def test_a_map_that_shows_nothing_says_that_this_is_an_answer(explanation):
    html = method_html([replace(explanation, values=explanation.values * 0)])
    assert "That is an answer" in html
    assert 'class="legend"' not in html


def test_a_rule_is_told_in_words():
    assert 'class="rule"' in method_html([explain(planted.classifier(), planted.picture(), "anchors")])


def test_bars_are_a_picture_that_says_what_it_shows():
    (picture,) = tags(bars_html([Prediction(3, "cat & dog", 0.75), Prediction(1, "owl", 0.25)], [3]), "svg")
    assert picture["aria-label"] == "cat & dog 75.0%; owl 25.0%"


def test_of_several_classes_there_is_a_figure_each():
    found = explain(planted.classifier(), [planted.picture()], "grad-cam", ["red", "green"])
    assert len(tags(method_html(found), "figure")) == 2

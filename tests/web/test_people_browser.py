"""Play as people meet it, in a real browser."""

from __future__ import annotations

import pytest

from people.samples import CLASSES
from seewhy.people.rounds import answers
from web.browsing import at_rest, obstacles, settled, visitors

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(browser, address):
    with visitors(browser, address) as come:
        yield come


def true_class(store, page) -> str:
    number = (
        page.locator("[class*=st-key-play-words-]").get_attribute("class").split("st-key-play-words-")[1].split()[0]
    )
    return CLASSES[int(number) - 1 & 3]


def guess(page, choice, words):
    page.get_by_role("radio", name=choice, exact=True).click()
    page.get_by_role("radio", name=choice, exact=True, checked=True).wait_for()
    typed = page.get_by_role("textbox", name="What gave it away?")
    typed.fill(words)
    typed.press("Enter")


def test_a_game_is_won_and_the_next_given_up_and_nothing_tells_before(store, visit):
    page = visit("play", "ann")
    page.get_by_role("button", name="Show more").click()
    page.get_by_text("You see 4.5 %").wait_for()
    at_rest(page)
    assert page.get_by_role("img", name="A piece of a photo").count() == 1
    assert page.get_by_role("img", name="The whole photo").count() == 0
    guess(page, true_class(store, page), "ears, whiskers")
    page.get_by_text("Right! 50 points.").wait_for()
    page.get_by_role("button", name="Next photo").click()
    page.get_by_role("button", name="Give up").click()
    page.get_by_text("You gave up.").wait_for()
    page.get_by_role("row", name="ann (you)").wait_for()
    page.reload()  # the browser knows who plays, and the third round begins
    settled(page)
    assert [(each.won, each.guess is None, each.labels) for each in answers(store, "ann")] == [
        (True, False, ("ears", "whiskers")),
        (False, True, ()),
    ]


@pytest.mark.heavy
def test_two_play_at_once_and_neither_sees_the_others_round(store, visit):
    bob, eve = visit("play", "bob"), visit("play", "eve")
    guess(bob, true_class(store, bob), "wheels")
    guess(eve, true_class(store, eve), "feathers")
    for page in (bob, eve):
        page.get_by_text("Right! 60 points.").wait_for()
    assert [len(answers(store, name)) for name in ("bob", "eve")] == [1, 1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_anybodys_way(visit, scheme):
    page = visit("play", scheme, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert not obstacles(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

"""The page Play as Streamlit runs it, without a browser."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from people.samples import CLASSES, new_round, rounds
from seewhy.people import game
from seewhy.people.names import LONGEST_NAME
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds, answers
from seewhy.web.pages.play import TODAY, words_of
from seewhy.web.parts.players import known_as
from seewhy.web.services.storage import people_store
from web.test_pages import html, opened, report


@pytest.fixture
def play(at) -> AppTest:
    return opened(AppTest.from_string(""), "Play")


def button(page: AppTest, label: str):
    return next(each for each in page.button if each.label == label)


def joined(page: AppTest, name: str = "ann") -> AppTest:
    page.text_input(key="play-called").set_value(name)
    return button(page, "Play").click().run()


def guessed(page: AppTest, choice: str | None, words: str) -> AppTest:
    number = next(each.key for each in page.text_input).removeprefix("play-words-")
    if choice:
        page.button_group(key=f"play-choice-{number}").set_value(choice)
    page.text_input(key=f"play-words-{number}").set_value(words)
    return button(page, "Guess").click().run()


def test_who_comes_in_reads_the_rules_and_says_a_name(play):
    assert "Show more" in play.markdown[0].value
    assert not any(each.label == "Guess" for each in play.button)
    assert "name is empty" in joined(play, "  ").error[0].value


def test_a_game_is_won_after_a_second_look(play):
    add_rounds(people_store(), [new_round(1)])
    page = joined(play)
    before = html(page)
    assert "A piece of a photo: 2 % of it" in before
    button(page, "Show more").click().run()
    page = guessed(page, "cat", "ears, whiskers ;")
    assert not page.exception
    assert "Right! 50 points" in page.success[0].value
    assert "The whole photo: cat" in html(page)
    assert "The piece of the photo that you had seen" in html(page)
    assert any("You said **cat**" in each.value and "whiskers" in each.value for each in page.markdown)
    assert any("Photo 1 of 10 in this game: 1 right, 50 points." in each.value for each in page.caption)
    (kept,) = answers(people_store())
    assert (kept.guess, kept.stage, kept.labels) == ("cat", 1, ("ears", "whiskers"))
    assert [each.value for each in page.metric if each.label == "Points"] == ["50"]
    assert "ann (you)" in report(page)
    page = button(page, "Next photo").click().run()
    assert "everything there is" in page.success[0].value


def test_the_photos_of_today_are_the_same_for_all_and_end(play):
    add_rounds(people_store(), [new_round(1)])
    page = joined(play)
    page.button_group(key="play-which").set_value(TODAY).run()
    page = guessed(page, "cat", "whiskers")
    page = button(page, "Next photo").click().run()
    assert not page.exception
    assert "Today is played: 1 photo, 1 right, 60 points." in page.success[0].value


def test_a_player_is_told_what_has_become_of_their_words(play):
    add_rounds(people_store(), [new_round(1)])
    join(people_store(), "bob")
    view = game.next_round(people_store(), "bob")
    game.guess(people_store(), "bob", view.round, "cat", ["whiskers"], key="first")
    page = guessed(joined(play), "cat", "whiskers, ears")
    page.toggle(key="play-fates").set_value(True).run()
    assert not page.exception
    told = {each.value for each in page.markdown}
    assert {"**whiskers**: 2 people", "ears: you alone so far"} <= told
    assert any("1 of 2 stand on pictures" in each.value for each in page.caption)


def test_who_plays_after_another_begins_anew(play):
    add_rounds(people_store(), [new_round(1)])
    page = guessed(joined(play), "cat", "ears")
    page = joined(button(page, "Not me").click().run(), "bob")
    assert not page.exception
    assert not page.success
    assert "A piece of a photo" in html(page)


def test_a_wrong_guess_and_giving_up_tell_the_class(play):
    add_rounds(people_store(), rounds(2))
    page = joined(play)
    true = {number: CLASSES[number - 1] for number in (1, 2)}
    number = int(next(each.key for each in page.text_input).removeprefix("play-words-"))
    page = guessed(page, "owl", "feathers")
    assert f"The network says {true[number]}" in page.error[0].value
    page = button(page, "Next photo").click().run()
    page = button(page, "Give up").click().run()
    assert f"The network says {true[3 - number]}" in page.info[0].value


def test_a_guess_without_words_is_asked_for_again_and_keeps_the_round(play):
    add_rounds(people_store(), [new_round(1)])
    page = guessed(joined(play), "cat", " , ")
    assert "a few words" in page.warning[0].value
    assert not answers(people_store())
    assert "Right!" in guessed(page, "cat", "ears").success[0].value


def test_a_name_is_its_owners_unless_names_are_trusted(play):
    join(people_store(), "ann")
    assert "choose another name" in joined(play, "ann").error[0].value


def test_in_a_classroom_a_name_is_enough(start):
    start(sign_in="names")
    join(people_store(), "ann")
    page = joined(opened(AppTest.from_string(""), "Play"), "ann")
    assert "nothing to play yet" in page.info[0].value


def test_names_are_text_and_nothing_else(play):
    add_rounds(people_store(), [new_round(1)])
    page = guessed(joined(play, "<img src=x onerror=alert(1)>"), "cat", "ears")
    assert "<img src=x" not in html(page)


def test_words_are_told_apart_by_signs_not_by_spaces():
    assert words_of("two words, one;\n three ,,") == ["two words", "one", "three"]


def test_without_rounds_some_are_made_of_the_samples(play):
    page = joined(play)
    assert "seewhy people rounds" in page.code[0].value
    page = button(page, "Make rounds from the sample photos").click().run()
    assert not page.exception
    assert "A piece of a photo" in html(page)


def test_who_has_signed_in_is_called_by_name_and_told_from_namesakes():
    names = {known_as("Ann Lee", identity) for identity in ("google|1", "google|2", "google|1")}
    assert len(names) == 2
    assert all(name.startswith("Ann Lee · ") and "google" not in name for name in names)
    assert len(known_as("x" * 200, "1")) <= LONGEST_NAME

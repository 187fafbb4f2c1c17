"""The rules of Deep Reveal, in both databases."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from people.samples import CLASSES, new_round, rounds
from seewhy.errors import Conflict, UnknownName, UsageError
from seewhy.images import open_image
from seewhy.people.game import (
    GOLD_EVERY,
    LEASE,
    MOST_RESIGNED,
    RoundResult,
    RoundView,
    guess,
    next_round,
    resign,
    revealed,
    show_more,
    whole,
)
from seewhy.people.players import join
from seewhy.people.reveal import reveal
from seewhy.people.rounds import add_rounds, answers, open_seats, played_classes

ODD_TEXTS = {
    "emoji": "🦊👩‍👩‍👧" * 40,
    "right to left": "אוזניים مدببة",
    "markup": "<script>alert('x')</script>",
    "formula": "=1+1",
    "quotes": "'; DROP TABLE players; --",
    "composed": "é" * 100,
}


@pytest.fixture
def ann(store):
    return join(store, "ann")


@pytest.fixture
def bob(store):
    return join(store, "bob")


def test_a_whole_game_is_won_and_scored_by_the_stage(store, ann):
    add_rounds(store, [new_round(1)])
    view = next_round(store, ann)
    assert (view.stage, view.points, view.options) == (0, 60, CLASSES)
    assert show_more(store, ann, view.round, 0).points == 50
    assert show_more(store, ann, view.round, 1).stage == 2
    assert guess(store, ann, view.round, "cat", ["pointed ears", "fur"], key="1") == RoundResult(
        view.round, "won", "cat", 40
    )
    (kept,) = answers(store)
    assert (kept.stage, kept.labels, kept.guess, kept.image) == (2, ("pointed ears", "fur"), "cat", "photo-1.jpg")
    assert next_round(store, ann) is None


def test_a_wrong_guess_and_a_resignation_earn_nothing(store, ann, bob):
    add_rounds(store, [new_round(1)])
    number = next_round(store, ann).round
    assert guess(store, ann, number, "dog", ["fur"], key="1") == RoundResult(number, "lost", "cat", 0)
    assert next_round(store, bob).round == number
    assert resign(store, bob, number, key="1") == RoundResult(number, "resigned", "cat", 0)
    assert [(each.guess, each.labels) for each in answers(store)] == [("dog", ("fur",)), (None, ())]


def test_nothing_that_tells_the_class_comes_before_the_guess(store, ann):
    secret = new_round(1, options=("cat", "a", "z"))
    add_rounds(store, [secret])
    view = next_round(store, ann)
    assert {field.name for field in fields(RoundView)} == {"round", "stage", "options", "points", "expires"}
    assert view.options == ("a", "cat", "z")  # in an order that says nothing
    for told in (secret.picture.image, secret.picture.image_hash):
        assert told not in repr(view)
    assert not hasattr(view, "__dict__") or set(vars(view)) == {field.name for field in fields(RoundView)}


def test_a_player_sees_what_the_stage_reveals_and_no_more(store, ann):
    made = new_round(3)
    add_rounds(store, [made])
    view = next_round(store, ann)
    pixels = open_image(made.picture.content).pixels
    assert np.array_equal(revealed(store, ann, view.round), reveal(pixels, made.map, 0))
    show_more(store, ann, view.round, 0)
    assert np.array_equal(revealed(store, ann, view.round), reveal(pixels, made.map, 1))
    resign(store, ann, view.round, key="1")
    with pytest.raises(Conflict):
        revealed(store, ann, view.round)


def test_all_of_the_picture_is_for_those_who_have_answered(store, ann, bob):
    made = new_round(3)
    add_rounds(store, [made])
    number = next_round(store, ann).round
    with pytest.raises(Conflict, match="guess or resign"):
        whole(store, ann, number)
    resign(store, ann, number, key="1")
    assert np.array_equal(whole(store, ann, number), open_image(made.picture.content).pixels)
    with pytest.raises(Conflict):
        whole(store, bob, number)


def test_asking_twice_for_one_step_shows_one_step(store, ann):
    add_rounds(store, [new_round()])
    number = next_round(store, ann).round
    assert [show_more(store, ann, number, 0).stage for _ in range(3)] == [1, 1, 1]
    for stage in range(1, 5):
        show_more(store, ann, number, stage)
    with pytest.raises(UsageError, match="all that a round shows"):
        show_more(store, ann, number, 5)


def test_a_player_comes_back_to_the_round_begun(store, ann):
    add_rounds(store, rounds(5))
    first = next_round(store, ann)
    show_more(store, ann, first.round, 0)
    again = next_round(store, ann)
    assert (again.round, again.stage) == (first.round, 1)


def test_each_player_gets_each_round_once_and_each_round_its_overlap(store):
    add_rounds(store, rounds(4, overlap=2))
    players = [join(store, name) for name in ("ann", "bob", "cy")]
    assert open_seats(store) == 8
    played = {player: play_all(store, player) for player in players}
    assert all(len(set(each)) == len(each) for each in played.values())
    assert sorted(number for each in played.values() for number in each) == sorted([1, 2, 3, 4] * 2)
    assert open_seats(store) == 0


def play_all(store, player):
    numbers = []
    while view := next_round(store, player):
        guess(store, player, view.round, view.options[0], ["ears"], key=f"{player}-{view.round}")
        numbers.append(view.round)
    return numbers


def test_the_classes_that_were_played_are_those_of_the_answers(store, ann):
    add_rounds(store, map(new_round, range(3)))
    model = new_round(0).model
    assert played_classes(store, model) == set()
    resign(store, ann, next_round(store, ann).round, key="first")
    assert len(played_classes(store, model)) == 1
    while view := next_round(store, ann):
        resign(store, ann, view.round, key=str(view.round))
    assert played_classes(store, model) == {each.true_class for each in answers(store)}
    assert played_classes(store, "another") == set()


def test_a_player_meets_new_pictures_first(store, ann):
    """Who has learnt a picture's class would guess its other clusters."""
    add_rounds(store, [new_round(number, cluster) for number in range(3) for cluster in range(3)])
    numbers = play_all(store, ann)
    images = {each.round: each.image for each in answers(store)}
    assert [len({images[number] for number in numbers[start : start + 3]}) for start in (0, 3, 6)] == [3, 3, 3]


def test_gold_rounds_come_to_everybody_among_the_others(store, ann, bob):
    add_rounds(store, rounds(20, overlap=2))
    add_rounds(store, [new_round(90, gold=True), new_round(91, gold=True)])
    for player in (ann, bob):
        played = [each > 20 for each in play_all(store, player)]
        assert played == [place in {1, 1 + GOLD_EVERY} for place in range(22)]


def test_simulated_players_and_people_never_share_a_round(store, ann):
    robot = join(store, "robot", simulated=True)
    add_rounds(store, [new_round(0)])
    assert next_round(store, robot) is None
    add_rounds(store, [new_round(0, simulated=True)])
    assert play_all(store, robot) == [2]
    assert play_all(store, ann) == [1]
    assert [(each.player, each.simulated) for each in answers(store)] == [("robot", True), ("ann", False)]
    assert [each.player for each in answers(store, simulated=False)] == ["ann"]


def test_a_late_answer_counts_while_nobody_else_has_the_seat(store, clock, ann):
    add_rounds(store, [new_round(1, overlap=1)])
    number = next_round(store, ann).round
    clock.move(days=3)
    assert guess(store, ann, number, "cat", ["ears"], key="1").outcome == "won"


def test_a_late_answer_never_replaces_that_of_who_got_the_seat(store, clock, ann, bob):
    add_rounds(store, [new_round(1, overlap=1)])
    number = next_round(store, ann).round
    clock.move(seconds=LEASE.total_seconds())
    assert next_round(store, bob) is None  # to the last second
    clock.move(seconds=1)
    assert next_round(store, bob).round == number
    with pytest.raises(Conflict, match="another has it"):
        guess(store, ann, number, "cat", ["late"], key="1")
    guess(store, bob, number, "cat", ["ears"], key="1")
    with pytest.raises(Conflict):
        guess(store, ann, number, "cat", ["later still"], key="2")
    assert [(each.player, each.labels) for each in answers(store)] == [("bob", ("ears",))]
    assert next_round(store, ann) is None


def test_showing_more_gives_more_time(store, clock, ann, bob):
    add_rounds(store, [new_round(overlap=1)])
    number = next_round(store, ann).round
    clock.move(minutes=14)
    show_more(store, ann, number, 0)
    clock.move(minutes=14)
    assert next_round(store, bob) is None


def test_an_answer_sent_again_is_kept_once(store, ann):
    add_rounds(store, [new_round(1)])
    number = next_round(store, ann).round
    sent = [guess(store, ann, number, "cat", ["ears"], key="same") for _ in range(3)]
    assert len(set(sent)) == 1
    assert len(answers(store)) == 1
    for other in ({"choice": "dog", "labels": ["ears"]}, {"choice": "cat", "labels": ["tail"]}):
        with pytest.raises(Conflict, match="another answer"):
            guess(store, ann, number, **other, key="same")
    with pytest.raises(Conflict, match="over for this player"):
        guess(store, ann, number, "cat", ["ears"], key="new")
    assert [each.labels for each in answers(store)] == [("ears",)]


def test_two_players_may_use_the_same_key(store, ann, bob):
    add_rounds(store, [new_round(1)])
    for player in (ann, bob):
        resign(store, player, next_round(store, player).round, key="1")
    assert len(answers(store)) == 2


def test_a_guess_without_words_or_outside_the_options_is_refused_and_may_be_made_again(store, ann):
    add_rounds(store, [new_round(1)])
    number = next_round(store, ann).round
    for choice, labels, language in [
        ("cat", [], "en"),
        ("cat", ["  "], "en"),
        ("cat", ["\n"] * 2, "en"),
        ("cat", ["word"] * 21, "en"),
        ("cat", ["w" * 20_001], "en"),
        ("cow", ["ears"], "en"),
        ("Cat", ["ears"], "en"),
        ("cat", ["ears"], "English, please"),
    ]:
        with pytest.raises(UsageError):
            guess(store, ann, number, choice, labels, key="1", language=language)
    with pytest.raises(UsageError, match="key"):
        guess(store, ann, number, "cat", ["ears"], key="")
    assert guess(store, ann, number, "cat", ["orecchie"], key="1", language="it").outcome == "won"
    assert answers(store)[0].language == "it"


def test_who_holds_no_seat_may_not_play(store, ann, bob):
    add_rounds(store, [new_round(overlap=1)])
    number = next_round(store, ann).round
    for act in (
        lambda: guess(store, bob, number, "bus", ["wheel"], key="1"),
        lambda: resign(store, bob, number, key="1"),
        lambda: show_more(store, bob, number, 0),
        lambda: revealed(store, bob, number),
    ):
        with pytest.raises(Conflict):
            act()
    with pytest.raises(UnknownName):
        guess(store, bob, 77, "bus", ["wheel"], key="1")
    with pytest.raises(UnknownName, match="join"):
        next_round(store, "nobody")


@pytest.mark.parametrize("kind", ODD_TEXTS)
def test_words_of_any_kind_come_back_as_typed(store, ann, kind):
    add_rounds(store, [new_round(1)])
    guess(store, ann, next_round(store, ann).round, "cat", [ODD_TEXTS[kind]], key="1")
    assert answers(store)[0].labels == (ODD_TEXTS[kind],)


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [""],
        [" "],
        ["a\0b"],
        ["\ud83d"],
        ["a\x1b[31mb"],
        ["\u202ea"],
        ["a\u200bb"],
        ["x" * 301],
        ["x" * 200] * 2,
        ["x"] * 21,
    ],
    ids=ascii,
)
def test_words_that_are_none_or_too_long_or_hide_something_are_refused(store, ann, labels):
    """In both databases in the same words, and the round goes on."""
    add_rounds(store, [new_round(1)])
    number = next_round(store, ann).round
    with pytest.raises(UsageError, match="label"):
        guess(store, ann, number, "cat", labels, key="1")
    assert guess(store, ann, number, "cat", [" pointed   ears\n"], key="1").outcome == "won"
    assert answers(store)[0].labels == ("pointed ears",)


@pytest.mark.parametrize(
    ("key", "language"), [("", "en"), ("k" * 201, "en"), ("\0", "en"), ("k", "e"), ("k", "en-" * 400000)]
)
def test_keys_and_tags_are_short(store, ann, key, language):
    add_rounds(store, [new_round(1)])
    with pytest.raises(UsageError):
        guess(store, ann, next_round(store, ann).round, "cat", ["ears"], key=key, language=language)


def test_five_who_resign_take_no_seat_from_others(store):
    add_rounds(store, rounds(2, overlap=3))
    for number in range(5):
        player = join(store, f"resigns {number}")
        while view := next_round(store, player):
            resign(store, player, view.round, key=str(view.round))
    assert open_seats(store) == 6
    assert len(play_all(store, join(store, "zoe"))) == 2


def test_whoever_only_resigns_has_to_stop(store, clock, ann):
    """Else all classes were told for nothing."""
    add_rounds(store, rounds(MOST_RESIGNED + 2))
    for number in range(MOST_RESIGNED):
        resign(store, ann, next_round(store, ann).round, key=str(number))
    view = next_round(store, ann)
    with pytest.raises(Conflict, match="given up 10 rounds"):
        resign(store, ann, view.round, key="more")
    guess(store, ann, view.round, view.options[0], ["ears"], key="guessed")
    clock.move(hours=1, seconds=1)
    assert resign(store, ann, next_round(store, ann).round, key="later").outcome == "resigned"

"""Games of ten, the rounds of a day, and what one saw shown again, in both databases."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from people.samples import answer, new_round, rounds
from seewhy.errors import Conflict
from seewhy.images import open_image
from seewhy.people.game import guess, next_round, piece, resign, show_more
from seewhy.people.players import join
from seewhy.people.reveal import reveal
from seewhy.people.rounds import add_rounds
from seewhy.people.series import ROUNDS, games, rounds_of_day


def test_a_game_has_ten_rounds_and_right_guesses_alone_score():
    given = [answer(number, guess="cat" if number % 2 else "dog", stage=1) for number in range(13)]
    one, other = games(given)
    assert (len(one.answers), one.over, one.won, one.points) == (ROUNDS, True, 5, 5 * 50)
    assert (len(other.answers), other.over) == (3, False)


def test_no_photo_is_in_a_game_twice():
    found = games([answer(1), answer(2), answer(3, image_hash=f"{1:064x}"), answer(4)])
    assert [[each.round for each in game.answers] for game in found] == [[1, 2], [3, 4]]
    assert games([]) == []


def test_the_rounds_of_a_day_are_the_same_for_all_each_on_another_photo(store):
    add_rounds(store, [new_round(number, cluster) for number in range(12) for cluster in range(3)])
    add_rounds(store, [new_round(50, gold=True), new_round(51, simulated=True)])
    one, other = (rounds_of_day(store, date(2026, 5, day)) for day in (1, 2))
    assert one == rounds_of_day(store, date(2026, 5, 1))
    assert one != other
    assert len(one) == len({(number - 1) // 3 for number in one}) == ROUNDS
    assert max(one) <= 36


def test_everybody_plays_the_day_in_its_order_however_few_seats_there_are(store):
    add_rounds(store, rounds(4, overlap=1))
    day = rounds_of_day(store, date(2026, 5, 1))
    for name in ("ann", "bob", "cyd"):
        player = join(store, name)
        played: list[int] = []
        while (view := next_round(store, player, day)) is not None:
            assert next_round(store, player, day).round == view.round  # it is kept
            played.append(view.round)
            guess(store, player, view.round, "cat", ["ears"], key=str(view.round))
        assert tuple(played) == day


def test_what_one_saw_is_shown_again_once_it_is_answered(store):
    add_rounds(store, [new_round(1)])
    ann = join(store, "ann")
    view = next_round(store, ann)
    with pytest.raises(Conflict, match="is not over"):
        piece(store, ann, view.round)
    show_more(store, ann, view.round, 0)
    resign(store, ann, view.round, key="1")
    new = new_round(1)
    assert np.array_equal(piece(store, ann, view.round), reveal(open_image(new.picture.content).pixels, new.map, 1))

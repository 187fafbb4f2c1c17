"""Many players at once: exactly as many answers as were asked for, none lost, none doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from people.samples import Clock, history, new_round, rounds
from seewhy.errors import Conflict
from seewhy.people.game import LEASE, guess, next_round, resign, show_more
from seewhy.people.masks import save_mask
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds, answers, open_seats
from seewhy.people.store import Store, open_store


def play(store: Store, player: str) -> list[tuple[str, int]]:
    """Play until nothing is left, sending every third answer twice; returns what was acknowledged."""
    join(store, player)
    said: list[tuple[str, int]] = []
    while view := next_round(store, player):
        if view.round % 2:
            show_more(store, player, view.round, view.stage)
        for _ in range(2 if view.round % 3 == 0 else 1):
            guess(store, player, view.round, view.options[0], [f"said by {player}"], key=f"round {view.round}")
        said.append((player, view.round))
    return said


def check(store: Store, said: list[tuple[str, int]], tasks: int, overlap: int) -> None:
    kept = [(each.player, each.round) for each in answers(store)]
    assert sorted(kept) == sorted(said)  # none lost, none doubled
    by_task = defaultdict(set)
    for player, number in kept:
        by_task[number].add(player)
    assert Counter(map(len, by_task.values())) == {overlap: tasks}
    assert all(each.labels == (f"said by {each.player}",) for each in answers(store))
    assert open_seats(store) == 0


def crowd_of_threads(store: Store, players: int) -> list[tuple[str, int]]:
    with ThreadPoolExecutor(players) as pool:
        return [each for said in pool.map(lambda n: play(store, f"player {n}"), range(players)) for each in said]


def test_ten_players_at_once_share_thirty_tasks(store):
    add_rounds(store, rounds(30))
    check(store, crowd_of_threads(store, 10), 30, 3)


@pytest.mark.heavy
def test_fifty_players_at_once_share_two_hundred_tasks(store):
    add_rounds(store, rounds(200))
    check(store, crowd_of_threads(store, 50), 200, 3)


@pytest.mark.heavy
def test_fifty_players_in_five_processes_share_two_hundred_tasks(store, url):
    add_rounds(store, rounds(200))
    code = f"import sys; sys.path = {[str(Path(__file__).parents[1]), *sys.path]!r}\n"
    code += f"from people.test_crowd import work; work({url!r}, int(sys.argv[1]))"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(5)
    ]
    said = [tuple(each) for process in started for each in json.loads(process.communicate()[0])]
    check(store, said, 200, 3)


def work(url: str, number: int) -> None:
    with open_store(url, Clock()) as store, ThreadPoolExecutor(10) as pool:
        said = pool.map(lambda n: play(store, f"player {number} {n}"), range(10))
        print(json.dumps([each for some in said for each in some]))


def test_one_player_in_many_windows_answers_each_round_once(store):
    add_rounds(store, rounds(6))
    player = join(store, "ann")

    def window(number):
        given = 0
        while view := next_round(store, player):
            try:
                resign(store, player, view.round, key=f"window {number} round {view.round}")
                given += 1
            except Conflict:
                continue
        return given

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(window, range(5))) == 6
    assert Counter(each.round for each in answers(store)) == dict.fromkeys(range(1, 7), 1)


def test_the_same_answer_sent_at_once_from_many_threads_is_kept_once(store):
    add_rounds(store, [new_round(1)])
    player = join(store, "ann")
    number = next_round(store, player).round
    with ThreadPoolExecutor(8) as pool:
        sent = pool.map(lambda _: guess(store, player, number, "cat", ["ears"], key="same"), range(8))
        assert len(set(sent)) == 1
    assert len(answers(store)) == 1


def test_one_state_of_a_mask_sent_at_once_from_many_threads_is_kept_once(store):
    player, mask = join(store, "ann"), np.eye(20, 30, dtype=bool)

    def save(base, key):
        return save_mask(store, player, "cat.jpg", "ab" * 32, "cat", mask, base=base, key=key).revision

    with ThreadPoolExecutor(8) as pool:
        for base in range(3):
            assert set(pool.map(lambda _, base=base: save(base, f"key {base}"), range(8))) == {base + 1}
    assert [each.revision for each in history(store, player, "ab" * 32, "cat")] == [1, 2, 3]


def test_of_windows_that_save_a_mask_at_once_one_wins_and_the_others_are_told(store):
    player = join(store, "ann")

    def save(number):
        mask = np.arange(600).reshape(20, 30) < 20 * number
        try:
            return save_mask(store, player, "cat.jpg", "ab" * 32, "cat", mask, base=0, key=f"window {number}").revision
        except Conflict:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(save, range(8))) == [0] * 7 + [1]


def test_of_late_answer_and_new_player_exactly_one_has_the_seat(store, clock):
    """Both reach for it in the same moment, again and again."""
    count = 12
    add_rounds(store, rounds(count, overlap=1))
    for number in range(count):
        late, new = join(store, f"late {number}"), join(store, f"new {number}")
        held = next_round(store, late).round
        clock.move(seconds=LEASE.total_seconds() + 1)

        def answer_late(late=late, held=held):
            try:
                guess(store, late, held, "cat", ["late"], key="1")
            except Conflict:
                return False
            return True

        def take(new=new, held=held):
            view = next_round(store, new)
            if view is None or view.round != held:
                return False
            guess(store, new, held, "cat", ["new"], key="1")
            return True

        with ThreadPoolExecutor(2) as pool:
            first, second = pool.submit(answer_late), pool.submit(take)
            first, second = first.result(), second.result()
        kept = [each.player for each in answers(store) if each.round == held]
        assert kept == ([late] if first else [new] if second else [])
        clock.move(seconds=LEASE.total_seconds() + 1)

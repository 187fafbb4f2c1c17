"""Simulated players: known, repeatable, marked, and apart from people."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from people.samples import new_round
from seewhy.people.agreement import reliability
from seewhy.people.exchange import export_lines
from seewhy.people.game import next_round
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds, answers, open_seats
from seewhy.people.simulate import CONCEPTS, concept_of, concepts_of_rounds, kinds_of_players, misspelt, simulate
from seewhy.people.store import open_store

SEED = 1


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A store in which the crowd has played 20 rounds, 7 answers each."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('played') / 'people.sqlite'}") as store:
        add_rounds(store, some_rounds())
        assert simulate(store, players=10, careless=0.2, hostile=0.1, seed=SEED) == 140
        yield store


def some_rounds():
    return [new_round(number, cluster, overlap=7, simulated=True) for number in range(10) for cluster in range(2)]


def test_the_shares_make_whole_players():
    assert Counter(kinds_of_players(10, 0.2, 0.1)) == {"honest": 7, "careless": 2, "hostile": 1}
    assert kinds_of_players(1, 0.2, 0.1) == ("honest",)


def test_every_seat_is_answered_and_every_answer_is_marked(played):
    given = answers(played)
    assert open_seats(played, simulated=True) == 0
    assert set(Counter(each.round for each in given).values()) == {7}
    assert all(each.simulated and each.player.startswith("simulated ") for each in given)
    assert answers(played, simulated=False) == []


def test_the_right_word_is_the_commonest_of_nearly_every_cluster(played):
    """So that whoever reads the words can be held to them."""
    concepts = concepts_of_rounds(played, SEED)
    right = 0
    for number, concept in concepts.items():
        said = [label for each in answers(played) if each.round == number for label in each.labels]
        meant = Counter(other for label in said for other, words in CONCEPTS.items() if label in words)
        right += meant.most_common(1)[0][0] == concept
    assert right / len(concepts) >= 0.95


def test_the_kinds_can_be_told_apart_by_what_they_do(played):
    found = reliability(answers(played))
    of_kind = {kind: [each for each in found if kind in each.player] for kind in ("honest", "careless", "hostile")}
    honest = min(each.ability for each in of_kind["honest"])
    assert honest > max(each.ability for each in of_kind["careless"])
    assert min(each.shared_words for each in of_kind["honest"]) > max(
        each.shared_words for kind in ("careless", "hostile") for each in of_kind[kind]
    )


def test_the_same_seed_gives_the_same_answers_and_another_others(tmp_path):
    def run(name, seed):
        with open_store(f"sqlite:///{tmp_path / name}.sqlite") as store:
            add_rounds(store, some_rounds()[:3])
            simulate(store, players=8, seed=seed)
            return answers(store)

    assert run("a", 1) == run("b", 1)
    assert run("a2", 1) != run("c", 2)


def test_people_and_their_rounds_stay_untouched(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as store:
        ann = join(store, "ann")
        add_rounds(store, [new_round(1), new_round(2, simulated=True)])
        simulate(store, players=3)
        assert open_seats(store) == 3
        assert next_round(store, ann) is not None
        assert sum('"kind": "answer"' in line and '"simulated": true' in line for line in export_lines(store)) == 3


def test_a_concept_hangs_on_class_layer_cluster_and_seed_alone():
    assert concept_of("cat", "a", 0) == concept_of("cat", "a", 0)
    assert len({concept_of("cat", "a", cluster) for cluster in range(100)}) > 15
    assert len({concept_of("cat", "a", 0, seed) for seed in range(100)}) > 15


def test_no_word_stands_for_two_concepts():
    known = [word for words in CONCEPTS.values() for word in words]
    assert len(set(known)) == len(known)


def test_a_slip_exchanges_two_neighbours_and_never_makes_another_right_word():
    chance = np.random.default_rng(0)
    known = {word for words in CONCEPTS.values() for word in words}
    for word in known:
        slipped = misspelt(word, chance)
        assert sorted(slipped) == sorted(word)
        assert sum(one != other for one, other in zip(word, slipped, strict=True)) in {0, 2}
        assert slipped == word or slipped not in known

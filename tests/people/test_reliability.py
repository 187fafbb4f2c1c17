"""How far to rely on each player: by hand where it can be, by known players where not."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from people import samples
from seewhy.people.agreement import reliability

answer = partial(samples.answer, choices=4)


def test_one_gold_round_moves_the_first_belief_by_one():
    """Beta(2, 1) and one right answer is Beta(3, 1); one wrong answer Beta(2, 2)."""
    ann, bob, cy = reliability(
        [answer(1, who, said, gold=True) for who, said in (("ann", "cat"), ("bob", "dog"), ("cy", None))]
    )
    assert (ann.ability, bob.ability, cy.ability) == pytest.approx((3 / 4, 2 / 4, 2 / 3))
    assert [(each.gold, each.gold_right, each.guesses) for each in (ann, bob, cy)] == [(1, 1, 1), (1, 0, 1), (0, 0, 0)]


def literal_expectation(said: dict[str, str], chances: dict[str, float], options: list[str]) -> dict[str, float]:
    """Bayes over every class, one by one."""
    belief = {
        truth: np.prod([chances[who] if word == truth else (1 - chances[who]) / (len(options) - 1)
                        for who, word in said.items()])
        for truth in options
    }  # fmt: skip
    return {who: belief[word] / sum(belief.values()) for who, word in said.items()}


def test_it_settles_where_dawid_and_skene_do():
    options = ["cat", "dog", "owl", "bus"]
    said = [
        {"ann": "cat", "bob": "cat", "cy": "dog"},
        {"ann": "owl", "bob": "owl", "cy": "owl"},
        {"ann": "bus", "bob": "dog", "cy": "cat"},
        {"ann": "dog", "bob": "dog"},
    ]
    answers = [answer(number, who, word) for number, each in enumerate(said) for who, word in each.items()]
    found = {each.player: each.ability for each in reliability(answers)}
    expected = [literal_expectation(each, found, options) for each in said]
    for who, ability in found.items():
        hits = [each[who] for each in expected if who in each]
        assert ability == pytest.approx((2 + sum(hits)) / (3 + len(hits)), abs=1e-6)


def test_known_abilities_are_found_again():
    chance = np.random.default_rng(0)
    abilities = {"a": 0.95, "b": 0.85, "c": 0.7, "d": 0.5, "e": 0.25}
    classes = ["cat", "dog", "owl", "bus"]
    answers = []
    for number in range(400):
        truth = int(chance.integers(4))
        for who, ability in abilities.items():
            right = chance.random() < ability
            said = truth if right else (truth + int(chance.integers(1, 4))) % 4
            answers.append(answer(number, who, classes[said], true_class=classes[truth]))
    found = {each.player: each.ability for each in reliability(answers)}
    assert all(abs(found[who] - ability) < 0.06 for who, ability in abilities.items())


def test_what_all_see_counts_even_if_it_is_not_the_true_class():
    """A cluster may show grass alone."""
    answers = [answer(number, who, "dog") for number in range(10) for who in ("ann", "bob", "cy")]
    assert min(each.ability for each in reliability(answers)) > 0.9


def test_words_are_shared_within_a_round_whatever_case_and_spaces():
    found = reliability(
        [
            answer(1, "ann", labels=("Pointed  ears", "fur")),
            answer(1, "bob", labels=("pointed ears",)),
            answer(2, "ann", labels=("tail",)),
            answer(2, "bob", labels=("moon", "tail")),
            answer(3, "cy", labels=("tail",)),
        ],
    )
    shared = {each.player: each.shared_words for each in found}
    assert shared == {"ann": pytest.approx(2 / 3), "bob": pytest.approx(2 / 3), "cy": None}


def test_nobody_said_anything():
    assert reliability([]) == []

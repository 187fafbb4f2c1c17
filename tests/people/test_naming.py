"""Words on which people agree, among careless and hostile players."""

from __future__ import annotations

import numpy as np
import pytest

from seewhy.people.naming import Said, agreed, next_thing, reliability
from seewhy.people.simulate import _RUDE, CONCEPTS, kinds_of_players, misspelt
from seewhy.words import Phrase, find_labels


def test_a_word_stands_once_two_agree_and_nobody_counts_twice():
    assert agreed([Said("a", "ann", "fur"), Said("a", "ann", "fur")]) == {}
    assert agreed([Said("a", "ann", "fur"), Said("a", "bob", "ear")]) == {}
    (found,) = agreed([Said("a", "ann", "fur"), Said("a", "bob", "fur"), Said("a", "cyd", None)]).values()
    assert (found.label, found.people, found.asked) == ("fur", 2, 3)


def test_reliability_by_hand():
    said = [Said("a", "ann", "fur"), Said("a", "bob", "fur"), Said("a", "cyd", "x"), Said("b", "ann", "ear")]
    said += [Said("b", "cyd", "x"), Said("c", "ann", "eye")]
    # Nobody but ann was asked about c, so that it says nothing of her.
    assert reliability(said) == pytest.approx({"ann": 2 / 4, "bob": 2 / 3, "cyd": 1 / 4})


def test_two_who_are_heard_elsewhere_outweigh_two_who_are_not():
    said = [Said(str(n), player, str(n)) for n in range(6) for player in ("ann", "bob")]
    said += [Said(str(n), player, "x" + player) for n in range(6) for player in ("cyd", "dan")]
    said += [Said("z", "ann", "tail"), Said("z", "bob", "tail"), Said("z", "cyd", "zzz"), Said("z", "dan", "zzz")]
    assert agreed(said)["z"].label == "tail"


def test_what_few_were_asked_comes_first_and_nothing_twice():
    things = [str(number) for number in range(12)]
    said = [Said("3", f"p{number}", None) for number in range(5)]
    order: list[str] = []
    while (thing := next_thing(things, said, "ann")) is not None:
        order.append(thing)
        said.append(Said(thing, "ann", None))
    assert sorted(order) == sorted(things)
    assert order[-1] == "3"
    assert next_thing(things, [], "ann") != next_thing(things, [], "eve")


@pytest.mark.parametrize("seed", range(3))
def test_the_right_word_is_first_among_careless_and_hostile_players(seed):
    """24 concepts, ten players who see all: 70 % know the words, 20 % type any, 10 % mean harm."""
    said = played(seed)
    vocabulary = find_labels(Phrase(text, "") for *_, text in said)
    found = agreed([Said(thing, player, vocabulary.name_of(Phrase(text, ""))) for thing, player, text in said])
    typed = {thing: {text for other, _, text in said if other == thing} for thing in CONCEPTS}
    right = [thing in found and found[thing].label in CONCEPTS[thing] for thing in CONCEPTS]
    assert np.mean(right) >= 0.95
    for thing, each in found.items():  # no word stands that nobody typed for it
        forms = {vocabulary.name_of(Phrase(text, "")) for text in typed[thing]}
        assert each.label in forms


def played(seed: int) -> list[tuple[str, str, str]]:
    chance = np.random.default_rng(seed)
    said: list[tuple[str, str, str]] = []
    for number, kind in enumerate(kinds_of_players(10, 0.2, 0.1)):
        for thing, words in CONCEPTS.items():
            other = list(CONCEPTS)[chance.integers(len(CONCEPTS))]
            known = {"honest": words, "careless": CONCEPTS[other], "hostile": _RUDE}[kind]
            word = known[chance.integers(len(known))]
            said.append((thing, f"{kind} {number}", misspelt(word, chance) if chance.random() < 0.1 else word))
    return said

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from seewhy.words import Phrase, find_labels, group_by_distance, group_by_silhouette
from seewhy.words.vocabulary import EMPTY, OFFENSIVE, TOO_LONG, is_english
from words.phrases import FIXED, HELD_OUT, flat


def apart(texts):
    """Every text a point of its own, at right angles with all others."""
    return np.eye(64, dtype=np.float32)[[sum(map(ord, text)) % 64 for text in texts]]


def names(phrases: list[Phrase], **how: object) -> list[str | None]:
    found = find_labels(phrases, **how)
    return [found.name_of(phrase) for phrase in phrases]


@pytest.mark.parametrize("phrases", [FIXED, HELD_OUT], ids=["fixed", "held out"])
@pytest.mark.parametrize("group", [group_by_distance, group_by_silhouette], ids=["threshold", "classic"])
def test_phrases_fall_into_the_groups_that_people_see(phrases, group):
    asked = [Phrase(text, about) for about in phrases for text in flat(phrases[about])[0]]
    truth = [f"{about}: {part}" for about in phrases for part in flat(phrases[about])[1]]
    named = zip(asked, names(asked, group=group), strict=True)
    found = [f"{phrase.about}: {name}" for phrase, name in named]
    assert adjusted_rand_score(truth, found) >= 0.85


def test_sixty_phrases():
    assert sum(len(flat(groups)[0]) for groups in FIXED.values()) == 60


def test_labels_count_what_was_said_and_are_in_that_order():
    said = ["ears", "Ears!", "ears", "wet nose", "golden retriever", "shit"]
    found = find_labels([Phrase(text, "golden retriever") for text in said], encode=apart)
    assert [(label.name, label.count, label.phrases) for label in found.labels] == [
        ("ears", 3, (("ears", 2), ("Ears!", 1))),
        ("wet nose", 1, (("wet nose", 1),)),
    ]
    assert found.dropped == {EMPTY: 1, OFFENSIVE: 1}
    assert found.name_of(Phrase("Ears!", "golden retriever")) == "ears"
    assert found.name_of(Phrase("shit", "golden retriever")) is None
    assert found.name_of(Phrase("ears", "tabby")) is None


def test_without_a_grouping_only_forms_of_the_same_words_are_one_label():
    parts = ("paw", "fur", "neck", "forehead", "nose", "mouth", "back", "front", "side", "rear light", "headlight")
    said = [Phrase(text, "tabby") for text in (*parts, "rear lights", "ear", "ears", "ears")]
    assert names(said) == [*parts[:9], "rear light", "headlight", "rear light", "ears", "ears", "ears"]


def test_a_class_is_dropped_from_its_own_phrases_under_each_of_its_names():
    assert names([Phrase("tabby", "dog"), Phrase("tabby", "tabby")], encode=apart) == ["tabby", None]
    found = find_labels([Phrase("grey tiger cat", "tabby")], {"tabby": ["tiger cat"]}, encode=apart)
    assert [label.name for label in found.labels] == ["grey"]


def test_words_of_the_class_name_and_single_letters_name_nothing_that_others_can():
    phrases = [Phrase(text, "tiger cat") for text in ("tiger's fur", "<b>x</b>", "cat ears", "tiger", "x")]
    assert names(phrases, encode=apart) == ["fur", None, "ears", "tiger", None]


def test_a_word_has_one_form_in_all_classes():
    phrases = [Phrase("ears", "dog")] * 3 + [Phrase("ear", "cat")]
    assert set(names(phrases, encode=apart)) == {"ears"}


def test_a_misspelt_class_goes_too():
    assert names([Phrase("golden retreiver ear", "golden retriever")], encode=apart) == ["ear"]


def test_other_languages_are_kept_apart():
    italian = [Phrase(text, "bus", "it") for text in ("Ruota!", "ruota", "bus")]
    assert names([*italian, Phrase("ruota", "bus")], encode=apart)[:3] == ["ruota (it)", "ruota (it)", None]
    assert find_labels(italian).labels[0].count == 2


def test_english_of_any_country():
    tags = ("en", "en-GB", "EN", "enm", "it", "")
    assert [is_english(tag) for tag in tags] == [True, True, True, False, False, False]


def test_text_of_any_kind_is_understood_or_dropped():
    texts = ["\0", "\U0001f436" * 2500, "x" * 81, "=1+1", "<script>", "\u202e", "", "عجلة", "12"]
    found = find_labels([Phrase(text, "bus") for text in texts], encode=apart)
    assert found.dropped[TOO_LONG] == 2
    assert sum(found.dropped.values()) + sum(label.count for label in found.labels) == len(texts)
    assert all(label.name.isprintable() and "<" not in label.name for label in found.labels)


def test_nothing_said():
    found = find_labels([])
    assert (found.labels, found.dropped) == ((), {})

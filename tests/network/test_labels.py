from __future__ import annotations

import numpy as np
import pytest

from seewhy.models import Grid
from seewhy.network.labels import (
    ClusterWords,
    Lexicon,
    ScoredLabel,
    fates,
    label_score,
    phrases_of,
    scores_of,
    unite,
    words_of,
)
from seewhy.network.view import Cluster, LayerView
from seewhy.people.records import Answer
from seewhy.words import Label, Phrase, Vocabulary


def answer(player: str, guess: str | None, *labels: str, stage: int = 0, cluster: int = 0, simulated=False) -> Answer:
    return Answer(1, player, "a.jpg", "0" * 64, "layer", cluster, "dog", guess, stage, labels, simulated=simulated)


def vocabulary(**names: str) -> Vocabulary:
    """Each text a label of this name, said of a dog and of a cat."""
    labels = [Label(name, about, "en", ((text, 1),)) for text, name in names.items() for about in ("dog", "cat")]
    return Vocabulary(tuple(labels), {})


PLAIN = vocabulary(ear="ear", ears="ear", paw="paw", tail="tail")


@pytest.mark.parametrize(
    ("count", "stage", "right", "score"), [(1, 0, True, 1), (4, 5, True, 2), (4, 2.5, False, 0.75), (0, 3, True, 0)]
)
def test_a_score_by_hand(count, stage, right, score):
    assert label_score(count, stage, right=right) == pytest.approx(score)


def test_words_of_a_cluster_by_hand():
    given = [
        answer("ann", "dog", "ear", "ears", stage=0),  # the same twice is once
        answer("bob", "dog", "ear", stage=3),
        answer("cyd", "cat", "paw", stage=1),
        answer("dan", None, stage=5),
        answer("eve", None, stage=2),  # who resigns has seen all
        answer("fay", "dog", "tail", stage=0, cluster=1),
    ]
    found = words_of(given, PLAIN)
    assert set(found) == {("layer", 0), ("layer", 1)}
    words = found["layer", 0]
    assert [(each.name, each.count, each.mean_stage, each.right) for each in words.labels] == [
        ("ear", 2, 1.5, True),
        ("paw", 1, 1, False),
    ]
    assert [each.score for each in words.labels] == pytest.approx([2 * 0.85, 0.9 / 4])
    assert (words.won, words.lost, words.resigned) == (2, 1, 2)
    assert words.mean_stage == pytest.approx((0 + 3 + 1 + 5 + 5) / 5)
    assert words.best == ("ear",)
    assert not words.simulated


def test_trust_decides_where_players_disagree():
    given = [answer("ann", "dog", "tail"), answer("mal", "dog", "ear")]
    assert words_of(given, PLAIN)["layer", 0].best == ("ear", "tail")
    trusted = words_of(given, PLAIN, {"ann": 0.9, "mal": 0.3})["layer", 0]
    assert trusted.best == ("tail",)
    assert [each.score for each in trusted.labels] == pytest.approx([0.9, 0.3])
    assert [each.count for each in trusted.labels] == [1, 1]


def test_of_equals_the_label_that_is_said_more_elsewhere():
    known = Vocabulary((Label("ear", "dog", "en", (("ear", 1),)), Label("tail", "dog", "en", (("tail", 9),))), {})
    words = words_of([answer("ann", "dog", "ear", "tail")], known)["layer", 0]
    assert [each.name for each in words.labels] == ["tail", "ear"]


def test_what_was_dropped_is_no_label_and_simulated_players_show():
    words = words_of([answer("bot", "dog", "rubbish", simulated=True)], PLAIN)["layer", 0]
    assert words.labels == ()
    assert words.best == ()
    assert words.simulated


def test_phrases_are_about_the_guess():
    given = [answer("ann", "cat", "ear", "paw"), answer("bob", None)]
    assert phrases_of(given) == [Phrase("ear", "cat"), Phrase("paw", "cat")]


def test_a_picture_shows_what_comes_near_the_best():
    said = {("layer", 0): words(("ear", 2.0), ("paw", 1.0), ("tail", 0.9)), ("layer", 1): words()}
    assert scores_of(said) == {("layer", 0): (("ear", 2.0), ("paw", 1.0)), ("layer", 1): ()}


def test_what_one_player_alone_said_is_on_no_picture():
    said = words_of(
        [answer("ann", "dog", "ear"), answer("bob", "dog", "paw", "paws")], vocabulary(ear="ear", paw="paw")
    )
    assert scores_of(said) == {("layer", 0): ()}
    assert scores_of(words_of([answer(who, "dog", "ear") for who in ("ann", "bob")], PLAIN)) == {
        ("layer", 0): (("ear", 2.0),)
    }


def test_what_no_person_said_is_marked_on_every_label():
    said = words_of([answer(who, "dog", "ear", "paw", simulated=True) for who in ("bot", "bit")], PLAIN)
    assert [label for label, _ in scores_of(said)["layer", 0]] == ["ear (simulated)", "paw (simulated)"]


def words(*labels: tuple[str, float], count=2, won=1, lost=0, resigned=0, stage=0.0) -> ClusterWords:
    scored = tuple(ScoredLabel(name, score, count, stage, right=True) for name, score in labels)
    return ClusterWords(scored, won, lost, resigned, stage, simulated=False)


def layer(*weights: float) -> LayerView:
    clusters = tuple(
        Cluster(index, weight, (2 * index, 2 * index + 1), np.full((2, 2), index, np.float32))
        for index, weight in enumerate(weights)
    )
    return LayerView("layer", Grid("channels first", 16, 2, 2), 100.0, clusters)


def test_clusters_that_share_a_best_label_become_one_and_pass_it_on():
    said = {
        ("layer", 0): words(("ear", 1), ("paw", 1)),
        ("layer", 1): words(("tail", 1)),
        ("layer", 2): words(("paw", 2), ("eye", 2)),
        ("layer", 3): words(("eye", 1), ("tail", 0.5)),
    }
    found = unite(layer(30, 20, 10, 5), said)
    assert [each.clusters for each in found] == [(0, 2, 3), (1,)]
    assert found[0].weight == 45
    assert found[0].maps == (0, 1, 4, 5, 6, 7)
    assert found[0].map == pytest.approx(np.full((2, 2), (10 * 2 + 5 * 3) / 45), rel=1e-6)
    assert found[1].clusters == (1,)


def test_scores_of_united_clusters_are_means_by_weight():
    said = {
        ("layer", 0): words(("ear", 4), ("paw", 2), won=2, lost=1, stage=1),
        ("layer", 1): words(("ear", 1), ("tail", 0.5), won=1, resigned=4, stage=4),
    }
    (one,) = unite(layer(30, 10), said)
    assert [(each.name, each.score, each.count) for each in one.words.labels] == [
        ("ear", pytest.approx(0.75 * 4 + 0.25), 4),
        ("paw", pytest.approx(0.75 * 2), 2),
        ("tail", pytest.approx(0.125), 2),
    ]
    assert (one.words.won, one.words.lost, one.words.resigned) == (3, 1, 4)
    assert one.words.mean_stage == pytest.approx((3 * 1 + 5 * 4) / 8)


def test_a_cluster_that_nobody_played_is_left_out_and_one_without_labels_stays_alone():
    said = {("layer", 0): words(), ("layer", 2): words()}
    assert [each.clusters for each in unite(layer(5, 3, 2), said)] == [(0,), (2,)]
    assert unite(layer(5, 3), {}) == ()


def test_what_has_become_of_ones_words():
    """Words of two stand, words of one do not, and what is no word has no label; other groups do not count."""
    given = (
        answer("ann", "dog", "pointed ears", "ears", "dog"),
        answer("bob", "dog", "ear"),
        answer("cyd", "dog", "pointed ears", cluster=1),
        answer("ann", None, cluster=2),
    )
    names = vocabulary(**{"pointed ears": "pointed ears", "ears": "ear", "ear": "ear"})
    found = fates(Lexicon(given, names, {}, simulated=False), "ann")
    assert [(each.text, each.label, each.people, each.stands) for each in found] == [
        ("pointed ears", "pointed ears", 1, False),
        ("ears", "ear", 2, True),
        ("dog", None, 0, False),
    ]

"""From what was typed in the store to words on a picture and a class in words."""

from __future__ import annotations

import sys

import pytest

import planted
from people.samples import new_round
from seewhy.errors import UsageError
from seewhy.network.concepts import GlobalView, LayerConcepts
from seewhy.network.labels import lexicon, naming_of, words_of
from seewhy.network.tcav import ConceptTest
from seewhy.network.view import look
from seewhy.people.game import guess, next_round
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds
from seewhy.people.simulate import CONCEPTS, concepts_of_rounds, simulate
from seewhy.people.store import open_store
from seewhy.verbs.network import GlobalResult, concept_tests, global_view
from seewhy.verbs.people import make_rounds

HOSTILE_TEXT = "<script>alert(1)</script> wheel"


@pytest.fixture(scope="module")
def classifier():
    return planted.classifier()


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    planted.picture().to_pil().save(folder / "red.png")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SEEWHY_DATABASE_URL", raising=False)
    return tmp_path / "home"


def play(store, player: str, *labels: str, choice: str = "red") -> None:
    """Every round that is open to this player."""
    join(store, player)
    while view := next_round(store, player):
        guess(store, player, view.round, choice, labels, key=f"round {view.round}")


@pytest.mark.parametrize("rounds", [8, pytest.param(20, marks=pytest.mark.heavy)])
def test_the_word_that_simulated_players_know_comes_first(tmp_path, rounds):
    """With 20 % careless and 10 % hostile players among them, for nine clusters of ten at least."""
    with open_store(f"sqlite:///{tmp_path / 'people.sqlite'}") as store:
        clusters = ((number, cluster) for number in range(rounds) for cluster in range(4))
        add_rounds(store, (new_round(*each, simulated=True) for each in clusters))
        simulate(store, players=20, careless=0.2, hostile=0.1, seed=3)
        concepts = concepts_of_rounds(store, 3)
        known = lexicon(store, simulated=True)
    right = 0
    for number, concept in concepts.items():
        played = [each for each in known.answers if each.round == number]
        (words,) = words_of(played, known.vocabulary, known.trust).values()
        assert words.simulated
        right += bool(words.labels) and words.labels[0].name in CONCEPTS[concept]
    assert len(concepts) == 4 * rounds
    assert right / len(concepts) >= 0.9


def test_words_reach_the_picture_of_their_model_and_class_alone(home, classifier, photos):
    assert naming_of(classifier) is None
    assert not home.exists()  # who only looks makes no store
    with open_store() as store:
        make_rounds(classifier, [photos / "red.png"], store, overlap=2, layers=("second",))
        play(store, "ann", "Wheel!", HOSTILE_TEXT)
        play(store, "bob", "wheels")
    naming = naming_of(classifier)
    assert naming is not None
    view = look(classifier, planted.picture(), "red", layers=["second"], checked=False)
    words, about = naming(view)
    assert words
    assert {labels[0][0] for labels in words.values()} <= {"wheel", "wheels"}
    assert "people played" in about
    assert naming(look(classifier, planted.picture(), "green", layers=["second"], checked=False)) == ({}, "")
    # Weighed or grouped otherwise, its clusters are not those that people saw.
    assert naming(look(classifier, planted.picture(), "red", layers=["second"], signed=True, checked=False))[0] == {}


def test_simulated_words_are_told_from_peoples(home, classifier, photos):
    with open_store() as store:
        make_rounds(classifier, [photos / "red.png"], store, simulated=True, layers=("second",))
        simulate(store, players=4, seed=1)
        assert lexicon(store, classifier).answers == ()
    naming = naming_of(classifier)
    assert naming is not None
    _, about = naming(look(classifier, planted.picture(), "red", layers=["second"], checked=False))
    assert "simulated" in about
    assert "no person" in about


def test_a_class_in_words(home, classifier, photos, tmp_path):
    (photos / "broken.png").write_bytes(b"no picture")
    paths = sorted(photos.iterdir())
    with open_store() as store:
        make_rounds(classifier, paths, store, overlap=1)
        with pytest.raises(UsageError, match="said anything yet about these pictures seen as"):
            global_view(classifier, paths, [0], lexicon(store, classifier))
        play(store, "ann", HOSTILE_TEXT)
        known = lexicon(store, classifier)
    found, failures = global_view(classifier, paths, [0, 1], known)
    assert found.pictures == 1
    assert len(failures) == 1
    assert {each.name for layer in found.layers for each in layer.concepts} == {"script alert script wheel"}
    assert any(layer.concepts for layer in found.layers)
    folder = GlobalResult("red <b>", found, classifier.name, failures).save(tmp_path / "out")
    page = (folder / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "red &lt;b&gt;" in page
    assert (tmp_path / "out" / "global.json").exists()
    assert concept_tests(classifier, [], None, found) == []


def test_concepts_and_layers_are_questions_asked_at_once(classifier, monkeypatch, tmp_path):
    """Four p-values are corrected together, and random sets are enough for one of four to be found."""
    p_values, drawn = iter([0.001, 0.04, 0.9, 0.9]), []

    def tested(*_, layers=("one", "two"), sets, **__):
        drawn.append(sets)
        return [ConceptTest(layer, 1.0, 0.5, (0.0,), next(p_values), 0.9, 3) for layer in layers]

    home = sys.modules["seewhy.verbs.network"]
    monkeypatch.setattr(home, "tcav", tested)
    for name in ("red", "green", "others"):
        (tmp_path / name).mkdir()
        planted.picture().to_pil().save(tmp_path / name / "a.png")
    view = GlobalView((LayerConcepts("one", (), 0), LayerConcepts("two", (), 0)), (), (), simulated=False)
    found = concept_tests(classifier, [tmp_path / "red", tmp_path / "green"], tmp_path / "others", view)
    assert [(name, test.layer, round(test.p, 9)) for name, test in found] == [
        ("red", "one", 0.004), ("red", "two", 0.12), ("green", "one", 1.0), ("green", "two", 1.0)
    ]  # fmt: skip
    assert min(drawn) * 0.05 > 4, "p of one question alone can fall below a fourth of 0.05"

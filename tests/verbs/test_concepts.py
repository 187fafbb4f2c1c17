from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from sklearn.metrics import roc_auc_score

import glyphs as squares
import planted_glyphs as glyphs
from seewhy.errors import BadFile, UnknownName, UsageError
from seewhy.images import Image, open_image
from seewhy.models import Categories, Classifier, Preprocessing
from seewhy.network.parts import LayerParts
from seewhy.verbs.concepts import (
    BuiltConcepts,
    ConceptsResult,
    build_concepts,
    explain_concepts,
    name_concept,
    open_concepts,
    propose_words,
    to_name,
)

COUNT, ASKED = 100, 60


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return glyphs.classifier()


def written(folder: Path, count: int, seed: int) -> tuple[list[Path], np.ndarray]:
    pixels, labels = glyphs.pictures(count, seed)
    folder.mkdir()
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path, each in zip(paths, pixels, strict=True):
        Pillow.fromarray(each).save(path)
    return paths, labels


@pytest.fixture(scope="module")
def built(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> BuiltConcepts:
    paths, _ = written(tmp_path_factory.mktemp("glyphs") / "photos", COUNT, 5)
    return build_concepts(classifier, paths, layers=["last"], concepts=6)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], np.ndarray]:
    return written(tmp_path_factory.mktemp("asked") / "photos", ASKED, 6)


@pytest.fixture(scope="module")
def explained(classifier: Classifier, built: BuiltConcepts, asked: tuple[list[Path], np.ndarray]) -> ConceptsResult:
    return explain_concepts(classifier, asked[0], built.book)


def presence(result: ConceptsResult, keys: list[str]) -> np.ndarray:
    """The peak of each concept in each photo."""
    found = [{part.key: part.map.max() for part in photo.layers[0].parts} for photo in result.found]
    return np.array([[each.get(key, 0.0) for key in keys] for each in found])


def owners(result: ConceptsResult, keys: list[str], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How well each concept says that each glyph is there, glyph by concept; and whose each concept is."""
    seen = presence(result, keys)
    there = np.array([[number in glyphs.CLASSES[label] for number in range(6)] for label in labels])
    table = np.array([[roc_auc_score(there[:, one], each) for each in seen.T] for one in range(6)])
    return table, table.argmax(0)


def test_every_glyph_is_found_and_the_two_of_a_class_lead(built, explained, asked):
    keys = [each.key for each in built.book.layers[0].concepts]
    table, own = owners(explained, keys, asked[1])
    assert table.max(1).min() >= 0.9
    led = [
        {own[keys.index(part.key)] for part in photo.layers[0].parts[:2]} == set(glyphs.CLASSES[label])
        for photo, label in zip(explained.found, asked[1], strict=True)
    ]
    assert np.mean(led) >= 0.95
    assert min(each.stability for each in built.book.layers[0].concepts) >= 0.8
    assert built.book.verdict is None


def test_a_concept_is_found_where_its_glyph_is(built, explained, asked):
    """So a word that people give to it stands on the right photos."""
    keys = [each.key for each in built.book.layers[0].concepts]
    _, own = owners(explained, keys, asked[1])
    said = [
        (own[keys.index(part.key)] in glyphs.CLASSES[label], part.here)
        for photo, label in zip(explained.found, asked[1], strict=True)
        for part in photo.layers[0].parts
    ]
    assert np.mean([there for there, here in said if here]) >= 0.9
    assert np.mean([here for there, here in said if there]) >= 0.9


def test_a_photo_passes_through_the_whole_network_once(classifier, built, asked):
    passed: list[int] = []
    handle = classifier.module.one[0].register_forward_hook(lambda _part, args, _output: passed.append(len(args[0])))
    try:
        explain_concepts(classifier, asked[0][:2], built.book)
    finally:
        handle.remove()
    assert passed == [1, 1]


def test_parts_and_rest_are_the_score_and_the_head_makes_them_exact(classifier, explained, asked):
    with torch.no_grad():
        scores = classifier.logits(_inputs(classifier, asked[0]))
    for photo, row in zip(explained.found, scores, strict=True):
        (layer,) = photo.layers
        total = sum(part.added for part in layer.parts) + layer.together + layer.rest
        assert total == pytest.approx(float(row[photo.target.index]), rel=1e-4)
        assert abs(layer.together) < 1e-4 * abs(layer.score)


def _inputs(classifier: Classifier, paths: list[Path]) -> torch.Tensor:
    return classifier.preprocess([open_image(path) for path in paths])


def test_a_part_is_its_weight_in_the_head(classifier, built, explained):
    """Mean amount × ⟨concept, weights of the class⟩: by hand what the engine measures."""
    weights = classifier.module.head.weight.detach()
    vectors = dict(zip([each.key for each in built.book.layers[0].concepts], built.book.layers[0].vectors, strict=True))
    for photo in explained.found[:5]:
        for part in photo.layers[0].parts:
            expected = float(part.map.mean() * (vectors[part.key] @ weights[photo.target.index]))
            assert part.added == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_a_network_that_tells_nothing_apart_has_no_stable_concepts(tmp_path):
    paths, _ = written(tmp_path / "photos", 24, 7)
    found = build_concepts(glyphs.classifier(trained=False), paths, layers=["last"], concepts=6)
    assert found.book.verdict is not None
    assert found.book.verdict.startswith("not stable")
    assert "Do not rely" in found.page()


def test_a_folder_is_known_by_its_hashes(classifier, built, tmp_path):
    folder = built.save(tmp_path / "book")
    again = open_concepts(folder, classifier)
    assert torch.equal(again.layers[0].vectors, built.book.layers[0].vectors)
    one, other = built.book.layers[0].concepts[0], again.layers[0].concepts[0]
    assert (one.key, one.stability, one.share, one.importance) == (
        other.key,
        other.stability,
        other.share,
        other.importance,
    )
    assert np.array_equal(one.examples[0].pixels, other.examples[0].pixels)
    assert (folder / "report.html").read_text("utf-8").count("<figure>") == 6
    with pytest.raises(UsageError, match="other weights"):
        open_concepts(folder, glyphs.classifier(trained=False))
    crop = folder / "examples" / "0-0-0.png"
    crop.write_bytes(crop.read_bytes()[:-1] + b"x")
    with pytest.raises(BadFile, match="build it again"):
        open_concepts(folder, classifier)
    built.save(folder)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["layers"][0]["concepts"].pop()
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(BadFile, match="does not hold the concepts"):
        open_concepts(folder, classifier)


def test_words_stand_once_two_agree_and_go_with_the_concepts(classifier, built, asked, tmp_path):
    folder = built.save(tmp_path / "book")
    name_concept(folder, "0-0", "Crosses", "ann")
    assert open_concepts(folder).words == {}
    name_concept(folder, "0-0", "wheel", "ann")  # she thought again
    name_concept(folder, "0-0", "cross", "bob")
    assert open_concepts(folder).words == {}
    name_concept(folder, "0-0", "crosses", "cyd")
    name_concept(folder, "0-1", "bars", "cyd")
    book = open_concepts(folder, classifier)
    assert {key: each.told.partition(" ")[2] for key, each in book.words.items()} == {"0-0": "(2 of 3 people)"}
    assert book.words["0-0"].text in {"cross", "crosses"}
    result = explain_concepts(classifier, asked[0][:12], book)
    bearing = [row["concept"] for row in result.rows() if row["concept"] == book.words["0-0"].text]
    there = sum(any(part.key == "0-0" for part in photo.layers[0].found) for photo in result.found)
    assert len(bearing) == there > 0
    assert "2 of 3 people" in result.page()
    told = f'<strong>{book.words["0-0"].text}</strong> <span class="faint">2 of 3 people</span>'
    assert told in BuiltConcepts(book).page()
    with pytest.raises(UnknownName, match="no concept '9-9'"):
        name_concept(folder, "9-9", "cross", "ann")
    with pytest.raises(UsageError, match="a name is a word"):
        name_concept(folder, "0-0", "cross", " ")
    name_concept(folder, "0-0", "", "dan")  # he passes
    assert (open_concepts(folder).words["0-0"].people, open_concepts(folder).words["0-0"].asked) == (2, 4)


def test_words_of_other_concepts_do_not_stay(built, classifier, tmp_path):
    folder = built.save(tmp_path / "book")
    for player in ("ann", "bob"):
        name_concept(folder, "0-0", "cross", player)
    assert open_concepts(folder).words
    paths, _ = written(tmp_path / "photos", 24, 9)
    build_concepts(classifier, paths, layers=["last"], concepts=4, seed=1).save(folder)
    assert open_concepts(folder).words == {}


def test_what_cannot_be_asked_is_refused(classifier, built, tmp_path):
    paths, _ = written(tmp_path / "photos", 4, 9)
    with pytest.raises(UsageError, match="give 8 photos at least, not 4"):
        build_concepts(classifier, paths)
    (tmp_path / "no.png").write_bytes(b"no picture")
    found = explain_concepts(classifier, [paths[0], tmp_path / "no.png"], built.book)
    assert (len(found.found), len(found.failures)) == (1, 1)
    with pytest.raises(UsageError, match="other weights"):
        explain_concepts(glyphs.classifier(trained=False), paths, built.book)


def test_players_are_shown_every_concept_once_and_many_may_speak_at_a_time(built, tmp_path):
    folder = built.save(tmp_path / "book")
    keys = [each.key for each in built.book.layers[0].concepts]
    seen: list[str] = []
    while (concept := to_name(folder, "ann").concept) is not None:
        assert concept.examples
        assert (to_name(folder, "ann").seen, to_name(folder, "ann").concepts) == (len(seen), len(keys))
        seen.append(concept.key)
        name_concept(folder, concept.key, "cross", "ann")
    assert sorted(seen) == sorted(keys)
    assert to_name(folder, "ann").seen == len(keys)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: name_concept(folder, keys[0], "cross", f"player {number}"), range(24)))
    assert open_concepts(folder).words[keys[0]].people == 25
    with (folder / "names.jsonl").open("a") as file:
        file.write('{"concept": 1}\n')
    with pytest.raises(BadFile, match="name the concepts again"):
        open_concepts(folder)


def test_names_that_look_alike_are_one_person(built, tmp_path):
    folder = built.save(tmp_path / "book")
    key = built.book.layers[0].concepts[0].key
    for name in ("Anna", "anna", " \u0410nna "):
        name_concept(folder, key, "cross", name)
    assert open_concepts(folder).words == {}
    assert [each.text for each in to_name(folder, "ANNA").said] == ["cross"]
    name_concept(folder, key, "cross", "bob")
    assert open_concepts(folder).words[key].givers.startswith("2 of 2")
    for blank in ("", "  "):
        with pytest.raises(UsageError, match="--player NAME"):
            to_name(folder, blank)


def test_what_goes_only_together_is_said_and_else_that_nothing_does(built, explained):
    photo = explained.found[0]
    (layer,) = photo.layers
    told = "Taken out together, these concepts take here what they take one by one."
    assert told in explained.page()  # the head is affine

    def page(changed: LayerParts) -> str:
        return replace(explained, found=[replace(photo, layers=(changed,))]).page()

    hangs = page(replace(layer, together=0.1 * layer.score, rest=layer.rest - 0.1 * layer.score))
    assert told not in hangs
    assert "what changes only when several go together" in hangs
    assert told not in page(replace(layer, parts=layer.parts[:1]))  # of one there is no together


def test_a_player_is_told_what_has_become_of_their_words(built, tmp_path):
    folder = built.save(tmp_path / "book")
    one, other, third = [each.key for each in built.book.layers[0].concepts][:3]
    for key, word, player in (
        (one, "crosses", "ann"),
        (other, "bars", "ann"),
        (third, "", "ann"),
        (one, "cross", "bob"),
        (other, "stripes", "bob"),
        (other, "stripe", "cyd"),
    ):
        name_concept(folder, key, word, player)
    assert [astuple(each) for each in to_name(folder, "ann").said] == [
        (one, "crosses", 2, True),
        (other, "bars", 1, False),
    ]
    assert [(each.people, each.stands) for each in to_name(folder, "bob").said] == [(2, True), (2, True)]
    assert list(to_name(folder, "dan").said) == []


def test_what_a_model_proposes_is_marked_and_people_decide(classifier, built, asked, tmp_path):
    """A stand-in for CLIP: a classifier whose classes are words, and which likes bright pictures."""
    folder = built.save(tmp_path / "book")
    keys = [each.key for each in built.book.layers[0].concepts]
    book = propose_words(folder, namer())
    assert book.words == {}
    assert set(book.proposals) == set(keys)
    assert set(book.proposals[keys[0]].words) == {"cross", "bars", "noise"}
    expected = (
        namer()
        .probabilities([Image(each.pixels, each.photo) for each in built.book.layers[0].concepts[0].examples])
        .mean(0)
    )
    assert book.proposals[keys[0]].words[0] == ("cross", "bars", "noise")[int(expected.argmax())]
    page = explain_concepts(classifier, asked[0][:4], book).page()
    assert "proposed by words, said by nobody" in page
    assert f"<strong>{book.proposals[keys[0]].words[0]}" not in page
    first = book.proposals[keys[0]].words[0]
    with pytest.raises(UsageError, match="nothing like 'wheel' is proposed"):
        name_concept(folder, keys[0], "wheel", "ann", refused=True)
    name_concept(folder, keys[0], first.upper(), "ann", refused=True)
    assert first in open_concepts(folder).proposals[keys[0]].words
    name_concept(folder, keys[0], first, "bob", refused=True)
    assert first not in open_concepts(folder).proposals[keys[0]].words
    assert open_concepts(folder).words == {}
    for player in ("ann", "bob"):
        name_concept(folder, keys[1], "bars", player)
    again = open_concepts(folder)
    assert again.words[keys[1]].text in {"bar", "bars"}
    assert BuiltConcepts(again).page().count("proposed by words") == len(keys) - 1
    with pytest.raises(UsageError, match="gives values, not words"):
        propose_words(folder, squares.values())


def namer() -> Classifier:
    class Words(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.mean((2, 3)))

    with torch.random.fork_rng():
        torch.manual_seed(1)
        preparing = Preprocessing((16, 16), mean=(0.5,) * 3, std=(0.25,) * 3)
        return Classifier(Words().eval(), preparing, Categories(("cross", "bars", "noise")), "words")

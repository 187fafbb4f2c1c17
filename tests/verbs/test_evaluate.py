"""A classifier held against folders of known classes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import planted
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Categories, imagenet
from seewhy.train.recipe import Recipe
from seewhy.verbs.evaluate import _class_index, evaluate
from seewhy.verbs.train import train
from tints import write_tints, write_weights

CLASSIFIER = planted.classifier()  # its classes are "there is red", "green", "blue"


@pytest.fixture
def folder(tmp_path):
    return write_tints(tmp_path / "tints", red=4, green=3, blue=3)


def mislay(folder, source, target):
    (folder / source).rename(folder / target)


def test_figures_and_mistakes_by_hand(folder):
    mislay(folder, "red/00.png", "green/wrong.png")
    found = evaluate(CLASSIFIER, folder, model="colours")
    assert found.evaluation.names == ("red", "green", "blue")
    assert found.evaluation.accuracy.value == 9 / 10
    assert [(each.name, each.pictures, each.right) for each in found.evaluation.classes] == [
        ("red", 3, 3),
        ("green", 4, 3),
        ("blue", 3, 3),
    ]
    (mistake,) = found.mistakes
    assert mistake.path == "green/wrong.png"
    assert found.pictures.entries[mistake.index].path == mistake.path
    assert mistake.explanation is not None
    assert mistake.explanation.target_label == "red"
    assert mistake.explanation.method == "grad-cam"
    assert mistake.twins is not None
    assert {twin.case.label for twin in mistake.twins.twins} == {"red"}
    assert found.failures == []
    assert found.learned == 0


def test_the_surest_mistakes_come_first_and_the_others_are_counted(folder):
    for number in range(3):
        mislay(folder, f"red/0{number}.png", f"blue/wrong{number}.png")
    found = evaluate(CLASSIFIER, folder, model="colours", shown=2)
    sure = [found.evaluation.confidence[each.index] for each in found.mistakes]
    assert len(sure) == 2
    assert sure == sorted(sure, reverse=True)
    assert found.unshown == 1
    assert min(sure) >= min(found.evaluation.confidence[~found.evaluation.right])


def test_pictures_that_it_learned_from_do_not_count(tmp_path):
    write_weights(tmp_path / "weights.safetensors")
    root = write_tints(tmp_path / "tints", red=8, blue=8)
    recipe = Recipe(epochs=1, head_epochs=1, batch_size=4)
    trained = train(root, "timm:test_efficientnet", tmp_path / "out", recipe=recipe,
                    weights=tmp_path / "weights.safetensors", device="cpu")  # fmt: skip
    found = evaluate(trained.classifier, root, model=trained.model)
    kept = {entry.path for entry in trained.parts.validation.entries}
    assert {entry.path for entry in found.pictures.entries} == kept
    assert found.learned == 12
    assert found.evaluation.to_dict() == trained.evaluations["validation"].to_dict()
    for path in kept:
        (root / path).unlink()
    with pytest.raises(UsageError, match="learned from every picture"):
        evaluate(trained.classifier, root, model=trained.model)


def test_a_class_that_it_does_not_know_is_listed(folder):
    mislay(folder, "green", "mauve")
    found = evaluate(CLASSIFIER, folder, model="colours")
    assert len(found.evaluation.truth) == 7
    assert [each.source for each in found.failures] == ["mauve/00.png", "mauve/01.png", "mauve/02.png"]
    assert "no class 'mauve'" in str(found.failures[0].error)


def test_no_class_that_it_knows_is_refused(folder):
    with pytest.raises(UsageError, match="which knows tabby"):
        evaluate(replace(CLASSIFIER, given_categories=Categories(("tabby", "owl", "yak"))), folder, model="colours")


def test_what_cannot_be_opened_is_listed(folder):
    (folder / "red" / "broken.png").write_bytes(b"no picture")
    found = evaluate(CLASSIFIER, folder, model="colours")
    assert [each.source for each in found.failures] == ["red/broken.png"]
    assert len(found.evaluation.truth) == 10


def test_a_folder_may_be_called_by_any_name_of_its_class():
    names = imagenet()
    assert [_class_index(names, each) for each in ("n02123045", "n02123045_tabby", "tabby", "tiger_cat", "281")] == [
        281,
        281,
        281,
        282,
        281,
    ]
    digits = Categories(("7", "3", "0"))
    assert [_class_index(digits, each) for each in ("7", "3", "0")] == [0, 1, 2]


def test_files_say_what_was_found_and_no_spreadsheet_runs_them(folder):
    name = '=cmd,\'"quoted".png'
    mislay(folder, "red/00.png", f"red/{name}")
    found = evaluate(CLASSIFIER, folder, model="colours")
    found.save(folder.parent / "out")
    rows = list(csv.DictReader((folder.parent / "out" / "predictions.csv").open(newline="")))
    assert len(rows) == 10
    assert {row["picture"] for row in rows} >= {f"red/{name}"}
    assert {row["right"] for row in rows} == {"yes"}
    told = json.loads((folder.parent / "out" / "evaluation.json").read_text("utf-8"))
    assert told["accuracy"]["value"] == 1
    assert told["confusion"] == [[4, 0, 0], [0, 3, 0], [0, 0, 3]]


def test_without_mistakes_there_is_nothing_to_explain(folder):
    found = evaluate(CLASSIFIER, folder, model="colours")
    assert found.mistakes == []
    assert found.evaluation.accuracy.value == 1


def test_a_single_picture_will_do(tmp_path):
    (tmp_path / "one" / "red").mkdir(parents=True)
    pixels = np.full((30, 30, 3), 20, np.uint8)
    pixels[..., 2] = 220
    Image(pixels, "blue").to_pil().save(tmp_path / "one" / "red" / "a.png")
    found = evaluate(CLASSIFIER, tmp_path / "one", model="colours")
    assert found.evaluation.accuracy.value == 0
    assert found.mistakes[0].twins is None

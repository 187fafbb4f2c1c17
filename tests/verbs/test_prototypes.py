"""Prototypes from a folder to a folder: the split of the backbone, what is written, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from prototypes import backbones, squares
from seewhy.errors import BadFile, UsageError
from seewhy.images import Image
from seewhy.prototypes.learning import Recipe
from seewhy.train.parts import PICTURES, trained_rows
from seewhy.verbs.prototypes import explain_prototypes, train_prototypes_on

LITTLE = Recipe(per_class=2, size=8, copies=0, probe_steps=5, warm_steps=5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("prototypes")
    backbones.backbone_folder(backbones.picture_folder(root / "pictures"), root / "backbone")
    return root


@pytest.fixture(scope="module")
def run(place):
    return train_prototypes_on(
        place / "pictures", f"file:{place / 'backbone'}", place / "model", recipe=backbones.QUICK
    )


def test_the_run_is_written_and_opened(run, place):
    assert run.pictures == {"train": 22, "validation": 10}
    card = json.loads((place / "model" / "card.json").read_text())
    assert card["usable"] is run.model.diagnosis.usable
    assert card["training"]["recipe"]["per_class"] == 2
    (found,) = explain_prototypes(place / "model", [Image(squares.pixels("red", 7), "red")], refused=True).found
    (same,) = explain_prototypes(f"file:{place / 'model'}", [found.image], refused=True).found
    assert np.array_equal(found.maps, same.maps)


def test_what_was_found_is_written(run, place, tmp_path):
    images = [Image(squares.pixels(label, 7), "a/photo.png") for label in backbones.CLASSES]
    found = explain_prototypes(place / "model", images, refused=True)
    found.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo", "photo-2", "report.html", "result.json"]
    rows = json.loads((tmp_path / "photo" / "manifest.json").read_text())
    told = json.loads(json.dumps(found.values(found.found[0])))
    assert {key: rows[key] for key in told} == told
    assert json.loads((tmp_path / "result.json").read_text())["photos"][0] == told
    for each in rows["classes"]:
        total = each["start"] + sum(row["points"] for row in each["prototypes"])
        assert total == pytest.approx(each["score"], abs=1e-4)
    assert np.array_equal(np.load(tmp_path / "photo" / "maps.npy"), found.found[0].maps)
    assert (tmp_path / "photo" / "picture.png").stat().st_size > 1000


def test_a_run_that_had_ended_only_gives_its_results(run, place, monkeypatch):
    monkeypatch.setattr("seewhy.verbs.prototypes.train_prototypes", None)
    before = {path: path.stat().st_mtime_ns for path in run.out.rglob("*")}
    again = train_again(place)
    assert {path: path.stat().st_mtime_ns for path in run.out.rglob("*")} == before
    for kind in ("to_dict", "rows"):
        assert getattr(again, kind)() == getattr(run, kind)()
    assert (again.history, again.pictures, again.notes) == (run.history, run.pictures, run.notes)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"recipe": replace(backbones.QUICK, size=9)}, "recipe.size: was"),
        ({"seed": 1}, "seed: was 0, now 1"),
        ({"layer": "0"}, "layer: was"),
    ],
    ids=str,
)
def test_a_folder_that_holds_another_model_is_left_alone(run, place, changes, what):
    with pytest.raises(UsageError, match=r"holds a model already .*" + what):
        train_again(place, **changes)


def test_a_folder_that_holds_prototypes_of_other_pictures_is_left_alone(run, place, tmp_path):
    shutil.copytree(place / "pictures", tmp_path / "pictures")
    next((tmp_path / "pictures" / "red").iterdir()).unlink()
    with pytest.raises(UsageError, match=r"holds a model already .*other content in sha256"):
        train_again(place, tmp_path / "pictures")


def test_a_folder_that_holds_a_classifier_is_left_alone(place):
    with pytest.raises(UsageError, match=r"holds a model already .*another kind"):
        train_again(place, out=place / "backbone")


def train_again(place, pictures=None, out=None, **changes):
    wanted = {"recipe": backbones.QUICK, **changes}
    return train_prototypes_on(
        pictures or place / "pictures", f"file:{place / 'backbone'}", out or place / "model", **wanted
    )


def test_what_the_backbone_has_learned_from_validates_nothing(place, tmp_path):
    rows = [
        {"path": path.name, "class": path.parent.name, "part": "train", "sha256": digest}
        for path, digest in hashes(place / "pictures").items()
        if path.name >= "0004"
    ]
    (place / "backbone" / PICTURES).write_text(json.dumps(rows))
    try:
        found = train_prototypes_on(place / "pictures", f"file:{place / 'backbone'}", tmp_path / "out", recipe=LITTLE)
    finally:
        (place / "backbone" / PICTURES).unlink()
    assert found.pictures["validation"] < 10
    assert "the backbone has learned from them" in found.notes[-1]


def test_a_backbone_of_other_classes_is_refused(place, tmp_path):
    other = squares.write_folder(tmp_path / "other", 4, classes=("blue", "red"))
    with pytest.raises(UsageError, match="knows other classes"):
        train_prototypes_on(other, f"file:{place / 'backbone'}", tmp_path / "out", recipe=LITTLE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("training", [[], {"recipe": 1}, {"recipe": {"split": [1.0]}}, {"seed": "x"}], ids=str)
def test_a_backbone_that_says_nonsense_of_its_training_is_refused(place, tmp_path, training):
    shutil.copytree(place / "backbone", tmp_path / "backbone")
    card = tmp_path / "backbone" / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "training": training}))
    with pytest.raises(BadFile, match="training"):
        train_prototypes_on(place / "pictures", f"file:{tmp_path / 'backbone'}", tmp_path / "out", recipe=LITTLE)


def test_pictures_that_cannot_be_opened_are_listed(place, tmp_path):
    folder = backbones.picture_folder(tmp_path / "pictures", 8)
    (folder / "red" / "broken.png").write_bytes(b"\x89PNG nothing")
    found = train_prototypes_on(folder, f"file:{place / 'backbone'}", tmp_path / "out", recipe=LITTLE)
    assert [each.source for each in found.failures] == ["red/broken.png"]


def test_what_the_prototypes_have_learned_from_is_known(run, place):
    learned = {row["sha256"] for row in trained_rows(place / "model")}
    parts = json.loads((place / "model" / PICTURES).read_text())
    assert len(learned) == 22
    assert sum(row["part"] == "validation" for row in parts) == 10
    (place / "backbone" / PICTURES).write_text(json.dumps([{"path": "a.png", "sha256": "0" * 64, "part": "train"}]))
    try:
        found = train_prototypes_on(place / "pictures", f"file:{place / 'backbone'}", place / "more", recipe=LITTLE)
    finally:
        (place / "backbone" / PICTURES).unlink()
    assert {row["sha256"] for row in trained_rows(found.out)} == learned | {"0" * 64}


def hashes(folder):
    from seewhy.images import Folder

    return {folder / path: digest for path, digest in Folder.open(folder).hashes.items()}

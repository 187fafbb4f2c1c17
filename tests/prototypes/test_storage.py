"""Prototypes on disk: what comes back, and what is refused."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import zoo
from prototypes.backbones import TINY
from seewhy.errors import ModelError
from seewhy.models import load
from seewhy.models.load import architecture_of
from seewhy.prototypes.storage import load_prototypes, save_prototypes


@pytest.fixture
def saved(tiny_model, tmp_path):
    save_prototypes(tmp_path / "model", tiny_model, TINY, {"seed": 0})
    return tmp_path / "model"


def change(folder, **fields):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | fields))


def test_what_was_saved_comes_back(tiny_model, saved):
    found = load_prototypes(saved)
    assert found.diagnosis == tiny_model.diagnosis
    assert found.classes == tiny_model.classes
    assert found.preprocessing == tiny_model.preprocessing
    for one, other in zip(found.prototypes, tiny_model.prototypes, strict=True):
        assert (one.label, one.source, one.cell, one.box) == (other.label, other.source, other.cell, other.box)
        assert np.array_equal(one.picture.pixels, other.picture.pixels)
    images = zoo.photos(2)
    assert torch.equal(found.classifier.probabilities(images), tiny_model.classifier.probabilities(images))


def test_the_same_network_gives_the_same_bytes(tiny_model, saved, tmp_path):
    save_prototypes(tmp_path / "again", tiny_model, TINY, {"seed": 0})
    for path in filter(lambda each: each.is_file(), saved.rglob("*")):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(saved)).read_bytes()


def test_what_the_gate_refused_is_never_written_as_usable(refused_model, tmp_path):
    save_prototypes(tmp_path / "model", refused_model, TINY, {})
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["usable"] is False
    assert "finds 0%" in card["reasons"][0] + card["reasons"][-1]
    with pytest.raises(ModelError, match=r"not usable: .*--refused"):
        load_prototypes(tmp_path / "model")
    assert not load_prototypes(tmp_path / "model", refused=True).diagnosis.usable


def test_an_older_card_is_read(tiny_model, saved):
    """Its keys and tensors had other names."""
    card = json.loads((saved / "card.json").read_text())
    card["trunk"], card["likeness"] = card.pop("backbone"), card.pop("measure")
    card["diagnosis"]["trunk_accuracy"] = card["diagnosis"].pop("backbone_accuracy")
    tensors = load_file(saved / "model.safetensors")
    older = {"head.last.weight": "head.weights", "head.last.bias": "head.bias"}
    renamed = {older.get(name) or re.sub("^backbone", "trunk", name): each for name, each in tensors.items()}
    save_file(renamed, saved / "model.safetensors")
    card["sha256"] = sha256((saved / "model.safetensors").read_bytes()).hexdigest()
    (saved / "card.json").write_text(json.dumps(card))
    found = load_prototypes(saved)
    assert found.diagnosis == tiny_model.diagnosis
    images = zoo.photos(2)
    assert torch.equal(found.classifier.probabilities(images), tiny_model.classifier.probabilities(images))


def test_as_a_plain_classifier_it_is_opened(tiny_model, saved):
    found = load(f"file:{saved}", device="cpu")
    assert (found.name, found.categories.names) == ("file:model", tiny_model.classes)
    images = zoo.photos(2)
    assert torch.equal(found.probabilities(images), tiny_model.classifier.probabilities(images))
    # The embedding is the similarity to each prototype.
    x = found.preprocess(images)
    maps = tiny_model.network.head.similarity(tiny_model.network.head.distances(tiny_model.network.backbone(x)))
    torch.testing.assert_close(found.embed(x), maps.amax((2, 3)))


def test_what_the_gate_refused_is_no_classifier(refused_model, tmp_path):
    save_prototypes(tmp_path / "model", refused_model, TINY, {})
    with pytest.raises(ModelError, match=r"not usable: .*finds 0%.*--refused"):
        load(f"file:{tmp_path / 'model'}")


def test_a_card_names_no_code(saved):
    change(saved, kind="os:system")
    with pytest.raises(ModelError, match="is of the kind 'os:system'"):
        load(f"file:{saved}")


def test_prototypes_take_no_other_weights(saved):
    with pytest.raises(ModelError, match="leave --weights out"):
        load(f"file:{saved}", saved / "model.safetensors")


def test_prototypes_are_no_backbone(saved):
    classifier = load(f"file:{saved}")
    with pytest.raises(ModelError, match="another kind of model, prototypes"):
        architecture_of(f"file:{saved}", classifier)


def test_another_kind_of_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"holds no prototypes; `seewhy prototypes train"):
        load_prototypes(tmp_path)
    (tmp_path / "card.json").write_text('{"schema": 1}')
    with pytest.raises(ModelError, match="another kind of model"):
        load_prototypes(tmp_path)


def test_a_patch_of_another_picture_is_told(saved):
    patches = sorted((saved / "prototypes").iterdir())
    patches[0].write_bytes(patches[-1].read_bytes())
    with pytest.raises(ModelError, match=r"000\.png is not the file that its manifest was written for; train again"):
        load_prototypes(saved)


def test_a_damaged_folder_is_told(saved):
    (saved / "prototypes" / "000.png").unlink()
    with pytest.raises(ModelError, match="damaged since the prototypes were saved"):
        load_prototypes(saved)


def test_other_weights_are_told(saved):
    (saved / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="not the file its card was written for"):
        load_prototypes(saved)


def test_another_schema_is_told(saved):
    change(saved, schema=7)
    with pytest.raises(ModelError, match="schema 7"):
        load_prototypes(saved)

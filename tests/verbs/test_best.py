"""The best method is found by tests, kept for the classifier, and guessed only where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import planted
import zoo
from seewhy.core.files import cache_folder, home
from seewhy.errors import NonFinite, UsageError
from seewhy.images import Image
from seewhy.methods import find_method
from seewhy.models import Target
from seewhy.models.classifier import black_box
from seewhy.verbs.best import best_method, calibrate
from verbs.conftest import WHITE


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "home"))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, image in enumerate(zoo.photos(2)):
        image.to_pil().save(folder / f"{number}.png")
    return folder


def test_home_is_where_it_is_said_to_be(tmp_path, monkeypatch):
    assert home() == tmp_path / "home"
    assert cache_folder() == tmp_path / "home" / "cache"
    monkeypatch.delenv("SEEWHY_HOME")
    assert home().name == "seewhy"


def test_with_nothing_known_it_is_grad_cam_and_says_so():
    name, why = best_method(zoo.classifier("residual"))
    assert name == "grad-cam"
    assert "untested" in why
    assert "--calibrate" in why


def test_a_black_box_gets_a_method_that_suits_it():
    classifier = black_box(lambda pixels: pixels.mean((1, 2)) / 255, size=(8, 8), gives="logits")
    assert best_method(classifier)[0] == "lime"


def test_what_a_folder_showed_is_kept_for_this_classifier_alone(photos):
    classifier = zoo.classifier("residual")
    name, why = best_method(classifier, photos)
    assert "2 pictures" in why
    assert best_method(classifier) == (name, why)
    assert "untested" in best_method(zoo.classifier("branches"))[1]


def test_a_damaged_memory_is_no_memory(photos):
    classifier = zoo.classifier("residual")
    best_method(classifier, photos)
    (kept,) = (cache_folder() / "best").iterdir()
    for text in ("{", '{"method": "gone", "images": 2}', "[]"):
        kept.write_text(text)
        assert "untested" in best_method(classifier)[1]


def test_a_folder_without_a_picture_that_opens_is_refused(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match="nothing to calibrate on"):
        best_method(zoo.classifier("residual"), tmp_path)


def test_pictures_that_cannot_be_explained_do_not_count(dazzled):
    found = calibrate(dazzled, [WHITE, *zoo.photos(2)])
    assert found["images"] == 2
    with pytest.raises(NonFinite):
        calibrate(dazzled, [WHITE])


def test_it_is_a_method_that_looks_at_the_right_place():
    """On the planted network, whose truth is known, the winner marks the square."""
    found = calibrate(planted.classifier(), [planted.picture()])
    winner = find_method(found["method"])
    (map_,) = winner(planted.classifier(), [planted.picture()], [[Target(0)]], generator=torch.Generator())
    assert planted.inside(map_.values) > 0.5
    assert min(found["ranks"].values()) == found["ranks"][found["method"]]


def test_pictures_of_one_colour_do_not_break_it():
    grey = Image(np.full((40, 40, 3), 128, np.uint8), "grey")
    assert calibrate(zoo.classifier("residual"), [grey])["images"] == 1

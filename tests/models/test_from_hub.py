"""Hugging Face networks from local folders: what a download leaves in the cache."""

import json
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import zoo
from models import attacks
from seewhy.cli.app import app
from seewhy.errors import ModelError
from seewhy.models import Preprocessing, from_hub, load
from seewhy.models.from_hub import from_transformers
from seewhy.models.load import SOURCES

NAMES = {0: "cat", 1: "dog", 2: "hen"}


@pytest.fixture(scope="module")
def saved_vit(tmp_path_factory):
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        id2label=NAMES,
        label2id={name: index for index, name in NAMES.items()},
    )
    module = ViTForImageClassification(config).eval()
    module.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder, module


@pytest.mark.parametrize(
    "open_it",
    [lambda folder: load(f"hf-hub:{folder}", device="cpu"), lambda folder: from_transformers(str(folder))],
)
def test_a_transformers_folder(saved_vit, open_it):
    folder, module = saved_vit
    classifier = open_it(folder)
    assert list(classifier.categories) == ["cat", "dog", "hen"]
    assert classifier.preprocessing == Preprocessing((32, 32), mean=(0.5,) * 3, std=(0.5,) * 3)
    torch.testing.assert_close(classifier.logits(zoo.inputs()), module(zoo.inputs()).logits)
    assert classifier.embed(zoo.inputs()).shape == (2, 32)
    assert classifier.grid(classifier.default_layer).prefix == 1


SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def saved(folder, config=None, **processing):
    """A small ViT of random weights with its processor, in `folder`."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(**SMALL, **{"image_size": 32, "patch_size": 8, "num_labels": 4, **(config or {})})
    module = ViTForImageClassification(config).eval()
    module.save_pretrained(folder)
    about = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, **processing}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    return module


@pytest.mark.parametrize(
    ("fields", "gives"),
    [
        ({}, "logits"),
        ({"problem_type": "single_label_classification"}, "logits"),
        ({"problem_type": "multi_label_classification"}, "sigmoid"),
        ({"problem_type": "regression", "num_labels": 3}, "values"),
        ({"num_labels": 1}, "values"),
    ],
)
def test_what_the_numbers_mean_stands_in_the_configuration(tmp_path, fields, gives):
    module = saved(tmp_path, fields)
    classifier = load(f"hf-hub:{tmp_path}", device="cpu")
    assert classifier.head.gives == gives
    x = zoo.inputs()
    torch.testing.assert_close(classifier.logits(x), module(x).logits)


def test_a_processor_of_another_kind_is_used_as_it_is(tmp_path):
    saved(tmp_path, image_processor_type="MobileViTImageProcessor", size={"shortest_edge": 40},
          crop_size={"height": 32, "width": 32})  # fmt: skip
    classifier = load(f"hf-hub:{tmp_path}", device="cpu")
    assert classifier.notes == ("Pictures are prepared by the network's own MobileViTImageProcessor, as it is.",)
    told = CliRunner().invoke(app, ["predict", "sample:cat", "--model", f"hf-hub:{tmp_path}", "--device", "cpu"])
    assert "MobileViTImageProcessor, as it is." in told.output


def test_one_channel(tmp_path):
    module = saved(tmp_path, {"num_channels": 1}, image_mean=[0.4], image_std=[0.3])
    classifier = load(f"hf-hub:{tmp_path}", device="cpu")
    x = zoo.inputs()[:, :1]
    torch.testing.assert_close(classifier.logits(x), module(x).logits)
    assert classifier.preprocessing.channels == 1


@pytest.mark.parametrize(
    ("config", "names"),
    [
        ({"id2label": None}, None),
        ({"id2label": {"0": "cat", "1": "dog", "2": "hen", "3": "owl"}}, ["cat", "dog", "hen", "owl"]),
        ({"id2label": {"1": "dog", "0": "cat", "3": "owl", "2": 7}}, ["cat", "dog", "7", "owl"]),
        ({"id2label": {"0": "cat", "5": "dog"}}, None),
    ],
)
def test_class_names_as_far_as_they_are_given(config, names):
    labels = from_hub._labels(SimpleNamespace(**config))
    assert (list(labels) if labels is not None else None) == names


def test_a_processor_that_makes_patches_is_refused_with_its_reason(tmp_path):
    saved(tmp_path, image_processor_type="Siglip2ImageProcessor")
    with pytest.raises(ModelError, match=r"Siglip2ImageProcessor makes no picture .* but \(256, 768\)"):
        load(f"hf-hub:{tmp_path}")


def test_a_library_that_is_missing_is_named(tmp_path):
    if find_spec("natten"):
        pytest.skip("natten is installed")
    (tmp_path / "config.json").write_text('{"model_type": "dinat", "architectures": ["DinatForImageClassification"]}')
    save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="cannot be opened: DinatForImageClassification requires the natten library"):
        load(f"hf-hub:{tmp_path}")


def test_a_folder_without_its_processor_says_so(tmp_path):
    saved(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"cannot be opened: .*preprocessor_config"):
        load(f"hf-hub:{tmp_path}")


def test_a_timm_folder(tmp_path):
    from timm.models import save_for_hf

    torch.manual_seed(0)
    module = SOURCES["timm"].build("test_resnet", 3)
    save_for_hf(module, tmp_path, safe_serialization=True)
    classifier = load(f"hf-hub:{tmp_path}", device="cpu")
    torch.testing.assert_close(classifier.module.state_dict(), module.state_dict(), rtol=0, atol=0)
    assert len(classifier.categories) == 3


def test_weights_belong_to_an_architecture(tmp_path):
    with pytest.raises(ModelError, match="use timm:… or torchvision:… with it"):
        load("hf-hub:google/vit", tmp_path / "weights.pth")


@pytest.mark.parametrize("config", ["", "{", "{}", '{"model_type": "nonsense"}', '{"architecture": "nonsense"}'])
def test_a_folder_of_something_else_is_one_error(tmp_path, config):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=rf"{tmp_path}(/config.json is damaged \(| cannot be opened: )\w"):
        load(f"hf-hub:{tmp_path}")


def test_code_in_a_folder_never_runs(tmp_path, saved_vit):
    folder, _ = saved_vit
    canary = tmp_path / "canary"
    config = json.loads((folder / "config.json").read_text())
    hostile = {"AutoModelForImageClassification": "evil.Evil", "AutoConfig": "evil.Evil"}
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "evil", "auto_map": hostile}))
    (tmp_path / "evil.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Evil: pass\n")
    attacks.inside_torch(tmp_path / "pytorch_model.bin", canary)
    with pytest.raises(ModelError):
        load(f"hf-hub:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load(f"hf-hub:{tmp_path}")
    assert not canary.exists()

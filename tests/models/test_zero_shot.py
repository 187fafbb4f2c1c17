"""Networks that compare pictures with texts, as classifiers of the texts; random weights, a tokeniser made here."""

import json

import pytest
import torch

import seewhy
from models.test_preprocessing import photo
from seewhy.errors import ModelError, UsageError
from seewhy.models import load
from seewhy.models.load import absolute_name, declaration, declaring, load_encoder

CLASSES = ("a photo of a cat", "a photo of a dog", "a photo of a hen, red")
WORDS = ["<pad>", "<unk>", "<s>", "</s>", "a", "photo", "of", "cat", "dog", "hen", ",", "red"]
TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
TEXT = {**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 12, "pad_token_id": 0, "bos_token_id": 2,
        "eos_token_id": 3}  # fmt: skip
VISION = {**TOWER, "image_size": 32, "patch_size": 8}


def tokenizer(family="clip"):
    """Words, with a start and an end, as CLIP's has them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>",  # noqa: S106
        model_max_length=12, model_input_names=["input_ids"] if family == "siglip" else ["input_ids", "attention_mask"],
    )  # fmt: skip


def saved(folder, family):
    """A network of random weights with its processor and tokeniser, as the hub has them."""
    import transformers as hf

    torch.manual_seed(0)
    if family == "clip":
        made = hf.CLIPModel(hf.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=24))
    elif family == "altclip":
        text = {**TEXT, "project_dim": 24, "type_vocab_size": 1, "max_position_embeddings": 20}
        made = hf.AltCLIPModel(hf.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24))
    else:
        made = hf.SiglipModel(hf.SiglipConfig(text_config=TEXT, vision_config=VISION))
        torch.nn.init.constant_(made.logit_bias, -2.0)
        torch.nn.init.constant_(made.logit_scale, 1.5)
    for parameter in made.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    made.eval().save_pretrained(folder)
    tokenizer(family).save_pretrained(folder)
    kind = "SiglipImageProcessor" if family == "siglip" else "CLIPImageProcessor"
    about = {
        "image_processor_type": kind,
        "size": {"height": 32, "width": 32} if family == "siglip" else {"shortest_edge": 32},
    }
    if family != "siglip":
        about["crop_size"] = {"height": 32, "width": 32}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    return made


@pytest.fixture(scope="module", params=["clip", "siglip", "altclip"])
def known(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, saved(folder, request.param)


def theirs(family, module, x, classes=CLASSES):
    padding = {"padding": "max_length", "max_length": 12} if family == "siglip" else {"padding": True}
    asked = tokenizer(family)(list(classes), return_tensors="pt", **padding)
    with torch.no_grad():
        return module(**asked, pixel_values=x).logits_per_image


def test_the_scores_are_the_models_own(known):
    family, folder, module = known
    classifier = load(f"hf-hub:{folder}", classes=CLASSES, device="cpu")
    x = classifier.preprocess([photo(90, 120), photo(64, 40, seed=1)])
    with torch.no_grad():
        torch.testing.assert_close(classifier.logits(x), theirs(family, module, x), atol=1e-4, rtol=1e-4)
    assert tuple(classifier.categories) == CLASSES
    assert classifier.head.gives == ("sigmoid" if family == "siglip" else "logits")
    told = classifier.probabilities([photo(90, 120)])[0]
    scores = theirs(family, module, x[:1])[0]
    torch.testing.assert_close(
        told, scores.sigmoid() if family == "siglip" else scores.softmax(0), atol=1e-4, rtol=1e-4
    )


def test_it_is_explained_as_any_network(known):
    family, folder, module = known
    classifier = load(f"hf-hub:{folder}", classes=CLASSES, device="cpu")
    assert classifier.head_layer == "head"
    grid = classifier.require_grid(classifier.default_layer)
    assert (grid.height, grid.width, grid.prefix) == (4, 4, int(family != "siglip"))
    x = classifier.preprocess([photo(90, 120)])
    assert classifier.embed(x).norm(dim=1) == pytest.approx(1, abs=1e-5)
    for method in ("grad-cam", "integrated-gradients"):
        found = seewhy.explain(classifier, photo(90, 120), method, target="a photo of a dog")
        assert found.target_label == "a photo of a dog"
        assert abs(found.values).max() > 0
    assert not [name for name, _ in classifier.module.named_modules() if "text" in name]  # read once, then done
    assert module.text_model is not None


def test_the_classes_stand_in_the_name_wherever_it_is_loaded(known, tmp_path):
    _, folder, _ = known
    name = declaring(f"hf-hub:{folder}", classes=CLASSES)
    assert name.endswith("?classes=a photo of a cat|a photo of a dog|a photo of a hen%2C red")
    assert declaration(name).classes == CLASSES
    assert absolute_name(name) == name
    asked, named = load(f"hf-hub:{folder}", classes=CLASSES, device="cpu"), load(name, device="cpu")
    assert asked.fingerprint == named.fingerprint
    assert load_encoder(name, device="cpu")([photo(40, 50)]).shape[0] == 1


@pytest.mark.parametrize("text", ["what? this & that", "100 %", "a|b", "a=b"])
def test_any_text_can_stand_in_a_name(text):
    assert declaration(declaring("hf-hub:a/b", "sigmoid", classes=[text, "c"])).classes == (text, "c")


def test_without_classes_it_asks_for_them(known):
    _, folder, _ = known
    with pytest.raises(UsageError, match=r"compares pictures with texts, so say which: --classes .a photo of a cat"):
        load(f"hf-hub:{folder}")


@pytest.mark.parametrize("classes", [[], ["cat"], ["cat", "cat"], ["cat", " "], "cat, dog"])
def test_classes_are_two_or_more_that_differ(known, classes):
    _, folder, _ = known
    with pytest.raises(UsageError, match="two texts or more"):
        load(f"hf-hub:{folder}", classes=classes)


def test_a_text_too_long_is_refused(known):
    _, folder, _ = known
    with pytest.raises(UsageError, match=r"'a a a.* has 42 tokens, and the network reads \d+: shorten it"):
        load(f"hf-hub:{folder}", classes=["a " * 40, "cat"])


@pytest.mark.parametrize("name", ["bundled:efficientnet-lite0", "torchvision:resnet18", "py:mine:make", "file:nowhere"])
def test_a_model_with_classes_of_its_own_takes_none(name):
    with pytest.raises(UsageError, match="has classes of its own, so leave --classes out"):
        load(name, classes=CLASSES)
    with pytest.raises(UsageError, match="has classes of its own"):
        load(f"{name}?classes=a cat|a dog")


def test_an_image_classifier_of_the_hub_takes_none(tmp_path):
    from models.test_from_hub import saved as classifier_in

    classifier_in(tmp_path)
    with pytest.raises(UsageError, match="has classes of its own"):
        load(f"hf-hub:{tmp_path}", classes=CLASSES)


def test_weights_that_would_be_random_are_refused(tmp_path):
    import transformers as hf

    torch.manual_seed(0)
    hf.ViTModel(hf.ViTConfig(**VISION)).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": "ViTImageProcessor"}))
    with pytest.raises(
        ModelError, match=r"lacks weights of ViTForImageClassification, classifier.bias.* would be random"
    ):
        load(f"hf-hub:{tmp_path}")


def test_on_the_command_line(known):
    from typer.testing import CliRunner

    from seewhy.cli.app import app

    _, folder, _ = known
    asked = ["predict", "sample:cat", "--model", f"hf-hub:{folder}", "--device", "cpu", "--json"]
    run = CliRunner().invoke(app, [*asked, "--classes", "a photo of a cat, a photo of a dog"])
    assert run.exit_code == 0, run.output
    assert "a photo of a dog" in run.output
    assert isinstance(CliRunner().invoke(app, asked).exception, UsageError)

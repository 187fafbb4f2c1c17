"""Which layer is explained by default, on real architectures with random weights."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

import zoo
from seewhy.errors import ExplainError
from seewhy.models import Classifier, Preprocessing, capture
from seewhy.models.capture import Visit
from seewhy.models.layers import grids_of
from seewhy.models.load import SOURCES


def wrapped(module, side=224):
    return Classifier.from_module(module, Preprocessing((side, side)))


def check(classifier, layer, layout):
    assert classifier.default_layer == layer
    assert classifier.grid(layer).layout == layout


@pytest.mark.parametrize(
    ("name", "layer", "layout"),
    [
        ("resnet18", "layer4", "channels first"),
        ("vgg16", "features.29", "channels first"),
        ("densenet121", "features", "channels first"),
        ("mobilenet_v3_small", "features", "channels first"),
        ("efficientnet_b0", "features", "channels first"),
        ("squeezenet1_1", "features", "channels first"),
        ("convnext_tiny", "features", "channels first"),
        ("vit_b_16", "encoder.layers.encoder_layer_11.ln_1", "tokens"),
        ("swin_t", "norm", "channels last"),
    ],
)
def test_default_layers_of_torchvision(name, layer, layout):
    torch.manual_seed(0)
    check(wrapped(SOURCES["torchvision"].build(name, 10), 224 if "vit" in name else 96), layer, layout)


@pytest.mark.parametrize(
    ("name", "layer", "layout"),
    [
        ("resnet18", "layer4", "channels first"),
        ("vit_tiny_patch16_224", "blocks.11.norm1", "tokens"),
        ("convnext_atto", "stages", "channels first"),
        ("deit_tiny_distilled_patch16_224", "blocks.11.norm1", "tokens"),
    ],
)
def test_default_layers_of_timm(name, layer, layout):
    torch.manual_seed(0)
    check(wrapped(SOURCES["timm"].build(name, 10), 96 if layout == "channels first" else 224), layer, layout)


def transformers_networks():
    import transformers as hf

    transformer = {"num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64}
    picture = {"image_size": 64, "patch_size": 8, "num_labels": 4}
    vit = hf.ViTForImageClassification(hf.ViTConfig(**transformer, **picture))
    dino = hf.Dinov2ForImageClassification(hf.Dinov2Config(**transformer, **picture))
    resnet = hf.ResNetForImageClassification(
        hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=4)
    )
    return {
        "vit": (vit, "vit.layers.2.layernorm_before", "tokens"),
        "dino": (dino, "dinov2.layernorm", "tokens"),
        "resnet": (resnet, "resnet.encoder.stages.1", "channels first"),
    }


def test_what_is_explained_by_default_decides_cell_by_cell():
    for name in ("residual", "tiny-vit", "channels-last"):
        classifier = zoo.classifier(name)
        layer = classifier.default_layer
        with capture(classifier.module, [layer]) as seen:
            score = classifier.logits(zoo.inputs(1)).square().sum()
        gradient = classifier.grid(layer).fold(seen.gradients(score, [layer])[layer])
        assert gradient.abs().amax(1).gt(0).float().mean() > 0.9


@pytest.mark.parametrize("name", ["vit", "dino", "resnet"])
def test_default_layers_of_transformers(name):
    torch.manual_seed(0)
    module, layer, layout = transformers_networks()[name]
    classifier = wrapped(module.eval(), 64)
    # How transformers nests its modules changes from version to version; what kind of layer it is does not.
    assert classifier.default_layer.rpartition(".")[2] == layer.rpartition(".")[2]
    check(classifier, classifier.default_layer, layout)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("gap-linear", "relu"),
        ("residual", "relu"),
        ("reused", "block"),
        ("functional", "conv2"),
        ("overlapping", "features.4"),
        ("tiny-vit", "blocks.1.norm1"),
        ("channels-last", "mix"),
        ("object", "body.relu"),
        ("training", "relu"),
        ("zero-gradient", "body.relu"),
        ("unrecorded", "body.relu"),
        ("mutates-input", "body.relu"),
    ],
)
def test_default_layers_of_the_zoo(name, layer):
    assert zoo.classifier(name).default_layer == layer


def test_a_head_without_training_does_not_lead_astray():
    module = zoo.network("tiny-vit")
    nn.init.zeros_(module.head.weight)
    assert wrapped(module, 32).default_layer == "blocks.1.norm1"


def test_a_network_without_a_grid_says_so():
    classifier = zoo.classifier("no-grid")
    with pytest.raises(ExplainError, match="no layer of this network keeps a grid"):
        _ = classifier.default_layer
    assert classifier.grid("hidden") is None


def test_layers_stand_in_the_order_they_run_each_run_of_them():
    layers = zoo.classifier("residual").layers
    assert [layer.name for layer in layers] == ["stem", "relu", "first", "norm", "relu", "second", "relu", "head"]
    assert {layer.name: layer.kind for layer in layers}["norm"] == "BatchNorm2d"
    assert layers[0].shape == (1, 8, 16, 16)
    assert layers[-1].grid is None


def test_layers_are_the_same_in_inference_mode():
    expected = zoo.classifier("residual").layers
    with torch.inference_mode():
        assert zoo.classifier("residual").layers == expected


def test_dropout_and_pools_are_not_explained():
    kinds = {layer.kind: layer.passive for layer in zoo.classifier("training").layers}
    assert [kind for kind, passive in kinds.items() if passive] == ["Dropout", "AdaptiveAvgPool2d", "Flatten"]


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("gap-linear", lambda net, x: net.relu(net.conv(x)).mean((2, 3))),
        ("tiny-vit", lambda net, x: _vit_tokens(net, x)[:, 0]),
        ("no-grid", lambda net, x: net.hidden(x.flatten(1)).relu()),
        ("segmentation-head", lambda net, x: net[0](x).relu().mean((2, 3))),
    ],
)
def test_the_embedding_is_what_goes_into_the_last_linear_layer(name, features):
    classifier = zoo.classifier(name) if name != "segmentation-head" else wrapped(_convolutional_head(), 32)
    x = zoo.inputs()
    embedding = classifier.embed(x)
    torch.testing.assert_close(embedding, features(classifier.module, x).detach())
    assert not embedding.requires_grad


def _vit_tokens(net, x):
    tokens = net.patches(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([net.token.expand(len(x), -1, -1), tokens], 1) + net.positions
    return net.norm(net.blocks(tokens))


def _convolutional_head():
    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_scores_that_come_from_no_linear_layer_leave_a_default_layer_but_no_embedding():
    parts = [nn.Conv2d(3, 4, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LayerNorm(16)]
    classifier = wrapped(nn.Sequential(*parts), 32)
    assert classifier.default_layer == "1"
    with pytest.raises(ExplainError, match="no embedding to read"):
        classifier.embed(zoo.inputs())


@pytest.mark.parametrize(("seen", "kept"), [(True, False), (False, True)])
def test_a_map_is_turned_over_only_where_the_one_before_it_was_seen_to_be_straight(seen, kept):
    left, upper = torch.tensor([[4.0, 4, 1, 1]] * 4), torch.tensor([[4.0, 4, 1, 1]] * 4).T
    blind = torch.ones(4, 4)
    maps = [torch.zeros(1, 8, 4, 4) for _ in range(3)]
    gave = [(index, tuple(each.shape), 0) for index, each in enumerate(maps)]
    took = [None, *gave[:2]]
    visits = [Visit(name, nn.ReLU(), *of) for name, of in zip("abc", zip(took, gave, maps, strict=True), strict=True)]
    straight = {1: ([left], [upper])}
    unseen = {1: ([blind], [blind])}
    turned = {1: ([left.flip(1)], [upper.flip(0)])}
    found = grids_of(visits, dict(enumerate([straight, straight if seen else unseen, turned])), (32, 32))
    assert [grid is not None for grid in found] == [True, True, kept]


def test_the_layers_are_found_without_the_compiler():
    """Its import takes seconds, for which the first explanation would have to wait."""
    code = "import sys, planted; planted.classifier().layers; print('torch._dynamo' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

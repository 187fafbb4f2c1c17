from __future__ import annotations

import pytest
import torch
from torch import nn

import zoo
from seewhy.errors import ExplainError
from seewhy.models import Classifier, Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.network.layers import default_layers


def small(name: str, size: int, **options) -> Classifier:
    ready_torchvision()
    import timm

    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=4, img_size=size, **options).eval()
    return Classifier.from_module(network, Preprocessing(size=(size, size)))


def test_of_blocks_that_give_no_grid_what_is_explained_in_one_is_shown_of_each():
    tnt = small("tnt_s_patch16_224", 64, depth=4, embed_dim=48, inner_dim=12, num_heads_inner=2, num_heads_outer=4)
    assert tnt.default_layer == "blocks.3.norm_out"
    assert default_layers(tnt) == tuple(f"blocks.{number}.norm_out" for number in range(4))


def test_blocks_that_hand_on_what_they_took_are_no_stages():
    coat = small("coat_tiny", 96, embed_dims=[64] * 4, serial_depths=[1] * 4, parallel_depth=3)
    assert default_layers(coat)[-3:] == ("cpe2", "cpe3", "cpe4")


def test_where_the_last_stage_is_not_read_as_a_whole_what_is_read_in_it_is_shown():
    crossvit = small(
        "crossvit_tiny_240", 48, embed_dim=(24, 48), depth=((1, 2, 0),) * 3, num_heads=(2, 2), img_scale=(1.0, 1.0)
    )
    assert default_layers(crossvit)[-3:] == ("blocks.1", "blocks.2.fusion.0.norm1", "blocks.2.fusion.1.norm1")


def test_a_layer_that_the_decision_never_reads_falls_out():
    assert default_layers(zoo.classifier("tiny-vit")) == ("patches", "blocks.0")  # the last block's patches are unread


def test_nine_at_most_and_the_last():
    many = [part for _ in range(12) for part in (nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())]
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), *many, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
    )
    classifier = Classifier.from_module(network.eval(), Preprocessing(size=zoo.SIZE))
    assert default_layers(classifier) == tuple(str(number) for number in range(9, 26, 2))


@pytest.mark.parametrize("name", zoo.SOUND)
def test_every_sound_network_has_layers_to_show(name):
    classifier = zoo.classifier(name)
    assert all(classifier.grid(layer) for layer in default_layers(classifier))


def test_what_cannot_be_differentiated_or_drawn_says_so():
    with pytest.raises(ExplainError, match="no layer of this network keeps a grid"):
        default_layers(zoo.classifier("no-grid"))
    with pytest.raises(ExplainError, match="through autograd"):
        default_layers(zoo.classifier("unrecorded"))

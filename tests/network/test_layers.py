from __future__ import annotations

import pytest
import torch
from torch import nn

import zoo
from seewhy.errors import ExplainError
from seewhy.models import Classifier, Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.network.layers import bottlenecks, default_layers, stages


def of(module: nn.Module, size: tuple[int, int] = zoo.SIZE) -> list[str]:
    return stages(Classifier.from_module(module.eval(), Preprocessing(size=size)))


class Shortcut(nn.Module):
    """A block that a shortcut leads past."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.act(self.two(self.act(self.one(x))) + x)


def head(width: int = 8) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3)]


def test_plain_convolutions_end_with_their_activation():
    conv = [
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
    ]
    assert of(nn.Sequential(*conv, nn.Dropout(), *head())) == ["2", "5"]


def test_blocks_with_shortcuts_end_with_the_block():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Sequential(Shortcut(), Shortcut()), Shortcut(), *head())
    assert of(network) == ["2.0", "2.1", "3"]


def test_a_transformers_blocks_and_not_what_is_in_them():
    assert stages(zoo.classifier("tiny-vit")) == ["patches", "blocks.0", "blocks.1"]


class Sides(nn.Module):
    """Two branches all the way, as in CrossViT: everything passes nothing but the picture itself."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)

        def forward(self, pair):
            return [self.left(pair[0]).relu(), self.right(pair[1]).relu()]

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(3, 8, 5, padding=2)
        self.blocks = nn.Sequential(*(self.Block() for _ in range(4)))
        self.heads = nn.ModuleList(nn.Linear(8, 4) for _ in range(2))

    def forward(self, x):
        pair = self.blocks([self.one(x), self.two(x)])
        return sum(head(each.mean((2, 3))) for head, each in zip(self.heads, pair, strict=True))


def test_where_branches_run_side_by_side_the_blocks_that_repeat_are_shown():
    assert of(Sides()) == ["one", "two", *(f"blocks.{number}" for number in range(4))]


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


class EarlyExits(nn.Module):
    """Scores are read behind each of the later blocks, so that everything passes the first three alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList(Shortcut() for _ in range(8))
        self.heads = nn.ModuleList(nn.Sequential(*head()) for _ in range(7))

    def forward(self, x):
        x, scores = self.stem(x), []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number:
                scores.append(self.heads[number - 1](x))
        return sum(scores)


def test_stages_reach_to_where_the_decision_is_read_last():
    assert of(EarlyExits())[-1] == "blocks.7"


def test_a_layer_that_the_decision_never_reads_falls_out():
    assert default_layers(zoo.classifier("tiny-vit")) == ("patches", "blocks.0")  # the last block's patches are unread


def test_nine_at_most_and_the_last():
    many = [part for _ in range(12) for part in (nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())]
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), *many, *head())
    classifier = Classifier.from_module(network.eval(), Preprocessing(size=zoo.SIZE))
    assert default_layers(classifier) == tuple(str(number) for number in range(9, 26, 2))


@pytest.mark.parametrize("name", zoo.SOUND)
def test_every_sound_network_has_layers_to_show(name):
    classifier = zoo.classifier(name)
    assert all(classifier.grid(layer) for layer in default_layers(classifier))


def test_the_networks_of_torchvision():
    ready_torchvision()
    from torchvision.models import resnet18, vgg11

    assert of(vgg11(weights=None), (96, 96))[-2:] == ["features.17", "features.19"]  # its ReLUs
    assert of(resnet18(weights=None), (96, 96)) == [
        f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)
    ]


def test_what_cannot_be_differentiated_or_drawn_says_so():
    with pytest.raises(ExplainError, match="no layer of this network keeps a grid"):
        default_layers(zoo.classifier("no-grid"))
    with pytest.raises(ExplainError, match="through autograd"):
        default_layers(zoo.classifier("unrecorded"))


def test_bottlenecks_by_hand():
    x = torch.ones(2, requires_grad=True)
    narrow = x * 2
    wide = narrow.exp() + narrow.sin()
    end = wide.sum()
    found = bottlenecks(end.grad_fn)
    assert {narrow.grad_fn, wide.grad_fn, end.grad_fn} <= found
    assert len(found) == 4  # and the start


def test_the_network_is_left_as_it_was():
    module = zoo.network("training")
    classifier = Classifier.from_module(module, Preprocessing(size=zoo.SIZE))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    stages(classifier)
    assert module.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())

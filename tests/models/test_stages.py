from __future__ import annotations

import torch
from torch import nn

import zoo
from seewhy.models import Classifier, Preprocessing
from seewhy.models.shim import ready_torchvision
from seewhy.models.stages import bottlenecks, stages


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


def test_the_networks_of_torchvision():
    ready_torchvision()
    from torchvision.models import resnet18, vgg11

    assert of(vgg11(weights=None), (96, 96))[-2:] == ["features.17", "features.19"]  # its ReLUs
    assert of(resnet18(weights=None), (96, 96)) == [
        f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)
    ]


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

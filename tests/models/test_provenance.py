"""Grids by what they depend on, passive layers by what they did, branches by what they carry."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import seewhy
from seewhy.errors import ExplainError
from seewhy.models import Preprocessing
from seewhy.network import look

SIDE = 32
PHOTO = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def wrap(module):
    return seewhy.Classifier.from_module(module.eval(), Preprocessing(size=(SIDE, SIDE)))


class Net(nn.Module):
    """A body of 8 channels and 8 × 8 cells, parts, and a linear head on what `run` makes of them."""

    def __init__(self, run, parts=None, features=8):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU())
        self.parts = nn.ModuleDict(parts() if parts else {})
        self.run, self.head = run, nn.Linear(features, 4)

    def forward(self, x):
        return self.head(self.run(self.parts, self.body(x)))


class Block(nn.Module):
    """A block that ends with a function, and hands its result to a layer that does nothing."""

    def __init__(self, last):
        super().__init__()
        self.conv, self.last = nn.Conv2d(8, 8, 3, padding=1), last

    def forward(self, x):
        return self.last(F.relu(self.conv(x)))


class PoolFormerBlock(Block):
    """Named like a pool."""


class UpsampleIdentityPadBlock(Block):
    """Named like all of them."""


@pytest.mark.parametrize("kind", [Block, PoolFormerBlock, UpsampleIdentityPadBlock])
@pytest.mark.parametrize("last", [nn.Identity, nn.Dropout, lambda: nn.Dropout2d(inplace=True), nn.Sequential])
def test_the_block_that_computed_is_the_layer_whatever_it_is_called(kind, last):
    torch.manual_seed(0)
    net = Net(lambda parts, maps: parts["block"](maps).mean((2, 3)), lambda: {"block": kind(last())})
    assert wrap(net).default_layer == "parts.block"


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.ZeroPad2d(1), nn.Upsample(scale_factor=2), nn.PixelShuffle(2)]
)
def test_what_only_shrinks_pads_or_enlarges_is_passed_over(pool):
    features = 2 if isinstance(pool, nn.PixelShuffle) else 8
    net = Net(lambda parts, maps: parts["pool"](maps).mean((2, 3)), lambda: {"pool": pool}, features)
    assert wrap(net).default_layer == "body"


def rows(parts, maps):
    return parts["layer"](maps.permute(0, 2, 1, 3).flatten(2))[0][:, -1]


class Resampler(nn.Module):
    """As many latents as there are patches."""

    def __init__(self, count=64):
        super().__init__()
        self.latents, self.read = nn.Parameter(torch.randn(count, 8)), nn.MultiheadAttention(8, 1, batch_first=True)

    def forward(self, tokens):
        return self.read(self.latents.expand(len(tokens), -1, -1), tokens, tokens)[0]


def resampled(parts, maps):
    return parts["layer"](parts["norm"](maps.flatten(2).transpose(1, 2))).mean(1)


def mixed(parts, maps):
    return parts["layer"](maps.flatten(2)).mean(2)


def attended(parts, maps):
    tokens = maps.flatten(2).transpose(1, 2)
    return (parts["layer"]((tokens @ tokens.mT)[:, None])[:, 0] @ tokens).mean(1)


def transposed(parts, maps):
    return parts["layer"](maps.transpose(2, 3)).mean((2, 3))


FALSE = {
    "rows of an LSTM": (rows, lambda: {"layer": nn.LSTM(64, 8, batch_first=True)}),
    "latents": (resampled, lambda: {"layer": Resampler(), "norm": nn.LayerNorm(8)}),
    "fewer latents": (resampled, lambda: {"layer": Resampler(16), "norm": nn.LayerNorm(8)}),
    "channels mixed over places": (mixed, lambda: {"layer": nn.Linear(64, 64)}),
    "an attention matrix": (attended, lambda: {"layer": nn.Softmax(-1)}),
    "a map turned over": (transposed, lambda: {"layer": nn.Tanh()}),
}


@pytest.mark.parametrize("name", list(FALSE))
def test_what_is_no_grid_is_refused_by_name_and_never_the_default(name):
    classifier = wrap(Net(*FALSE[name]))
    with pytest.raises(ExplainError, match=r"layer 'parts.layer' keeps no grid over the picture"):
        seewhy.explain(classifier, PHOTO, "grad-cam", layer="parts.layer")
    assert classifier.default_layer in {"body", "parts.norm"}


def test_tokens_are_followed_from_the_patches():
    def run(parts, maps):
        tokens = torch.cat([parts["first"](maps.flatten(2).transpose(1, 2)).mean(1, keepdim=True)] * 3, 1)
        tokens = torch.cat([tokens, maps.flatten(2).transpose(1, 2)], 1)
        return parts["block"](parts["norm"](tokens))[:, 0]

    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    parts = {"first": nn.LayerNorm(8), "norm": nn.LayerNorm(8), "block": block}
    classifier = wrap(Net(run, lambda: parts))
    grid = classifier.grid("parts.norm")
    assert (grid.layout, grid.size, grid.prefix) == ("tokens", (8, 8), 3)
    assert classifier.grid("parts.first").prefix == 0


class Moves(nn.Module):
    """Takes tokens window by window, as Hiera does."""

    def forward(self, tokens):
        return tokens.unflatten(1, (8, 2, 4)).transpose(1, 3).flatten(1, 3)


def summed(move):
    """Tokens drowned in what all of them are mixed to: what comes of the sum depends on no place by itself."""

    def run(parts, maps):
        tokens = parts["first"](maps.flatten(2).transpose(1, 2))
        return parts["last"](move(tokens + 30 * parts["mix"](tokens.mT).mT)).mean(1)

    return Net(run, lambda: {"first": nn.LayerNorm(8), "mix": nn.Linear(64, 64), "last": nn.LayerNorm(8)})


def test_a_residual_sum_has_the_grid_of_what_was_added_up():
    grid = wrap(summed(lambda tokens: tokens)).grid("parts.last")
    assert grid
    assert (grid.layout, grid.size, grid.prefix) == ("tokens", (8, 8), 0)
    assert wrap(summed(lambda tokens: tokens.add_(1))).grid("parts.last")


def test_a_sum_whose_cells_were_moved_has_none():
    assert wrap(summed(Moves())).grid("parts.last") is None


def test_latents_that_were_added_to_have_none():
    def run(parts, maps):
        read = resampled(parts, maps)[:, None]
        return parts["last"](parts["layer"].latents + read).mean(1)

    parts = lambda: {"layer": Resampler(), "norm": nn.LayerNorm(8), "last": nn.LayerNorm(8)}  # noqa: E731
    assert wrap(Net(run, parts)).grid("parts.last") is None


def test_channels_last_maps_are_grids_and_square_ones_with_as_many_channels_too():
    net = Net(
        lambda parts, maps: parts["norm"](maps.permute(0, 2, 3, 1)).mean((1, 2)), lambda: {"norm": nn.LayerNorm(8)}
    )
    grid = wrap(net).grid("parts.norm")  # 8 × 8 cells of 8 channels: its shape says nothing
    assert grid.layout == "channels last"
    assert wrap(net).grid("body").layout == "channels first"


def branches(parts, maps):
    return parts["left"](maps).mean((2, 3)) + parts["right"](maps.tanh()).mean((2, 3))


def test_branches_side_by_side_are_told():
    convolution = lambda: nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())  # noqa: E731
    two = wrap(Net(branches, lambda: {"left": convolution(), "right": convolution()}))
    assert set(two.default_layers) == {"parts.left", "parts.right"}
    found = seewhy.explain(two, PHOTO, "grad-cam", target=1)
    assert any("2 branches side by side" in note and "'parts.left'" in note for note in found.notes)
    assert not any("branches" in note for note in seewhy.explain(two, PHOTO, "grad-cam", layer="body").notes)
    one = wrap(Net(lambda parts, maps: maps.mean((2, 3))))
    assert one.default_layers == ("body",)
    assert not seewhy.explain(one, PHOTO, "grad-cam", target=1).notes


class Branching(nn.Module):
    """A block of two branches, of which the last ends without a grid; what goes in carries all of it."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        return (self.left(x).relu() * self.right(x)).mean((2, 3), keepdim=True)


def test_what_goes_into_a_block_is_chosen_over_one_of_its_branches():
    net = Net(lambda parts, maps: parts["block"](maps).flatten(1), lambda: {"block": Branching()})
    assert wrap(net).default_layers == ("body",)


def test_an_answer_that_reads_no_layer_is_told():
    class Side(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.head, self.side = (
                nn.Parameter(torch.randn(8, 3, 3, 3)),
                nn.Linear(8, 4),
                nn.Conv2d(3, 8, 3),
            )

        def forward(self, x):
            self.last = self.side(x)
            return self.head(F.conv2d(x, self.weight).relu().mean((2, 3)))

    with pytest.raises(ExplainError, match="does not depend on any layer"):
        look(wrap(Side()), seewhy.open_image(PHOTO), checked=False)

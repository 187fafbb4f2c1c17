"""Regions of what a network sees alike: a partition, the same every time, along borders of the picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

import zoo
from seewhy.engines import segment
from seewhy.engines.network_regions import features_of, network_regions, seen_regions
from seewhy.errors import UnknownName, UsageError
from seewhy.models import Classifier, Grid, Preprocessing

SIDE = 48
SEEDED = np.random.default_rng(0)


class Stripes(nn.Module):
    """Sees red and nothing else, in three stages."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(*(nn.Sequential(nn.Conv2d(3, 3, 2, 2), nn.ReLU()) for _ in range(3)))
        for stage in self.stages:
            nn.init.zeros_(stage[0].bias)
            stage[0].weight.data = torch.eye(3)[:, :, None, None].expand(3, 3, 2, 2) / 4
        red, other = torch.zeros(2, 3, 1, 1), torch.tensor([0.0, 1.0])
        red[:, 0] = torch.tensor([1.0, -1.0])[:, None, None]
        self.stages[0][0].weight.data = torch.cat([red, torch.zeros(1, 3, 1, 1)]).expand(3, 3, 2, 2) / 4
        self.stages[0][0].bias.data[:2] = other

    def forward(self, x):
        return self.stages(x).mean((2, 3))


def plain(module: nn.Module) -> Classifier:
    return Classifier.from_module(module.eval(), Preprocessing(size=(SIDE, SIDE), mean=(0.0,) * 3, std=(1.0,) * 3))


def picture() -> torch.Tensor:
    """Four quarters; red differs from left to right alone, green and blue from top to bottom too."""
    seen = torch.zeros(3, SIDE, SIDE)
    seen[0, :, : SIDE // 2], seen[2, :, SIDE // 2 :] = 1.0, 1.0
    seen[1, SIDE // 2 :] = 0.7
    return seen


def test_what_the_network_sees_alike_is_one_region_whatever_its_colour():
    found = network_regions(plain(Stripes()), picture(), 2)
    left, right = found[:, : SIDE // 2 - 2], found[:, SIDE // 2 + 2 :]
    assert found.max() == 1
    assert len(np.unique(left)) == len(np.unique(right)) == 1
    assert left[0, 0] != right[0, 0]


@pytest.mark.parametrize("name", ["residual", "tiny-vit", "channels-last", "stripes"])
def test_it_is_a_partition_and_the_same_every_time(name):
    classifier = plain(Stripes()) if name == "stripes" else zoo.classifier(name)
    seen = torch.from_numpy(SEEDED.random((3, *classifier.preprocessing.size)).astype("f4"))
    found = network_regions(classifier, seen, 7)
    assert found.shape == classifier.preprocessing.size
    assert found.dtype == np.int32
    assert set(np.unique(found)) == set(range(found.max() + 1))
    assert 2 <= found.max() + 1 <= 7
    assert np.array_equal(found, network_regions(classifier, seen, 7))
    assert np.array_equal(found, seen_regions(classifier, seen, "network:7"))


def test_borders_are_those_of_pieces_of_the_picture():
    pieces = segment(picture().permute(1, 2, 0).numpy(), "slic", n_segments=200)
    found = network_regions(plain(Stripes()), picture(), 5)
    for piece in np.unique(pieces):
        assert len(np.unique(found[pieces == piece])) == 1


def test_the_features_of_a_piece_are_the_means_of_the_enlarged_maps():
    classifier, seen = plain(Stripes()), picture() * 0.9
    pieces = segment(seen.permute(1, 2, 0).numpy(), "grid", cells=6)
    found = features_of(classifier, seen, pieces, {"stages.1": Grid("channels first", 3, 12, 12)})
    maps = interpolate(classifier.module.stages[:2](seen[None]), (SIDE, SIDE), mode="bilinear")[0].detach().numpy()
    means = np.stack([maps[:, pieces == piece].mean(1) for piece in range(36)])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(found, means / np.maximum(lengths, 1e-12), atol=1e-5)


def test_a_network_is_left_as_it_was():
    module = zoo.network("training")
    classifier = Classifier.from_module(module, Preprocessing(size=zoo.SIZE))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    network_regions(classifier, torch.rand(3, *zoo.SIZE), 4)
    assert module.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_what_cannot_be_cut_says_why():
    with pytest.raises(UsageError, match="no layer of this network keeps a grid over the picture"):
        network_regions(zoo.classifier("no-grid"), torch.rand(3, *zoo.SIZE), 4)
    with pytest.raises(UsageError, match="pixels alone do not tell"):
        segment(np.zeros((9, 9, 3)), "network")
    with pytest.raises(UsageError, match="after network: comes a whole number from 2 to 200"):
        seen_regions(plain(Stripes()), picture(), "network:1")
    with pytest.raises(UnknownName, match="network"):
        seen_regions(plain(Stripes()), picture(), "netwrok")

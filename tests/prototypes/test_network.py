"""The network: distances by hand, the published similarity, and a backbone that is left alone."""

from __future__ import annotations

import math

import pytest
import torch

import zoo
from seewhy.errors import ModelError
from seewhy.models.backbone import Backbone
from seewhy.prototypes.network import PrototypeHead, PrototypeNetwork, own_class


def head(measure="cosine", owners=(0, 0, 1), classes=2):
    torch.manual_seed(0)
    return PrototypeHead(8, owners, classes, 5, measure)


@pytest.fixture
def features():
    return torch.randn((3, 8, 4, 6), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("measure", ["cosine", "log-distance"])
def test_distances_are_those_of_every_patch_to_every_prototype(features, measure):
    made = head(measure)
    z, p, found = made.patches(features), made.unit_prototypes, made.distances(features)
    assert found.shape == (3, 3, 4, 6)
    for j in range(3):
        for row, column in [(0, 0), (2, 5)]:
            expected = (z[:, :, row, column] - p[j]).square().sum(1)
            torch.testing.assert_close(found[:, j, row, column], expected)


def test_the_cosine_of_a_patch_with_itself_is_one(features):
    made = head()
    made.prototypes.data[0] = 3 * made.patches(features)[1, :, 2, 3].detach()
    alike = made.similarity(made.distances(features))
    assert alike[1, 0, 2, 3].item() == pytest.approx(1, abs=1e-6)
    assert alike.max() <= 1


def test_the_published_similarity():
    made = head("log-distance")
    distances = torch.tensor([0.0, 1.0, 5.0])
    expected = [math.log(1 / 1e-4), math.log(2 / 1.0001), math.log(6 / 5.0001)]
    assert made.similarity(distances).tolist() == pytest.approx(expected)
    assert made.patches(torch.randn(1, 8, 2, 2) * 100).amax() <= 1
    assert made.weights.tolist() == [[1, 1, -0.5], [-0.5, -0.5, 1]]
    assert not made.bias.any()


def test_scores_are_points_of_the_best_patches(features):
    made = head()
    best = made.similarity(made.distances(features)).amax((2, 3))
    torch.testing.assert_close(made(features), best @ made.weights.T + made.bias)


def test_dropped_prototypes_take_their_weights_along(features):
    made = head()
    best = made.similarity(made.distances(features)).amax((2, 3))
    expected = best[:, 1:] @ made.weights[:, 1:].T
    made.keep(torch.tensor([False, True, True]))
    assert made.owners.tolist() == [0, 1]
    torch.testing.assert_close(made(features), expected)


def test_own_classes():
    assert own_class(torch.tensor([1, 0, 1]), 2).tolist() == [[False, True, False], [True, False, True]]


@pytest.mark.parametrize("name", ["residual", "reused", "overlapping", "chunked", "tiny-vit", "channels-last"])
def test_a_backbone_gives_what_the_layer_gives(name):
    classifier = zoo.classifier(name)
    backbone = Backbone.of(classifier)
    with torch.no_grad():
        found = backbone(zoo.inputs(3))
    assert found.dim() == 4
    assert found.shape[1:] == (backbone.grid.channels, backbone.grid.height, backbone.grid.width)
    assert not any(part._forward_hooks for part in classifier.module.modules())


def test_a_backbone_keeps_its_statistics_while_its_weights_learn():
    backbone = Backbone.of(zoo.classifier("residual"))
    made = PrototypeNetwork(backbone, head()).train()
    assert made.head.training
    before = backbone.module.norm.running_mean.clone()
    made(zoo.inputs(4)).sum().backward()
    assert torch.equal(backbone.module.norm.running_mean, before)
    assert backbone.module.stem.weight.grad.abs().sum() > 0


def test_a_layer_without_a_grid_is_refused():
    with pytest.raises(ModelError, match="no grid over the picture"):
        Backbone.of(zoo.classifier("residual"), "head")

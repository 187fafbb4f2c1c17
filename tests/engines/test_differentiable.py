"""A network as a function of its input, or of what a layer puts out: values, gradients, and what they cost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import zoo
from seewhy.engines import Call, Differentiable, FromLayer, RuleSet, surrogate
from seewhy.errors import ExplainError, UnknownName
from seewhy.models import Classifier, Target

pytestmark = pytest.mark.usefixtures("one_thread")

TARGETS = [Target(1), Target(3, against=0)]
LAYERS = {"residual": ["stem", "norm", "relu"], "reused": ["block"], "tiny-vit": ["blocks.0", "patches"],
          "channels-last": ["mix"], "training": ["conv"], "branches": ["stem", "wide"]}  # fmt: skip


def pixels(count: int = 2, seed: int = 0) -> Tensor:
    return torch.rand((count, 3, *zoo.SIZE), generator=torch.Generator().manual_seed(seed))


def exact(name: str) -> Classifier:
    """In float64."""
    classifier = zoo.classifier(name)
    classifier.module.double()
    return classifier


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", zoo.SOUND)
def test_values_and_gradients_are_the_networks_own(name):
    classifier = exact(name)
    network = Differentiable(classifier)
    points = network.points(pixels().double())
    logits, found = network.gradients(points, TARGETS)
    leaf = classifier.preprocessing.normalize(pixels().double()).requires_grad_()
    own = classifier.logits(leaf)
    close(points, leaf)
    close(logits, own)
    close(network.logits(points), own)
    for gradient, target in zip(found, TARGETS, strict=True):
        close(gradient, torch.autograd.grad(target.score(own).sum(), leaf, retain_graph=True)[0])


def test_points_and_gradients_lie_channels_last():
    network = Differentiable(zoo.classifier("residual"))
    points = network.points(pixels())
    assert points.is_contiguous(memory_format=torch.channels_last)
    assert points.dtype == torch.float32


def test_what_it_costs_is_counted():
    network = Differentiable(zoo.classifier("residual"))
    points = network.points(pixels(5))
    network.logits(points)
    network.gradients(points, TARGETS)
    assert (network.forwards, network.backwards) == (10, 10)


def test_to_watch_is_a_forward_under_the_rules():
    def noting(call: Call) -> Tensor:
        seen.append(call.name)
        return call.plain()

    seen: list[str] = []
    network = Differentiable(zoo.classifier("gap-linear"))
    network.watch(network.points(pixels(4)), TARGETS, RuleSet("noting", {"dense": noting}))
    assert seen == ["linear"]
    assert (network.forwards, network.backwards) == (4, 0)


def test_rules_take_the_place_of_derivatives():
    def twice(call: Call) -> Tensor:
        y = call.plain()
        return surrogate(2 * y, y.detach().clone)

    network = Differentiable(zoo.classifier("gap-linear"))
    points = network.points(pixels())
    _, (own,) = network.gradients(points, TARGETS[:1])
    _, (found,) = network.gradients(points, TARGETS[:1], RuleSet("twice", {"dense": twice}))
    torch.testing.assert_close(found, 2 * own)


@pytest.mark.parametrize("name", ["mutates-input", "residual"])
def test_points_are_not_written_to(name):
    network = Differentiable(zoo.classifier(name))
    points = network.points(pixels())
    before = points.clone()
    first = network.logits(points)
    logits, _ = network.gradients(points, TARGETS)
    assert torch.equal(points, before)
    torch.testing.assert_close(logits, first)


def test_a_network_that_does_not_care_has_gradients_of_zero():
    network = Differentiable(zoo.classifier("constant"))
    _, found = network.gradients(network.points(pixels()), TARGETS)
    assert not any(bool(each.any()) for each in found)


# --- From a layer on ----------------------------------------------------------------------------------------------

EVERY = [(name, layer) for name, layers in LAYERS.items() for layer in layers]


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_from_a_layers_own_output_on_it_is_the_network(name, layer):
    classifier, picture = exact(name), pixels(1).double()
    network = FromLayer(classifier, layer, picture[0])
    point = network.points(picture)
    close(network.logits(point), classifier.logits(classifier.preprocessing.normalize(picture)))


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_its_gradient_tells_what_a_small_change_of_the_layer_does(name, layer):
    classifier, picture, step = exact(name), pixels(1).double(), 1e-6
    network = FromLayer(classifier, layer, picture[0])
    point = network.points(picture)
    change = step * torch.randn(point.shape, generator=torch.Generator().manual_seed(1), dtype=point.dtype)
    _, found = network.gradients(point, TARGETS)
    ends = network.logits(torch.cat([point + change, point - change]))
    for gradient, target in zip(found, TARGETS, strict=True):
        above, below = target.score(ends)
        torch.testing.assert_close((gradient * change).sum() / step, (above - below) / 2 / step, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_several_points_are_one_by_one(name, layer):
    network = FromLayer(exact(name), layer, pixels(1).double()[0])
    points = network.points(pixels(3).double())
    logits, (together,) = network.gradients(points, TARGETS[:1])
    for row in range(3):
        alone, (found,) = network.gradients(points[row : row + 1], TARGETS[:1])
        close(logits[row : row + 1], alone)
        close(together[row : row + 1], found)


@pytest.mark.parametrize(("name", "layer"), EVERY)
def test_what_belongs_to_points_is_a_map_over_the_picture(name, layer):
    network = FromLayer(zoo.classifier(name), layer, pixels(1)[0])
    points = network.points(pixels(3))
    maps = network.maps(points)
    grid = network.classifier.grid(layer)
    assert maps.dim() == 4
    assert len(maps) == 3
    assert grid is not None
    torch.testing.assert_close(maps, grid.fold(points))


def test_a_shortcut_past_the_layer_stays_that_of_the_picture():
    """With nothing from the branch, what is left is the trunk of the picture that was given."""
    classifier = exact("residual")
    module, (first, second) = classifier.module, pixels(2).double()
    network = FromLayer(classifier, "second", first)
    nothing = torch.zeros_like(network.points(second[None]))
    trunk = module.stem(classifier.preprocessing.normalize(first[None])).relu()
    close(network.logits(nothing), module.head(trunk.mean((2, 3))))


def test_a_layer_that_does_not_exist_or_has_no_grid_is_refused():
    with pytest.raises(UnknownName, match="nowhere"):
        FromLayer(zoo.classifier("residual"), "nowhere", pixels(1)[0])
    with pytest.raises(ExplainError, match="head"):
        FromLayer(zoo.classifier("residual"), "head", pixels(1)[0])

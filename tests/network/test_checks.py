from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.core.progress import silent
from seewhy.models import Classifier, Preprocessing, Target, capture, folded
from seewhy.network.checks import AREA, taken_out, without_areas, without_groups


class Two(nn.Module):
    """Two layers, of which the second reads each map of the first alone; the first class sees one map of two."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1, groups=4)
        with torch.no_grad():
            self.two.weight.fill_(1)
            self.two.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return 3 * self.two(self.one(x).abs()).mean((2, 3))


def two() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier.from_module(Two().eval(), Preprocessing(size=zoo.SIZE), name="two")


def hooked(classifier: Classifier, layer: str, change: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Logits while a hook changes what a layer gives: the same without the engine."""
    handle = classifier.module.get_submodule(layer).register_forward_hook(lambda *run: change(run[2].clone()))
    try:
        with torch.no_grad():
            return classifier.logits(x)[0]
    finally:
        handle.remove()


@pytest.mark.parametrize("name", ["gap-linear", "tiny-vit", "channels-last", "branches"])
def test_a_group_taken_out_is_its_channels_at_nought_over_the_grid(name):
    classifier = zoo.classifier(name)
    layer = classifier.default_layer
    grid, x = classifier.require_grid(layer), classifier.preprocess(zoo.photos(1))
    group = tuple(range(0, grid.channels, 2))

    def silence(output: Tensor) -> Tensor:
        grid.fold(output)[:, list(group)] = 0
        return output

    (found,), links, _ = without_groups(classifier, x, Target(1), {layer: [group, ()]}, signed=False, progress=silent)
    expected = hooked(classifier, layer, silence, x).softmax(0)[1]
    with torch.no_grad():
        whole = classifier.logits(x)[0].softmax(0)[1]
    assert found == pytest.approx([float(expected), float(whole)], abs=1e-5)
    assert links == []


def test_tokens_beside_the_grid_keep_their_channels():
    classifier = zoo.classifier("tiny-vit")
    layer = classifier.default_layer
    grid, x = classifier.require_grid(layer), classifier.preprocess(zoo.photos(1))
    with capture(classifier.module, [layer], gradients=False) as seen:
        classifier.logits(x)
    before, after = seen[layer], taken_out(seen[layer], grid, [(0, 1)])
    assert grid.prefix > 0
    assert torch.equal(before[:, : grid.prefix], after[:, : grid.prefix])
    assert bool((after[:, grid.prefix :, :2] == 0).all())


@pytest.mark.parametrize("signed", [False, True])
def test_a_link_is_what_the_later_group_loses(signed):
    classifier = two()
    groups = {"one": [(0, 1), (2,)], "two": [(0,), (2, 3)]}
    with capture(classifier.module, ["two"], gradients=False) as seen:
        classifier.logits(classifier.preprocess(zoo.photos(1)))
    last = folded(classifier.require_grid("two"), seen["two"])[0].square().sum((1, 2))
    x = classifier.preprocess(zoo.photos(1))
    _, links, _ = without_groups(classifier, x, Target(0), groups, signed=signed, progress=silent)
    assert [link[:4] for link in links] == [(0, 0, 1, 0), (0, 0, 1, 1), (0, 1, 1, 0), (0, 1, 1, 1)]
    share = float(last[2] / (last[2] + last[3]))
    found = [link.influence for link in links]
    assert found[:3] == pytest.approx([1, 0, 0], abs=1e-6) or signed
    assert found[3] == pytest.approx(share, abs=1e-5) or signed


def test_a_picture_passes_through_the_network_once_for_all_layers():
    classifier, groups = two(), {"one": [(0, 1), (2,)], "two": [(0,), (2, 3)]}
    for layer in groups:
        classifier.require_grid(layer)  # which asks the network once
    passed, own = list[int](), classifier.module.one.forward

    def counting(x: Tensor) -> Tensor:
        passed.append(len(x))
        return own(x)

    classifier.module.one.forward = counting
    x = classifier.preprocess(zoo.photos(1))
    _, _, runs = without_groups(classifier, x, Target(0), groups, signed=False, progress=silent)
    assert passed == [1]
    assert runs == 1 + 4


def test_an_area_is_hidden_hard():
    classifier, image = zoo.classifier("gap-linear"), zoo.photos(1)[0]
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    ((grey, filled),), _ = without_areas(
        classifier, image, Target(1), [values], generator=torch.Generator(), progress=silent
    )
    pixels = classifier.preprocessing.pixels([image])
    mask = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], zoo.SIZE, mode="bilinear")
    mask = (mask - mask.min()) / (mask.max() - mask.min()) >= AREA
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    with torch.no_grad():
        mixed = classifier.preprocessing.normalize(torch.where(mask, mean, pixels))
        expected = float(classifier.logits(mixed).softmax(1)[0, 1])
    assert grey == pytest.approx(expected, abs=5e-3)  # half precision may answer
    assert 0 <= filled <= 1
    assert filled != grey

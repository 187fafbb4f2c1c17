"""CAMs without gradients against literal twins, closed forms, and pytorch-grad-cam."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import planted
import zoo
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, find_method, task
from seewhy.methods.score_cam import cluster_sums, without_channels
from seewhy.models import Classifier, Grid, Preprocessing, Target, capture
from seewhy.models.preprocessing import IMAGENET_MEAN
from seewhy.models.shim import ready_torchvision

METHODS = ["score-cam", "ablation-cam", "cluster-cam"]


def explain(name: str, classifier: Classifier, *targets: Target, image: Image | None = None, **parameters: Any):
    """One explanation per target and layer of one picture, computed in float32."""
    exact = {} if name == "ablation-cam" else {"precision": "float32"}
    method = find_method(name, **exact, **parameters)
    return method(classifier, [image or zoo.photos(1)[0]], [targets], generator=torch.Generator())


def maps_of(classifier: Classifier, layer: str, image: Image) -> Tensor:
    """`(C, h, w)`."""
    with capture(classifier.module, [layer], gradients=False) as seen:
        classifier.logits(classifier.preprocess([image]))
    grid = classifier.grid(layer)
    assert grid
    return grid.fold(seen[layer])[0]


def large(values: Tensor, size: tuple[int, int] = zoo.SIZE) -> Tensor:
    return interpolate(values[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def stretched(values: Tensor) -> Tensor:
    return (values - values.min()) / (values.max() - values.min())


def masked_logits(classifier: Classifier, image: Image, mask: Tensor) -> Tensor:
    """`(K,)` of the picture fading to ImageNet's mean colour, which normalised is 0."""
    with torch.no_grad():
        return classifier.logits(classifier.preprocess([image]) * mask)[0]


# --- Literal twins ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["increase", "softmax"])
@pytest.mark.parametrize(("name", "layer"), [("residual", "relu"), ("tiny-vit", "blocks.1.norm1")])
def test_score_cam_is_what_its_formula_says(name, layer, weighting):
    classifier, image = zoo.classifier(name), zoo.photos(1)[0]
    targets = [Target(1), Target(3, against=0)]
    found = explain("score-cam", classifier, *targets, layers=(layer,), weighting=weighting, signed=True)
    maps = maps_of(classifier, layer, image)
    nothing = masked_logits(classifier, image, torch.zeros(zoo.SIZE))
    rows = [masked_logits(classifier, image, stretched(large(each))) for each in maps]
    for each, target in zip(found, targets, strict=True):
        if weighting == "softmax":
            exponents = [float(row[target.index] - (row[0] if target.against == 0 else 0)) for row in rows]
            weights = np.exp(exponents) / np.exp(exponents).sum()
        else:
            weights = [sureness(row, target) - sureness(nothing, target) for row in rows]
        wanted = sum(weight * large(one) for weight, one in zip(weights, maps, strict=True))
        np.testing.assert_allclose(each.values, wanted.numpy(), atol=1e-4 * float(wanted.abs().max()))
    assert found[0].cost.forwards == 1 + 1 + 1 + len(maps), "the picture, its maps, nothing, and each map"


def sureness(logits: Tensor, target: Target) -> float:
    if target.against is None:
        return float(logits.softmax(0)[target.index])
    return float(logits[[target.index, target.against]].softmax(0)[0])


@pytest.mark.parametrize(
    ("name", "layer"), [("residual", "norm"), ("tiny-vit", "blocks.1.norm1"), ("channels-last", "mix")]
)
def test_ablation_cam_is_what_its_formula_says(name, layer):
    classifier, image = zoo.classifier(name), zoo.photos(1)[0]
    targets = [Target(2), Target(0, against=1)]
    found = explain("ablation-cam", classifier, *targets, layers=(layer,), signed=True)
    grid, maps = classifier.grid(layer), maps_of(classifier, layer, image)
    drops = []
    for k in range(len(maps)):

        def ablate(_module: nn.Module, _args: Any, output: Tensor, k: int = k) -> Tensor:
            output = output.clone()
            if grid.layout == "channels first":
                output[:, k] = 0
            else:
                output[:, grid.prefix :, ..., k] = 0
            return output

        handle = classifier.module.get_submodule(layer).register_forward_hook(ablate)
        with torch.no_grad():
            ablated = classifier.logits(classifier.preprocess([image]))[0]
        handle.remove()
        with torch.no_grad():
            drops.append(classifier.logits(classifier.preprocess([image]))[0] - ablated)
    for each, weights in zip(found, [[d[2] for d in drops], [d[0] - d[1] for d in drops]], strict=True):
        wanted = sum(weight * large(one) for weight, one in zip(weights, maps, strict=True))
        np.testing.assert_allclose(each.values, wanted.numpy(), atol=1e-4 * float(wanted.abs().max()))


# --- Closed forms -------------------------------------------------------------------------------------------------


def test_ablation_cam_before_a_pooled_linear_head():
    classifier, image = zoo.classifier("gap-linear"), zoo.photos(1)[0]
    (found,) = explain("ablation-cam", classifier, Target(3), layers=("relu",), signed=True)
    maps = maps_of(classifier, "relu", image)
    weights = classifier.module.head.weight[3].detach() * maps.mean((1, 2))
    wanted = large(torch.einsum("k,khw->hw", weights, maps))
    np.testing.assert_allclose(found.values, wanted.numpy(), atol=1e-5)


def test_ablation_cam_keeps_its_sign_where_the_logit_is_negative():
    classifier = planted.classifier()
    with torch.no_grad():
        classifier.module.head.bias.fill_(-1000)
    (found,) = explain("ablation-cam", classifier, Target(0), image=planted.picture())
    assert planted.is_inside(found.values)


@pytest.mark.parametrize(
    ("grid", "shape"),
    [
        (Grid("channels first", 3, 2, 4), (1, 3, 2, 4)),
        (Grid("channels last", 3, 2, 4), (1, 2, 4, 3)),
        (Grid("tokens", 3, 2, 4, prefix=2), (1, 10, 3)),
    ],
)
def test_a_channel_is_taken_away_over_the_grid_alone(grid, shape):
    activation = torch.rand(shape) + 1
    kept = activation.clone()
    found = without_channels(activation, grid, [2, 0])
    assert torch.equal(activation, kept)
    for row, channel in zip(found, (2, 0), strict=True):
        folded = grid.fold(row[None])[0]
        assert not folded[channel].any()
        others = [k for k in range(3) if k != channel]
        assert torch.equal(folded[others], grid.fold(activation)[0][others])
    if grid.prefix:
        assert torch.equal(found[:, :2], activation[:, :2].expand(2, -1, -1))


def test_maps_that_are_flat_have_no_part_in_score_cam():
    classifier = zoo.classifier("gap-linear")
    with torch.no_grad():
        classifier.module.conv.weight[:4] = 0
        classifier.module.conv.bias[:4] = torch.tensor([0.0, 5.0, -5.0, 1.0])
    (found,) = explain("score-cam", classifier, Target(0), layers=("relu",), signed=True)
    assert found.cost.forwards == 3 + 4
    with torch.no_grad():
        classifier.module.conv.weight.zero_()
    for name in ("score-cam", "cluster-cam"):
        (found,) = explain(name, classifier, Target(0), layers=("relu",))
        assert found.is_zero


@pytest.mark.parametrize("name", METHODS)
def test_the_map_lies_where_the_object_is(name):
    parameters = {"clusters": 2} if name == "cluster-cam" else {}
    (found,) = explain(name, planted.classifier(), Target(0), image=planted.picture(), **parameters)
    assert planted.is_inside(found.values)
    assert planted.inside(found.values) > 0.5


def test_how_many_masks_are_held_at_once_does_not_matter(monkeypatch):
    (wanted,) = explain("score-cam", zoo.classifier("residual"), Target(1))
    monkeypatch.setattr(task, "CHUNK", 3)
    (found,) = explain("score-cam", zoo.classifier("residual"), Target(1))
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-5 * wanted.values.max())


def test_an_unknown_weighting_is_refused():
    with pytest.raises(UsageError, match="takes increase, softmax for weighting, not 'median'"):
        find_method("score-cam", weighting="median")


# --- Clusters -----------------------------------------------------------------------------------------------------


def test_as_many_clusters_as_maps_are_score_cam():
    classifier = zoo.classifier("residual")
    (one,) = explain("score-cam", classifier, Target(2), layers=("relu",))
    (two,) = explain("cluster-cam", classifier, Target(2), layers=("relu",), clusters=zoo.WIDTH)
    np.testing.assert_allclose(two.values, one.values, atol=1e-6)


def test_maps_that_respond_in_the_same_place_are_one_cluster():
    corners = torch.zeros(3, 4, 4)
    corners[0, :2, :2] = corners[1, 2:, :2] = corners[2, 2:, 2:] = 1
    members = [0, 1, 0, 2, 2, 1, 0]
    strengths = torch.tensor([1.0, 9.0, 30.0, 2.0, 7.0, 0.5, 4.0])
    noise = 0.05 * torch.rand((7, 4, 4), generator=torch.Generator().manual_seed(0))
    maps = strengths[:, None, None] * (corners[members] + noise)
    found = cluster_sums(maps, 3)
    wanted = torch.stack([maps[[n for n, m in enumerate(members) if m == cluster]].sum(0) for cluster in range(3)])
    assert sorted(found.sum((1, 2)).tolist()) == pytest.approx(sorted(wanted.sum((1, 2)).tolist()))
    torch.testing.assert_close(cluster_sums(maps, 1), maps.sum(0, keepdim=True))
    assert torch.equal(cluster_sums(maps, 50), maps)


def test_equal_maps_are_no_more_clusters_than_they_differ():
    one = torch.rand(2, 3, 3)
    maps = torch.cat([one, 2 * one, 5 * one])
    torch.testing.assert_close(cluster_sums(maps, 4).sum((1, 2)).sort().values, (8 * one).sum((1, 2)).sort().values)


def test_clusters_do_not_hang_on_the_seed():
    method = find_method("cluster-cam", clusters=3)
    classifier, image = zoo.classifier("residual"), zoo.photos(1)[0]
    found = {
        method(classifier, [image], [[Target(1)]], generator=torch.Generator().manual_seed(seed))[0].values.tobytes()
        for seed in range(3)
    }
    assert len(found) == 1


# --- pytorch-grad-cam ---------------------------------------------------------------------------------------------

PIXELS = 64


class Tiny(nn.Module):
    """Its last maps have different places, and none is flat."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 12, 5, stride=4), nn.ReLU(), nn.Conv2d(12, 16, 3), nn.ReLU())
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


@lru_cache(maxsize=2)
def subject(name: str) -> tuple[Classifier, str]:
    ready_torchvision()
    from torchvision.models import resnet18

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, layer = (Tiny(), "features") if name == "tiny" else (resnet18(), "layer2")
    return Classifier.from_module(network.eval(), Preprocessing((PIXELS, PIXELS), mean=IMAGENET_MEAN)), layer


def their_map(method: str, classifier: Classifier, layer: str, image: Image, index: int) -> np.ndarray:
    import pytorch_grad_cam as theirs
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    make = {"score-cam": theirs.ScoreCAM, "ablation-cam": theirs.AblationCAM}[method]
    with make(classifier.module, [classifier.module.get_submodule(layer)]) as cam:
        return cam(classifier.preprocess([image]), [ClassifierOutputTarget(index)])[0]


@pytest.fixture
def their_maps_enlarged_as_ours(monkeypatch):
    """pytorch-grad-cam enlarges masks with `align_corners=True` but maps without; we do both without."""
    monkeypatch.setattr(nn, "UpsamplingBilinear2d", lambda size: nn.Upsample(size, mode="bilinear"))


@pytest.mark.parametrize("method", ["score-cam", "ablation-cam"])
@pytest.mark.parametrize("name", ["tiny", "resnet18"])
@pytest.mark.usefixtures("their_maps_enlarged_as_ours")
def test_pytorch_grad_cam_draws_the_same_map(name, method):
    """After a ReLU, where both set to zero; with their softmax; where the logit that they divide by is positive."""
    classifier, layer = subject(name)
    image = zoo.photos(1, PIXELS, PIXELS)[0]
    index = classifier.predict(image)[0].index
    parameters = {"weighting": "softmax"} if method == "score-cam" else {}
    (ours,) = explain(method, classifier, Target(index), image=image, layers=(layer,), **parameters)
    theirs = their_map(method, classifier, layer, image, index)
    assert theirs.max() > 0.99, "an empty map proves nothing"
    np.testing.assert_allclose(min_max(ours), theirs, atol=1e-3, rtol=0)


def min_max(found: Explanation) -> np.ndarray:
    return (found.values - found.values.min()) / max(np.ptp(found.values), 1e-7)

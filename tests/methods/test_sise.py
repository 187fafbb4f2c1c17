"""SISE against a literal twin, and where the object is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from skimage.filters import threshold_otsu
from torch import Tensor, nn
from torch.nn.functional import interpolate

import planted
import zoo
from seewhy.errors import ExplainError, UsageError
from seewhy.images import Image
from seewhy.methods import find_method
from seewhy.methods.score_cam import fused, otsu, stage_layers
from seewhy.models import Classifier, Preprocessing, Target, capture
from seewhy.models.shim import ready_torchvision

STAGES = ("first", "second", "third")  # of the planted network


def explain(name: str, classifier: Classifier, image: Image, *targets: Target, **parameters: Any):
    method = find_method(name, precision="float32", **parameters)
    return method(classifier, [image], [targets], generator=torch.Generator())


# --- Stages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("resnet18", ("relu", "layer1", "layer2", "layer3", "layer4")),
        ("vgg11_bn", ("features.2", "features.6", "features.13", "features.20", "features.27")),
        (
            "densenet121",
            ("features.relu0", *(f"features.denseblock{n}" for n in (1, 2, 3)), "features"),
        ),
    ],
)
def test_a_stage_is_the_last_layer_of_its_resolution(name, wanted):
    ready_torchvision()
    from torchvision.models import get_model

    classifier = Classifier.from_module(get_model(name).eval(), Preprocessing((64, 64)))
    assert stage_layers(classifier) == wanted
    assert stage_layers(classifier)[-1] == classifier.default_layer


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("overlapping", ("features.1", "features.4")), ("tiny-vit", ("blocks.1.norm1",)), ("residual", ("relu",))],
)
def test_stages_of_small_networks(name, wanted):
    assert stage_layers(zoo.classifier(name)) == wanted


def part(channels: int) -> nn.Module:
    """Shrinks at its end."""
    return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))


def test_what_a_pool_puts_out_is_no_stage():
    module = nn.Sequential(part(3), part(4), part(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, zoo.CLASSES))
    classifier = Classifier.from_module(module.eval(), Preprocessing(zoo.SIZE))
    assert stage_layers(classifier) == ("0.1", "1.1", "2.1")


def test_stages_of_the_planted_network():
    assert stage_layers(planted.classifier()) == STAGES


# --- Otsu and fusion ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_otsu_is_skimages(seed):
    values = torch.rand((20, 30), generator=torch.Generator().manual_seed(seed)) ** (1 + seed)
    levels = np.rint(values.numpy() * 255).astype(np.uint8)
    assert np.array_equal(otsu(values).numpy(), levels > threshold_otsu(levels))


def test_otsu_parts_two_heaps():
    values = torch.tensor([[0.1, 0.12, 0.9], [0.88, 0.08, 0.11]])
    assert otsu(values).tolist() == [[False, False, True], [True, False, False]]
    assert not otsu(torch.zeros(3, 3)).any()


def test_a_coarse_map_adds_where_it_is_high_and_cuts_where_it_is_low():
    fine = torch.tensor([[4.0, 2.0, 0.0, 4.0]])
    coarse = torch.tensor([[0.0, 8.0, 10.0, 1.0]])
    torch.testing.assert_close(fused([fine, coarse]), torch.tensor([[0.0, 0.5 + 0.8, 0.0 + 1.0, 0.0]]))
    torch.testing.assert_close(fused([fine]), torch.tensor([[1.0, 0.5, 0.0, 1.0]]))


# --- The method ---------------------------------------------------------------------------------------------------


def features(classifier: Classifier, layer: str, image: Image, index: int) -> tuple[Tensor, Tensor]:
    """Maps and gradients `(C, h, w)`."""
    with capture(classifier.module, [layer]) as seen:
        logits = classifier.logits(classifier.preprocess([image]))
        slopes = seen.gradients(logits[0, index], [layer])[layer]
    return seen[layer].detach()[0], slopes[0]


def literal(classifier: Classifier, image: Image, index: int, layers: tuple[str, ...], *, adaptive: bool) -> np.ndarray:
    size = classifier.preprocessing.size
    x = classifier.preprocess([image])
    fill = classifier.preprocessing.normalize(torch.zeros(1, 3, *size))
    result = None
    for layer in layers:
        maps, slopes = features(classifier, layer, image, index)
        alphas = [float(slope.sum()) for slope in slopes]
        floor = threshold_otsu(np.array([a for a in alphas if a > 0], np.float32)) if adaptive else 0.0
        total, kept = np.zeros(size), 0
        for one, alpha in zip(maps, alphas, strict=True):
            if alpha <= max(floor, 0):
                continue
            mask = interpolate(one[None, None], size, mode="bilinear")[0, 0]
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            with torch.no_grad():
                likely = float(classifier.logits(mask * x + (1 - mask) * fill)[0].softmax(0)[index])
            total += likely * mask.numpy() / float(mask.sum())
            kept += 1
        seen = stretched(total / kept)
        if result is None:
            result = seen
        else:
            levels = np.rint(seen * 255).astype(np.uint8)
            result = (stretched(result) + seen) * (levels > threshold_otsu(levels))
    return result


def stretched(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (values.max() - values.min())


@pytest.mark.parametrize("name", ["sise", "ada-sise"])
def test_it_is_what_its_steps_say(name):
    classifier, image = zoo.classifier("overlapping"), zoo.photos(1)[0]
    layers = stage_layers(classifier)
    found = explain(name, classifier, image, Target(1), Target(3), fill="black")
    for each in found:
        wanted = literal(classifier, image, each.target.index, layers, adaptive=name == "ada-sise")
        np.testing.assert_allclose(each.values, wanted, atol=1e-4)
        assert each.values.any()
        assert each.checks["layers"] == 2


def test_only_maps_with_a_positive_gradient_become_masks():
    classifier, image = planted.classifier(), planted.picture()
    (red,) = explain("sise", classifier, image, Target(0))
    kept = 0
    for layer in STAGES:
        maps, slopes = features(classifier, layer, image, 0)
        varied = maps.amax((1, 2)) > maps.amin((1, 2))
        kept += int(((slopes.sum((1, 2)) > 0) & varied).sum())
    assert red.checks["masks"] == kept == 1 + 1 + 2, "red's own maps at each stage"
    assert red.cost.forwards == 2 + kept - 1, "each mask once: two stages have one in common"


@pytest.mark.parametrize("name", ["sise", "ada-sise"])
def test_more_of_the_map_lies_on_the_object_than_grad_cams(name):
    classifier, image = planted.classifier(), planted.picture()
    (found,) = explain(name, classifier, image, Target(0))
    (coarse,) = find_method("grad-cam")(classifier, [image], [[Target(0)]], generator=torch.Generator())
    assert planted.inside(found.values) > planted.inside(coarse.values) > 0.3
    assert planted.is_inside(found.values)


def test_adaptive_keeps_no_more_masks():
    classifier, image = zoo.classifier("overlapping"), zoo.photos(1)[0]
    (plain,), (adaptive,) = (explain(name, classifier, image, Target(1)) for name in ("sise", "ada-sise"))
    assert 0 < adaptive.checks["masks"] < plain.checks["masks"]


def test_masks_may_be_limited_and_the_others_are_counted():
    classifier, image = zoo.classifier("overlapping"), zoo.photos(1)[0]
    (plain,) = explain("sise", classifier, image, Target(1))
    (limited,) = explain("sise", classifier, image, Target(1), most=2)
    assert plain.checks["left_out"] == 0
    assert limited.checks["masks"] == 4
    assert limited.checks["left_out"] == plain.checks["masks"] - 4
    (enough,) = explain("sise", classifier, image, Target(1), most=100)
    assert np.array_equal(enough.values, plain.values)
    with pytest.raises(UsageError, match="at least 1, not 0"):
        find_method("sise", most=0)


def test_the_layers_may_be_chosen():
    classifier, image = planted.classifier(), planted.picture()
    (found,) = explain("sise", classifier, image, Target(0), stages=("first",))
    assert found.checks["layers"] == 1
    assert found.parameters["stages"] == ["first"]
    assert found.layer is None
    with pytest.raises(ExplainError, match="keeps no grid"):
        explain("sise", classifier, image, Target(0), stages=("first", "head"))


def test_where_nothing_raises_the_class_there_is_no_evidence():
    classifier = planted.classifier()
    with torch.no_grad():
        classifier.module.head.weight[1] = -1
    (found,) = explain("sise", classifier, planted.picture(), Target(1))
    assert found.is_zero
    assert found.checks["masks"] == 0

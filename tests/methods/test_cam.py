"""The mathematics: every map against a literal twin, against closed forms, and against pytorch-grad-cam."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

import zoo
from seewhy.images import Image
from seewhy.methods import find_method
from seewhy.methods.cam import (
    eigen_cam,
    eigen_grad_cam,
    element_wise_cam,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    layer_cam,
    x_grad_cam,
)
from seewhy.models import Classifier, Preprocessing, Target, capture
from seewhy.models.shim import ready_torchvision

METHODS = [
    "grad-cam",
    "grad-cam++",
    "hires-cam",
    "xgrad-cam",
    "layer-cam",
    "element-wise-cam",
    "eigen-cam",
    "eigen-grad-cam",
    "seg-eigen-cam",
    "finer-cam",
]


def explained(classifier: Classifier, images: list[Image], targets: list[Target], method: str, **parameters: Any):
    """One explanation per image, each with its own target."""
    asked = [[target] for target in targets]
    return find_method(method, **parameters)(classifier, images, asked, generator=torch.Generator())


# --- Literal twins: one channel, one cell at a time, in float64 ---------------------------------------------------


def channelwise(weight: Callable[[np.ndarray, np.ndarray], float]):
    """A map whose channels have one weight each, for one image `(C, h, w)`."""

    def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
        out = np.zeros(a.shape[1:])
        for k in range(len(a)):
            w = weight(a[k], g[k])
            for i, j in np.ndindex(out.shape):
                out[i, j] += w * a[k, i, j]
        return out

    return twin


def cellwise(term: Callable[[float, float], float]):
    """A map that adds up one term per channel, cell by cell, for one image `(C, h, w)`."""

    def twin(a: np.ndarray, g: np.ndarray) -> np.ndarray:
        out = np.zeros(a.shape[1:])
        for k, i, j in np.ndindex(a.shape):
            out[i, j] += term(a[k, i, j], g[k, i, j])
        return out

    return twin


def mean_slope(_a: np.ndarray, g: np.ndarray) -> float:
    return sum(g.flat) / g.size


def plus_plus_weight(a: np.ndarray, g: np.ndarray) -> float:
    total = 0.0
    for slope in g.flat:
        if slope > 0:
            total += slope**2 / (2 * slope**2 + sum(a.flat) * slope**3 + 1e-6) * slope
    return total


def x_grad_weight(a: np.ndarray, g: np.ndarray) -> float:
    return sum(slope * value / (sum(a.flat) + 1e-7) for slope, value in zip(g.flat, a.flat, strict=True))


TWINS = {
    grad_cam: channelwise(mean_slope),
    grad_cam_plus_plus: channelwise(plus_plus_weight),
    x_grad_cam: channelwise(x_grad_weight),
    hires_cam: cellwise(lambda a, g: g * a),
    layer_cam: cellwise(lambda a, g: max(g, 0) * a),
    element_wise_cam: cellwise(lambda a, g: max(g * a, 0)),
}
numbers = st.floats(-2, 2, width=16)


@st.composite
def maps(draw) -> tuple[np.ndarray, np.ndarray]:
    """Activations and gradients `(N, C, h, w)`."""
    shape = draw(st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)))
    return draw(arrays(np.float64, shape, elements=numbers)), draw(arrays(np.float64, shape, elements=numbers))


def far_from_poles(a: np.ndarray, g: np.ndarray) -> bool:
    """Whether the quotients of Grad-CAM++ and XGrad-CAM are well conditioned: both divide by sums that may cancel."""
    sums = a.sum((2, 3), keepdims=True)
    terms = 2 * g**2, sums * g**3
    safe = np.abs(sum(terms) + 1e-6) > 1e-3 * (sum(map(np.abs, terms)) + 1e-6)
    return bool(safe.all() and ((np.abs(sums) > 1e-3) | (np.abs(a).sum((2, 3), keepdims=True) == 0)).all())


@pytest.mark.parametrize("function", TWINS, ids=lambda function: function.__name__)
@given(maps())
@settings(max_examples=60)
def test_a_map_is_what_its_formula_says(function, pair):
    a, g = pair
    assume(far_from_poles(a, g))
    found = function(torch.from_numpy(a), torch.from_numpy(g)).numpy()
    wanted = np.stack([TWINS[function](*each) for each in zip(a, g, strict=True)])
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("function", [eigen_cam, eigen_grad_cam])
@given(maps())
@settings(max_examples=60)
def test_a_principal_map_is_the_projection_on_the_first_singular_vector(function, pair):
    a, g = pair
    features = g * a if function is eigen_grad_cam else a
    found = function(torch.from_numpy(a), torch.from_numpy(g)).numpy()
    for row, one in zip(found, features, strict=True):
        cells = one.reshape(len(one), -1).T
        centred = cells - cells.mean(0)
        _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
        assume(len(sizes) == 1 or sizes[0] - sizes[1] >= 1e-3 * sizes[0])  # else the direction is anybody's guess
        wanted = (centred @ directions[0]).reshape(row.shape)
        np.testing.assert_allclose(np.abs(row), np.abs(wanted), rtol=1e-6, atol=1e-6)
        assert abs(row.min()) <= row.max() + 1e-9, "the larger extreme is positive"


def test_a_cell_without_slope_or_value_is_never_nan():
    a, g = torch.tensor([[[[0.02, 0.0]]]]), torch.tensor([[[[-100.0, -100.0]]]])  # 2g² + S g³ + 1e-6 is 0 in float32
    assert grad_cam_plus_plus(a, g).tolist() == [[[0.0, 0.0]]]
    nothing = torch.zeros(2, 3, 4, 4)
    for function in (*TWINS, eigen_cam, eigen_grad_cam):
        assert not function(nothing, nothing).any()


# --- Closed forms -------------------------------------------------------------------------------------------------


def seen_with_slopes(classifier: Classifier, layer: str, images: list[Image], index: int) -> tuple[Tensor, ...]:
    """Activations, gradients and logits."""
    with capture(classifier.module, [layer]) as seen:
        logits = classifier.logits(classifier.preprocess(images))
        slopes = seen.gradients(logits[:, index].sum(), [layer])[layer]
    return seen[layer].detach(), slopes, logits.detach()


@pytest.mark.parametrize("name", ["gap-linear", "residual", "training"])
def test_hires_cam_adds_up_to_the_logit_where_one_linear_layer_follows(name):
    classifier = zoo.classifier(name)
    activations, slopes, logits = seen_with_slopes(classifier, "relu", zoo.photos(3), 2)
    wanted = logits[:, 2] - classifier.module.head.bias[2]
    torch.testing.assert_close(hires_cam(activations, slopes).sum((1, 2)), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["gap-linear", "residual", "reused"])
def test_after_global_pooling_three_cams_are_one(name):
    layer = {"reused": "block"}.get(name, "relu")
    activations, slopes, _ = seen_with_slopes(zoo.classifier(name), layer, zoo.photos(2), 1)
    for function in (x_grad_cam, hires_cam):
        torch.testing.assert_close(function(activations, slopes), grad_cam(activations, slopes), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("signed", [False, True])
def test_grad_cam_of_a_pooled_linear_network_is_cam(signed):
    classifier = zoo.classifier("gap-linear")
    images, target = zoo.photos(1), Target(3)
    (found,) = explained(classifier, images, [target], "grad-cam", layers=("relu",), signed=signed)
    module = classifier.module
    with torch.no_grad():
        features = module.relu(module.conv(classifier.preprocess(images)))[0]
    cells = torch.einsum("k,khw->hw", module.head.weight[3].detach(), features) / features[0].numel()
    cells = cells if signed else cells.relu()
    wanted = nn.functional.interpolate(cells[None, None], zoo.SIZE, mode="bilinear", align_corners=False)[0, 0]
    np.testing.assert_allclose(found.values, wanted.numpy(), atol=1e-6)


def test_eigen_cam_is_blind_to_the_class_and_the_others_are_not():
    classifier = zoo.classifier("residual")
    for method in METHODS:
        zero, one = (explained(classifier, zoo.photos(1), [Target(index)], method, signed=True)[0] for index in (0, 1))
        assert np.array_equal(zero.values, one.values) == (method == "eigen-cam")


def test_finer_cam_of_a_contrast_is_grad_cam_of_the_contrast():
    classifier, contrast = zoo.classifier("residual"), [Target(1, against=3)]
    (finer,) = explained(classifier, zoo.photos(1), contrast, "finer-cam", signed=True)
    (plain,) = explained(classifier, zoo.photos(1), contrast, "grad-cam", signed=True)
    assert np.array_equal(finer.values, plain.values)
    assert finer.target_label == plain.target_label == "class 1 rather than class 3"


def test_finer_cam_compares_with_the_classes_of_the_nearest_scores():
    method = find_method("finer-cam", comparisons=2, strength=0.5)
    logits, target = torch.tensor([3.0, 2.8, -5.0, 3.5]), Target(0)
    share = 1 / (1 + np.exp(2.8 - 3.5))  # of class 3 against class 1
    assert method.score(logits, target).item() == pytest.approx(3 - 0.5 * (share * 3.5 + (1 - share) * 2.8))
    names = zoo.classifier("residual").categories
    assert method.label(logits, target, names) == "class 0 rather than class 1 or class 3"


class RedFinder(nn.Module):
    """Class 0 is "there is red"; nothing else matters."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU(), nn.AvgPool2d(8))
        self.head = nn.Linear(1, 2)
        with torch.no_grad():
            self.cells[0].weight.copy_(torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1))
            self.cells[0].bias.zero_()
            self.head.weight.copy_(torch.tensor([[1.0], [-1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x).mean((2, 3)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("resize", [None, 96], ids=["squeezed", "cropped"])
def test_the_map_lies_where_the_object_is(method, resize):
    pixels = np.zeros((96, 160, 3), np.uint8)
    pixels[60:76, 100:124] = (255, 0, 0)
    preprocessing = Preprocessing((64, 96), resize=resize, mean=(0, 0, 0), std=(1, 1, 1))
    classifier = Classifier.from_module(RedFinder(), preprocessing)
    (found,) = explained(classifier, [Image(pixels, "red")], [Target(0)], method, layers=("cells",))
    row, column = np.unravel_index(found.values.argmax(), found.values.shape)
    across = (found.view.right - found.view.left) / found.values.shape[1]
    down = (found.view.bottom - found.view.top) / found.values.shape[0]
    assert 60 <= found.view.top + (row + 0.5) * down < 76
    assert 100 <= found.view.left + (column + 0.5) * across < 124


# --- pytorch-grad-cam ---------------------------------------------------------------------------------------------


class Subject(NamedTuple):
    """A layer of a network, and how pytorch-grad-cam is told to read it."""

    layer: str
    reshape: Callable[[Tensor], Tensor] | None = None
    options: dict[str, int] = {}  # noqa: RUF012


PIXELS = 128


def tokens_to_maps(tokens: Tensor) -> Tensor:
    side = int((tokens.shape[1] - 1) ** 0.5)
    return tokens[:, 1:].transpose(1, 2).unflatten(2, (side, side))


SUBJECTS = {
    "resnet50": Subject("layer4"),
    "vgg16": Subject("features.29"),
    "densenet121": Subject("features.denseblock4"),
    "vit_b_16": Subject("encoder.layers.encoder_layer_11.ln_1", tokens_to_maps, {"image_size": PIXELS}),
    "swin_t": Subject("features.7.1.norm1", lambda maps: maps.permute(0, 3, 1, 2)),
}
QUICK = ["resnet50", "vit_b_16"]
# XGrad-CAM divides by the sum of a channel, which all but cancels where values have both signs, as after LayerNorm:
# rounding in float32 alone then moves the map by 1e-4 to 1e-3. Computed in float64 the two libraries agree.
ILL_CONDITIONED = {("vit_b_16", "xgrad-cam"), ("swin_t", "xgrad-cam")}


@lru_cache(maxsize=2)  # in float32 and float64
def subject(name: str, dtype: torch.dtype) -> Classifier:
    from torchvision.models import get_model

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = get_model(name, **SUBJECTS[name].options)
        if name == "vit_b_16":  # torchvision starts its head at zero, and every map with it
            nn.init.normal_(network.heads.head.weight, std=0.02)
    return Classifier.from_module(network.eval().to(dtype), Preprocessing((PIXELS, PIXELS)))


def their_map(name: str, method: str, classifier: Classifier, image: Image, index: int) -> np.ndarray:
    import pytorch_grad_cam as theirs
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    make = {
        "grad-cam": theirs.GradCAM,
        "grad-cam++": theirs.GradCAMPlusPlus,
        "hires-cam": theirs.HiResCAM,
        "xgrad-cam": theirs.XGradCAM,
        "layer-cam": theirs.LayerCAM,
        "element-wise-cam": theirs.GradCAMElementWise,
        "eigen-cam": theirs.EigenCAM,
        "eigen-grad-cam": theirs.EigenGradCAM,
        "seg-eigen-cam": theirs.SegEigenCAM,
        "finer-cam": theirs.FinerCAM,
    }[method]
    layer, reshape, _ = SUBJECTS[name]
    x = classifier.preprocess([image])
    with make(classifier.module, [classifier.module.get_submodule(layer)], reshape_transform=reshape) as cam:
        if method == "finer-cam":
            return cam(x, target_idx=index)[0]
        return cam(x, [ClassifierOutputTarget(index)])[0]


@pytest.fixture
def their_eigen_sign_settled(monkeypatch):
    """pytorch-grad-cam leaves the sign of Eigen-CAM to chance; it has our rule, but applies it elsewhere."""
    ready_torchvision()  # before pytorch-grad-cam imports it
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction

    for module in ("eigen_cam", "eigen_grad_cam"):
        monkeypatch.setattr(f"pytorch_grad_cam.{module}.get_2d_projection", get_2d_projection_with_sign_correction)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.heavy) for name in SUBJECTS if name not in QUICK)]
)
@pytest.mark.usefixtures("their_eigen_sign_settled")
def test_pytorch_grad_cam_draws_the_same_map(name, method):
    dtype = torch.float64 if (name, method) in ILL_CONDITIONED else torch.float32
    classifier, (image,) = subject(name, dtype), zoo.photos(1, PIXELS, PIXELS)
    target = Target(classifier.predict(image)[0].index)
    (ours,) = explained(classifier, [image], [target], method, layers=(SUBJECTS[name].layer,))
    theirs = their_map(name, method, classifier, image, target.index)
    assert theirs.max() > 0.99, "an empty map proves nothing"
    np.testing.assert_allclose(min_max(ours.values), theirs, atol=1e-4, rtol=0)


def min_max(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / max(np.ptp(values), 1e-7)

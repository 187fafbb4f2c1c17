"""SHAP over regions, on networks that answer by which regions they can see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from methods import games
from seewhy.engines.baselines import Filler
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, find_method
from seewhy.models import Classifier, Preprocessing, Target

SIDE = 16
CHECKERED = np.indices((SIDE, SIDE)).sum(0) % 2
METHODS = ["permutation-shap", "kernel-shap", "partition-shap"]
EIGHT, SIXTEEN = (
    np.kron(np.arange(count).reshape(4, -1), np.ones((4, 64 // count), int)).astype(np.int32) for count in (8, 16)
)

every_method = pytest.mark.parametrize("name", METHODS)


class Sees(nn.Module):
    """Answers by which regions it sees: in a checkered picture, a hidden region is as grey as its mean."""

    def __init__(self, labels: np.ndarray, rule: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rule = rule
        regions = torch.from_numpy(labels == np.arange(labels.max() + 1)[:, None, None])
        signs = torch.from_numpy(2.0 * CHECKERED - 1)
        self.register_buffer("detectors", (2 * regions * signs / regions.sum((1, 2), keepdim=True)).float())

    def forward(self, x: Tensor) -> Tensor:
        return self.rule(torch.einsum("nhw,rhw->nr", x[:, 0], self.detectors))


class Light(nn.Module):
    """Adds up the light, each pixel by its own weight."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights)

    def forward(self, x: Tensor) -> Tensor:
        score = (x.mean(1) * self.weights).sum((1, 2))
        return torch.stack([score, 0 * score], 1)


class Black:
    """Hides in black."""

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        return Filler(torch.zeros_like(pixels)[None])


def classifier(module: nn.Module, side: int = SIDE) -> Classifier:
    return Classifier.from_module(module.eval(), Preprocessing((side, side), mean=(0, 0, 0), std=(1, 1, 1)))


def picture() -> Image:
    return Image(np.repeat(255 * CHECKERED[..., None], 3, 2).astype(np.uint8), "checkers")


def explain(
    name: str,
    rule: Callable[[Tensor], Tensor],
    *targets: Target,
    labels: np.ndarray = SIXTEEN,
    seed: int = 0,
    **parameters: Any,
) -> list[Explanation]:
    method = find_method(name, regions=labels, fill="region-mean", precision="float32", **parameters)
    generator = torch.Generator().manual_seed(seed)
    return method(classifier(Sees(labels, rule)), [picture()], [targets or (Target(0),)], generator=generator)


def rough(visible: Tensor) -> Tensor:
    """Three classes, in which regions work together."""
    weights = torch.randn(3, visible.shape[1], visible.shape[1], generator=torch.Generator().manual_seed(0))
    return torch.stack([(visible @ each).tanh().sum(1) for each in weights], 1)


def game_of(rule: Callable[[Tensor], Tensor], target: Target) -> Callable[[Tensor], Tensor]:
    return lambda coalitions: target.score(rule(coalitions.float())).double()


# --- What they find -----------------------------------------------------------------------------------------------


@every_method
def test_of_an_additive_network_they_find_the_terms(name):
    weights = torch.randn(16, 2, generator=torch.Generator().manual_seed(1))
    (found,) = explain(name, lambda visible: visible @ weights, Target(1))
    np.testing.assert_allclose(found.regions.weights, weights[:, 1], atol=1e-5)
    np.testing.assert_allclose(found.values, found.regions.weights[SIXTEEN], rtol=1e-6)
    assert found.checks["completeness_gap"] < 1e-5
    assert found.signed


@every_method
def test_two_regions_that_are_needed_together_get_half_each(name):
    (found,) = explain(name, lambda visible: torch.stack([6 * visible[:, 2] * visible[:, 9], visible[:, 0]], 1))
    wanted = np.zeros(16)
    wanted[[2, 9]] = 3
    np.testing.assert_allclose(found.regions.weights, wanted, atol=1e-5)
    assert found.checks["completeness_gap"] < 1e-5


@pytest.mark.parametrize("name", ["permutation-shap", "kernel-shap"])
@pytest.mark.parametrize("target", [Target(0), Target(2, against=1)])
def test_with_few_regions_they_are_exact(name, target):
    (found,) = explain(name, rough, target, labels=EIGHT)
    np.testing.assert_allclose(found.regions.weights, games.brute_force(game_of(rough, target), 8), atol=1e-5)
    assert not found.regions.errors.any()
    assert found.cost.forwards == 1 + 2**8


@every_method
@pytest.mark.parametrize("target", [Target(1), Target(2, against=1)])
def test_probabilities_are_shared_out_on_demand(name, target):
    (found,) = explain(name, rough, target, of="probability")
    shown, hidden = rough(torch.tensor([[1.0], [0.0]]).expand(2, 16)).softmax(1)
    assert found.values.sum() / 16 == pytest.approx(float(target.score(shown) - target.score(hidden)), abs=1e-5)


@every_method
def test_a_contrast_is_the_difference_of_its_classes(name):
    exactly = {"samples": 400} if name != "partition-shap" else {"samples": 10**5}
    first, second, contrast = explain(name, rough, Target(0), Target(1), Target(0, against=1), **exactly)
    difference = contrast.values - (first.values - second.values)
    errors = [each.regions.errors for each in (first, second, contrast) if name == "kernel-shap"]
    spread = np.linalg.norm(errors, axis=0).max() if errors else 0  # each question has a process of its own
    assert np.abs(difference).max() <= 1e-4 + 3 * spread


def test_of_kernel_shap_a_contrast_is_exactly_the_difference_only_once_all_was_asked():
    targets = Target(0), Target(1), Target(0, against=1)
    for labels, exact in ((EIGHT, True), (SIXTEEN, False)):
        first, second, contrast = explain("kernel-shap", rough, *targets, labels=labels, samples=400)
        gap = np.abs(contrast.values - (first.values - second.values)).max()
        assert bool(gap < 1e-4) == exact


def test_standard_errors_are_told():
    for name in ("permutation-shap", "kernel-shap"):
        (found,) = explain(name, rough, samples=300)
        assert (found.regions.errors > 0).all()
        assert found.regions.errors.max() < found.regions.weights.max()
    assert 0 < found.checks["r2"] < 1
    assert explain("partition-shap", rough)[0].regions.errors is None


# --- Several targets, and none ------------------------------------------------------------------------------------


@every_method
def test_a_target_does_not_hang_on_the_others(name):
    targets = (Target(0), Target(2), Target(1, against=2))
    together = explain(name, rough, *targets, samples=300)
    for target, found in zip(targets, together, strict=True):
        (alone,) = explain(name, rough, target, samples=300)
        np.testing.assert_allclose(found.values, alone.values, atol=1e-6)
        assert name == "partition-shap" or found.cost.forwards <= 301


@every_method
def test_a_network_that_does_not_care_gives_zeros(name):
    (found,) = explain(name, lambda visible: torch.zeros(len(visible), 3) + torch.arange(3))
    assert found.is_zero
    assert found.checks["completeness_gap"] == 0
    assert found.picture()


@every_method
def test_a_single_region_gets_everything(name):
    (found,) = explain(name, lambda visible: torch.cat([3 * visible, visible], 1), labels=np.zeros_like(EIGHT))
    assert found.regions.weights.tolist() == pytest.approx([3])


@every_method
def test_the_same_seed_gives_the_same_bytes(name):
    first, second = (explain(name, rough, seed=4, samples=200)[0].values.tobytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["permutation-shap", "kernel-shap"])
def test_another_seed_asks_others(name):
    assert (explain(name, rough, seed=4, samples=200)[0].values != explain(name, rough, seed=5)[0].values).any()


# --- Limits -------------------------------------------------------------------------------------------------------


@every_method
@pytest.mark.parametrize("samples", [64, 101, 500])
def test_samples_are_a_bound(name, samples):
    (found,) = explain(name, rough, samples=samples)
    assert found.cost.forwards <= samples + 1


def test_orders_stop_when_settled():
    (found,) = explain("permutation-shap", lambda visible: torch.stack([visible.sum(1), visible[:, 0]], 1))
    assert found.cost.forwards < 400


@every_method
def test_too_few_samples_are_refused(name):
    with pytest.raises(UsageError, match="samples=3 is too few"):
        explain(name, rough, samples=3)


@every_method
def test_an_unknown_score_is_refused(name):
    with pytest.raises(UsageError, match="logit, probability"):
        find_method(name, of="margin")


# --- Pixel by pixel -----------------------------------------------------------------------------------------------


def by_pixels(weights: Tensor, pixels: np.ndarray, **parameters: Any) -> Explanation:
    method = find_method("partition-shap", fill=Black(), precision="float32", **parameters)
    generator = torch.Generator().manual_seed(0)
    (found,) = method(
        classifier(Light(weights), len(weights)), [Image(pixels, "noise")], [[Target(0)]], generator=generator
    )
    return found


def test_blocks_are_halved_down_to_pixels():
    random = np.random.default_rng(0)
    pixels, weights = random.integers(0, 256, (8, 8, 3), np.uint8), torch.from_numpy(random.normal(size=(8, 8))).float()
    found = by_pixels(weights, pixels, samples=3000)
    np.testing.assert_allclose(found.values, pixels.mean(2) / 255 * weights.numpy(), atol=1e-5)
    assert found.regions is None
    assert found.checks["completeness_gap"] < 1e-5


def test_detail_is_where_it_matters():
    weights, pixels = torch.zeros(32, 32), np.full((32, 32, 3), 255, np.uint8)
    weights[9, 20] = 7
    found = by_pixels(weights, pixels)
    assert found.values[9, 20] == found.values.max() > 20 * 7 / 32**2
    assert (found.values > 0).mean() < 0.3, "the rest is known to be indifferent"
    assert found.values.sum() == pytest.approx(7, abs=1e-4)
    assert found.cost.forwards <= 501


def test_the_mean_of_a_pixel_hides_nothing():
    with pytest.raises(UsageError, match="another fill"):
        find_method("partition-shap", fill="region-mean")

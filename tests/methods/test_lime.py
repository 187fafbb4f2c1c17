"""LIME: what it finds on networks whose answer is known, how sure it is, and when it stops."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom, spearmanr
from torch import Tensor

import seewhy
from methods.seeing import SIXTEEN, checkers, seeing
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, RegionWeights, find_method
from seewhy.methods.lime import Surrogate, local_surrogate, settled
from seewhy.models import Target

WEIGHTS = torch.tensor([3, 2, -1.6, 1.2, 0.9, 0.6, 0.4, -0.2, 0.1, *[0.0] * 7])


def explain(
    rule: Callable[[Tensor], Tensor],
    *targets: Target,
    labels: np.ndarray = SIXTEEN,
    seed: int = 0,
    image: Image | None = None,
    **parameters: Any,
) -> list[Explanation]:
    method = find_method("lime", regions=labels, precision="float32", **parameters)
    generator = torch.Generator().manual_seed(seed)
    image = image or checkers(len(labels))
    return method(seeing(labels, rule), [image], [targets or (Target(0),)], generator=generator)


def additive(visible: Tensor) -> Tensor:
    """Two classes whose logits differ by the sum of the visible regions' weights."""
    score = visible @ WEIGHTS
    return torch.stack([score, 0 * score], 1)


def rough(visible: Tensor) -> Tensor:
    """Three classes, in which regions work together."""
    count = visible.shape[1]
    weights = torch.randn(3, count, count, generator=torch.Generator().manual_seed(0))
    return torch.stack([(visible @ each).tanh().sum(1) for each in weights], 1)


def noisy(weights: Tensor, noise: float, seed: int) -> Callable[[Tensor], Tensor]:
    """An additive score, with Gaussian noise wherever something is hidden."""
    random = torch.Generator().manual_seed(seed)
    return lambda kept: (
        kept.double() @ weights + noise * ~kept.all(1) * torch.randn(len(kept), generator=random).double()
    )


# --- What it finds ------------------------------------------------------------------------------------------------


def test_of_an_additive_network_it_finds_the_terms():
    (found,) = explain(additive, Target(0, against=1))
    np.testing.assert_allclose(found.regions.weights, WEIGHTS, atol=1e-4)
    np.testing.assert_allclose(found.values, found.regions.weights[SIXTEEN], rtol=1e-6)
    assert found.signed
    assert found.checks["r2"] == pytest.approx(1)


def test_of_one_class_it_explains_the_log_probability():
    logits = 0.1 * WEIGHTS  # so weak that its logarithm is nearly linear
    (found,) = explain(lambda visible: additive(0.1 * visible), Target(0))
    probability = float(logits.sum().sigmoid())
    np.testing.assert_allclose(found.regions.weights, (1 - probability) * logits, atol=0.02)
    assert found.probability == pytest.approx(probability, abs=1e-5)


def test_a_contrast_is_the_difference_of_its_classes():
    first, second, contrast = explain(rough, Target(0), Target(1), Target(0, against=1), samples=100)
    np.testing.assert_allclose(contrast.values, first.values - second.values, atol=1e-5)


def test_a_region_that_is_needed_with_another_counts_half_or_more():
    (found,) = explain(
        lambda visible: torch.stack([4 * visible[:, 2] * visible[:, 9], 0 * visible[:, 0]], 1), Target(0, against=1)
    )
    assert set(np.argsort(-found.regions.weights)[:2]) == {2, 9}
    assert (found.regions.weights[[2, 9]] > 2).all()
    assert found.checks["r2"] < 1


def test_how_much_it_keeps_is_told():
    (found,) = explain(rough, keep=0.8)
    assert found.parameters["keep"] == 0.8
    assert found.checks["keep"] == pytest.approx(0.8)
    assert explain(rough, keep=0.99)[0].checks["keep"] == pytest.approx(7 / 8), "no fewer than two are hidden"


# --- How sure it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("regions", "samples", "keep"), [(12, 200, 0.9), (30, 128, 0.9), (20, 300, 0.5)])
def test_intervals_hold_the_truth_as_often_as_they_say(regions, samples, keep):
    """One region a seed, so that all trials are independent."""
    trials, inside = 400, 0
    truth = torch.linspace(-1, 1, regions).double()
    for seed in range(trials):
        random = torch.Generator().manual_seed(seed)
        score = noisy(truth, noise=1.0, seed=seed + 10_000)
        found = local_surrogate(score, regions, keep=keep, samples=samples, generator=random)
        region = seed % regions
        inside += abs(float(found.weights[region] - truth[region])) <= 1.96 * float(found.errors[region])
    low, high = binom.interval(0.9999, trials, 0.95)
    assert low <= inside <= high


def test_errors_are_the_spread_over_seeds():
    """Of a network that is not linear: what the model leaves over is no noise, yet counts as such."""
    found = [explain(rough, seed=seed, samples=400)[0].regions for seed in range(30)]
    spread = np.stack([each.weights for each in found]).std(0, ddof=1)
    assert 0.75 < np.mean([each.errors for each in found]) / spread.mean() < 1.33


def test_what_cannot_be_told_apart_is_tied():
    weights = torch.tensor([2.0, 1.01, 1.0, *[0.0] * 9]).double()
    found = local_surrogate(noisy(weights, 1.0, 1), 12, keep=0.9, samples=500, generator=torch.Generator())
    regions = RegionWeights(np.arange(12)[None], found.weights.numpy(), found.errors.numpy())
    assert regions.tied(1, 2)
    assert not regions.tied(0, 1)


# --- When it stops ------------------------------------------------------------------------------------------------


def surrogate(weights: list[float], errors: float | list[float]) -> Surrogate:
    strengths = torch.tensor(weights).double()
    return Surrogate(strengths, torch.tensor(errors).double().expand(len(weights)), 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("weights", "errors", "answer"),
    [
        ([6, 5, 4, 3, 2, 1, 0.9], 0.2, True),  # 3.2 · √2 · 0.2 = 0.905 < 1, and the seventh does not count
        ([6, 5, 4, 3, 2, 1], 0.25, False),  # 3.2 · √2 · 0.25 = 1.13
        ([1, -2, 3, -4, 5, 6], 0.2, True),  # by strength, whatever the sign and the order
        ([6, 5, 4, 3, 2, 1], [0.2, 0.2, 0.2, 0.2, 0.2, 0.3], False),  # each pair by its own errors
        ([6, 6, 6, 6, 6, 6], 0.066, True),  # known to be equal: 3.2 · √2 · 0.066 = 0.299 ≤ 5 % of 6
        ([6, 6, 6, 6, 6, 6], 0.067, False),
        ([0, 0, 0, 0], 0.0, True),
        ([3], 1.0, True),
    ],
)
def test_the_order_of_the_strongest_is_settled_when_each_is_apart_or_equal(weights, errors, answer):
    assert settled(surrogate(weights, errors)) is answer


def test_a_coalition_is_asked_once():
    (found,) = explain(rough)
    assert found.cost.forwards == 2 + 16 * 15 // 2, "groups of two of sixteen regions"


def test_it_stops_early_where_the_order_is_plain():
    (found,) = explain(additive, Target(0, against=1))
    assert found.cost.forwards <= 2 + 128


@pytest.mark.parametrize("samples", [64, 101, 500, 1000])
def test_samples_are_a_bound(samples):
    (found,) = explain(rough, samples=samples, keep=0.5)
    assert 0.95 * samples < found.cost.forwards <= samples + 1


def test_too_few_samples_are_refused():
    with pytest.raises(UsageError, match="samples=30 is too few for 16 regions"):
        explain(rough, samples=30)


# --- Seeds and targets --------------------------------------------------------------------------------------------


def test_a_target_does_not_hang_on_the_others_and_costs_nothing_more():
    targets = (Target(0), Target(2), Target(1, against=2))
    together = explain(rough, *targets, samples=300)
    for target, found in zip(targets, together, strict=True):
        (alone,) = explain(rough, target, samples=300)
        assert found.values.tobytes() == alone.values.tobytes()
        assert found.cost.forwards <= 301


def test_the_same_seed_gives_the_same_bytes():
    first, second, other = (explain(rough, seed=seed, samples=200)[0].values.tobytes() for seed in (4, 4, 5))
    assert first == second
    assert first != other


def test_a_fill_with_alternatives_draws_among_them():
    (found,) = explain(additive, Target(0, against=1), fill="noise", samples=200)
    (again,) = explain(additive, Target(0, against=1), fill="noise", samples=200)
    assert found.values.tobytes() == again.values.tobytes()
    assert np.corrcoef(found.regions.weights, WEIGHTS)[0, 1] > 0.9


# --- Pictures with little in them ---------------------------------------------------------------------------------


def test_a_network_that_does_not_care_gives_zeros():
    (found,) = explain(lambda visible: torch.zeros(len(visible), 3) + torch.arange(3))
    assert found.is_zero
    assert found.checks["r2"] == 0
    assert found.cost.forwards <= 2 + 128
    assert found.picture()


def test_rounding_is_no_evidence():
    (found,) = explain(lambda visible: torch.tensor([7.0, 1.0]) + 1e-5 * visible[:, :2])
    assert found.is_zero


def test_a_picture_of_one_colour_gives_zeros():
    (found,) = explain(rough, image=Image(np.full((16, 16, 3), 90, np.uint8), "plain"))
    assert found.is_zero


def test_a_single_region_gets_everything():
    (found,) = explain(
        lambda visible: torch.cat([3 * visible, 0 * visible], 1), Target(0, 1), labels=np.zeros_like(SIXTEEN)
    )
    assert found.regions.weights.tolist() == pytest.approx([3], abs=1e-4)


# --- A real network -----------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.timeout(3600)
def test_seeds_agree_on_a_real_photo():
    classifier, image, method = seewhy.load(), seewhy.open_image("sample:cat"), find_method("lime")
    target = Target(int(classifier.probabilities([image])[0].argmax()))
    found = [
        method(classifier, [image], [[target]], generator=torch.Generator().manual_seed(seed))[0].regions.weights
        for seed in range(5)
    ]
    pairs = list(combinations(found, 2))
    tops = [(set(np.argsort(-first)[:5]), set(np.argsort(-second)[:5])) for first, second in pairs]
    assert np.mean([spearmanr(*pair).statistic for pair in pairs]) >= 0.97
    assert np.mean([len(first & second) / len(first | second) for first, second in tops]) >= 0.75


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("photo", ["cat", "coffee"])
@pytest.mark.parametrize("network", ["default", "resnet50"])
def test_the_precision_that_is_chosen_keeps_the_order(network, photo, request):
    classifier = seewhy.load() if network == "default" else request.getfixturevalue("real_resnet50")
    image = seewhy.open_image(f"sample:{photo}")
    target = Target(int(classifier.probabilities([image])[0].argmax()))
    chosen, exact = (
        find_method("lime", samples=250, precision=precision)(
            classifier, [image], [[target]], generator=torch.Generator().manual_seed(0)
        )[0].regions.weights
        for precision in ("auto", "float32")
    )
    assert spearmanr(chosen, exact).statistic >= 0.99

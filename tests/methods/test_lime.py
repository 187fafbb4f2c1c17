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
from seewhy.engines import Cuts, in_groups
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, RegionWeights, find_method
from seewhy.methods.evidence import decides
from seewhy.methods.lime import SMALL, Variations, in_how_many, settle, settled
from seewhy.methods.surrogate import Posterior, infer
from seewhy.models import Target

WEIGHTS = torch.tensor([3, 2, -1.6, 1.2, 0.9, 0.6, 0.4, -0.2, 0.1, *[0.0] * 7])


def explain(
    rule: Callable[[Tensor], Tensor],
    *targets: Target,
    labels: np.ndarray = SIXTEEN,
    regions: str | np.ndarray | None = None,
    seed: int = 0,
    image: Image | None = None,
    **parameters: Any,
) -> list[Explanation]:
    method = find_method("lime", regions=labels if regions is None else regions, precision="float32", **parameters)
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


def noisy(weights: Tensor, noise: float, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
    """An additive score, with Gaussian noise wherever something is hidden."""
    random = torch.Generator().manual_seed(seed)
    return lambda kept, _: (
        kept.double() @ weights + noise * ~kept.all(1) * torch.randn(len(kept), generator=random).double()
    )


def own_cut(regions: int) -> Cuts:
    return Cuts.of(np.arange(regions, dtype=np.int32)[None])


def variations(cuts: Cuts, groups: int, rounds: int, seed: int) -> Variations:
    generator = torch.Generator().manual_seed(seed)
    return Variations(in_groups(cuts.draw(rounds, generator), groups, generator), torch.zeros(rounds * groups), groups)


# --- What it finds ------------------------------------------------------------------------------------------------


def test_of_an_additive_network_it_finds_the_terms():
    (found,) = explain(additive, Target(0, against=1))
    np.testing.assert_allclose(found.regions.weights, WEIGHTS, atol=1e-4)
    assert found.signed
    assert found.checks["r2"] == pytest.approx(1)
    assert found.checks["change"] == pytest.approx(float(WEIGHTS.sum()), abs=1e-4)


def test_the_map_tells_the_weight_of_a_hundredth_of_the_picture():
    (found,) = explain(additive, Target(0, against=1))
    np.testing.assert_allclose(found.values, (0.16 * found.regions.weights)[SIXTEEN], rtol=1e-5)


def test_of_one_class_it_explains_the_log_odds_which_do_not_saturate():
    """The probability is 0.9999 and more, and hiding any one region moves it by less than 0.001."""
    shift = torch.tensor([9.0, 0.0])
    (found,) = explain(lambda visible: additive(visible) + shift, Target(0))
    assert found.probability > 0.9999
    np.testing.assert_allclose(found.regions.weights, WEIGHTS, atol=1e-3)
    assert found.regions.unit == "log-odds"


def test_a_contrast_is_the_difference_of_two_classes():
    first, second = explain(rough, Target(0, against=1), Target(1, against=0), samples=100)
    np.testing.assert_allclose(first.values, -second.values, atol=1e-5)


def test_a_region_that_is_needed_with_another_counts_half_or_more():
    (found,) = explain(
        lambda visible: torch.stack([2 + 4 * visible[:, 2] * visible[:, 9], 0 * visible[:, 0] - 1], 1),
        Target(0, against=1),
        keep=0.5,
    )
    assert set(np.argsort(-found.regions.weights)[:2]) == {2, 9}
    np.testing.assert_allclose(found.regions.weights[[2, 9]], 2, atol=0.3)


# --- How much is hidden -------------------------------------------------------------------------------------------


def test_how_much_it_keeps_is_told():
    (found,) = explain(rough, keep=0.8)
    assert found.parameters["keep"] == 0.8
    assert found.checks["keep"] == pytest.approx(0.8)
    assert explain(rough, keep=0.99)[0].checks["keep"] == pytest.approx(7 / 8), "no fewer than two are hidden"
    assert explain(rough, keep=0.2)[0].checks["keep"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("keep", "regions", "groups", "alone"),
    [(0.9, 40, 10, False), (0.5, 40, 2, False), (0.2, 40, 5, True), (0.9, 12, 6, False), (0.9, 1, 2, False)],
)
def test_a_group_is_hidden_or_shown_alone(keep, regions, groups, alone):
    assert in_how_many(keep, regions) == (groups, alone)


@pytest.mark.parametrize(("needed", "low", "high"), [(15, 0.8, 0.95), (8, 0.3, 0.7), (2, 0.3, 0.4)])
def test_auto_keeps_as_much_as_moves_the_answer_a_quarter_of_the_way(needed, low, high):
    """Of sixteen regions about so many have to be seen for a half of the log-odds, and hardly more for all of them."""
    (found,) = explain(
        lambda visible: torch.stack([10 * (2 * (visible.sum(1) - needed)).sigmoid(), 0 * visible[:, 0] - 1], 1),
        Target(0),
    )
    assert low <= found.checks["keep"] <= high


def test_every_seed_asks_the_same_question():
    kept = {explain(rough, Target(0), seed=seed, samples=64)[0].checks["keep"] for seed in range(5)}
    assert len(kept) == 1


@pytest.mark.parametrize("keep", [0.0, 1.0, 1.5, float("nan"), "half"])
def test_keep_is_a_share(keep):
    with pytest.raises(UsageError, match=r"keep is|for keep"):
        find_method("lime", keep=keep)


# --- Where no single part decides ---------------------------------------------------------------------------------


def enough(visible: Tensor) -> Tensor:
    """A thousand small reasons: no region is a twentieth of them."""
    return torch.stack([4 * visible.mean(1), 0 * visible[:, 0]], 1)


@pytest.mark.parametrize(("rule", "answer"), [(enough, False), (additive, True)])
def test_where_the_largest_weight_is_small_no_single_part_decides(rule, answer):
    labels = np.kron(np.arange(64).reshape(8, 8), np.ones((2, 2), int)).astype(np.int32)
    wide = (lambda visible: rule(visible[:, :16])) if answer else rule
    (found,) = explain(wide, Target(0), labels=labels)
    assert decides(found.regions) is answer
    assert found.regions.least == pytest.approx(max(SMALL * abs(found.checks["change"]), np.log(1.1)))


def test_where_one_region_alone_decides_nobody_says_that_none_does():
    """All but one are needed: of variations that hide several hardly any is left, and the weights are small."""
    (found,) = explain(
        lambda visible: torch.stack([9 * visible[:, :15].prod(1) - 3, 0 * visible[:, 0]], 1), Target(0), keep=0.75
    )
    assert np.abs(found.regions.weights).max() < SMALL * found.checks["change"]
    assert min(each for each in found.regions.alone if each is not None) < 0.6 < found.probability
    assert decides(found.regions)


def test_a_region_alone_is_told_as_it_was_measured():
    (found,) = explain(additive, Target(0))
    whole = float(WEIGHTS.sum())
    assert [place for place, known in enumerate(found.regions.alone) if known is not None] == [0, 1, 2, 3, 4]
    wanted = torch.sigmoid(whole - WEIGHTS[:5])
    np.testing.assert_allclose(found.regions.alone[:5], wanted, atol=1e-4)


# --- How sure it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("regions", "rounds", "groups"), [(12, 40, 2), (15, 20, 5)])
def test_intervals_hold_the_truth_as_often_as_they_say(regions, rounds, groups):
    """Truths are drawn from the prior, as a Bayesian's intervals promise; one region a seed: all trials are apart."""
    trials, inside, cuts = 200, 0, own_cut(regions)
    for seed in range(trials):
        truth = torch.randn(regions, generator=torch.Generator().manual_seed(seed + 20_000)).double()
        found, _ = settle(noisy(truth, 1.0, seed + 10_000), variations(cuts, groups, rounds, seed), cuts, 1.0)
        known, region = found.sums(cuts.members), seed % regions
        inside += abs(float(known.weights[region] - truth[region])) <= 1.96 * float(known.errors[region])
    low, high = binom.interval(0.9999, trials, 0.95)
    assert low <= inside <= high


def test_errors_are_the_spread_over_seeds():
    """Of a network that is not linear: what the model leaves over is no noise, yet counts as such."""
    found = [explain(rough, seed=seed, samples=400, keep=0.5)[0].regions for seed in range(20)]
    spread = np.stack([each.weights for each in found]).std(0, ddof=1)
    assert 0.75 < np.mean([each.errors for each in found]) / spread.mean() < 1.33


def test_what_cannot_be_told_apart_is_tied():
    weights, cuts = torch.tensor([2.0, 1.01, 1.0, *[0.0] * 9]).double(), own_cut(12)
    found, _ = settle(noisy(weights, 1.0, 1), variations(cuts, 2, 200, 0), cuts, 1.0)
    known = found.sums(cuts.members)
    regions = RegionWeights(np.arange(12)[None], known.weights.numpy(), known.errors.numpy())
    assert regions.tied(1, 2)
    assert not regions.tied(0, 1)


# --- Many cuts ----------------------------------------------------------------------------------------------------


def hills(side: int) -> Image:
    """Light and dark hills, with faint checkers all over by which `seeing` knows whether they are hidden."""
    y, x = np.indices((side, side))
    bright = 128 + 60 * np.sin(x / 5) * np.sin(y / 7) + 20 * ((x + y) % 2) - 10
    return Image(np.repeat(bright[..., None], 3, 2).astype(np.uint8), "hills")


CELLS = np.kron(np.arange(16).reshape(4, 4), np.ones((12, 12), int)).astype(np.int32)


def faint(visible: Tensor) -> Tensor:
    return additive(12 * visible)


def test_whatever_cut_is_shown_the_map_is_the_same():
    maps = [
        explain(faint, Target(0), labels=CELLS, regions=how, image=hills(48), keep=0.5)[0].values
        for how in ("grid:4", "grid:5", "slic:20")
    ]
    for first, second in combinations(maps, 2):
        cells = [each.reshape(12, 4, 12, 4).mean((1, 3)).ravel() for each in (first, second)]
        assert np.corrcoef(*cells)[0, 1] > 0.8
    strongest = np.unravel_index(maps[0].argmax(), maps[0].shape)
    assert CELLS[strongest] in {0, 1}


def test_weights_of_regions_are_sums_over_the_map():
    (found,) = explain(faint, Target(0), labels=CELLS, regions="grid:5", image=hills(48))
    sums = np.bincount(found.regions.labels.ravel(), found.values.ravel())
    np.testing.assert_allclose(found.regions.weights, 100 * sums / found.values.size, rtol=1e-3, atol=1e-4)
    assert found.checks["cuts"] > 10


def test_masks_of_ones_own_are_the_only_cut():
    (found,) = explain(rough)
    assert "cuts" not in found.checks


# --- When it stops ------------------------------------------------------------------------------------------------


def posterior(weights: list[float], error: float) -> Posterior:
    return Posterior(torch.tensor(weights).double(), error**2 * torch.eye(len(weights)).double(), 1.0)


@pytest.mark.parametrize(
    ("weights", "error", "answer"),
    [
        ([5, 4, 3, 2, 1], 0.2, True),
        ([5, 4, 3, 2, 1], 0.49, False),  # the order may change, though the largest is known to a tenth
        ([5, -4, 3, -2, 1], 0.2, True),
        ([1, 1, 1, 1, 1], 0.03, False),
        ([1, 1, 1, 1, 1], 0.02, True),  # equal ones have no order
        ([5, 4, 3, 2, 1], 0.0, True),
        ([0, 0, 0, 0, 0], 0.0, True),
        ([3], 0.2, True),
        ([3], 0.4, False),  # its size is unknown
    ],
)
def test_weights_are_settled_when_their_order_would_stay_and_the_largest_is_known(weights, error, answer):
    assert settled(posterior(weights, error), 0.95) is answer


@pytest.mark.parametrize("error", [0.3, 0.6, 1.2])
def test_steadiness_is_the_rank_correlation_of_seeds(error):
    truth, random = torch.arange(12).double() / 3, np.random.default_rng(0)
    seeds = [truth.numpy() + error * random.standard_normal(12) for _ in range(25)]
    wanted = np.mean([spearmanr(*pair).statistic for pair in combinations(seeds, 2)])
    assert posterior(truth.tolist(), error).steadiness() == pytest.approx(wanted, abs=0.08)


def test_it_stops_early_where_the_weights_are_plain():
    (found,) = explain(additive, Target(0, against=1), keep=0.5)
    assert found.cost.forwards <= 3 + 64 + 5


@pytest.mark.parametrize("samples", [64, 101, 500])
def test_samples_are_a_bound(samples):
    (found,) = explain(rough, samples=samples, keep=0.5)
    assert found.cost.forwards <= samples + 8


@pytest.mark.parametrize("samples", [19, 30])
def test_too_few_samples_are_refused(samples):
    with pytest.raises(UsageError, match=f"samples={samples} is too few for"):
        explain(rough, samples=samples)


# --- Seeds and targets --------------------------------------------------------------------------------------------


def test_other_classes_are_fitted_once_each(monkeypatch):
    known: list[int] = []
    monkeypatch.setattr("seewhy.methods.lime.infer", lambda x, *given: known.append(len(x)) or infer(x, *given))
    method = find_method("lime", regions=SIXTEEN, precision="float32", samples=400, keep=0.5, steady=1.0)
    generator = torch.Generator().manual_seed(0)
    method(seeing(SIXTEEN, rough), [checkers(16)], [[Target(0)]], generator=generator, compared=True)
    assert len(known) > 3
    assert known == [*sorted(set(known)), known[-1], known[-1]]


def test_a_target_does_not_hang_on_the_others_and_costs_nothing_more():
    targets = (Target(0), Target(2), Target(1, against=2))
    together = explain(rough, *targets, samples=300)
    for target, found in zip(targets, together, strict=True):
        (alone,) = explain(rough, target, samples=300)
        assert found.values.tobytes() == alone.values.tobytes()
        assert found.cost.forwards <= 301 + 60 + 15


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
    assert found.cost.forwards <= 2 + 64 + 60
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
    assert np.mean([spearmanr(*pair).statistic for pair in pairs]) >= 0.85
    assert np.mean([len(first & second) / len(first | second) for first, second in tops]) >= 0.6


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

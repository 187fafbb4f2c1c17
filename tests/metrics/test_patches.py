"""Infidelity against captum, IDSDS against SciPy, both against a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import zoo
from metrics.samples import perfect_map, planted_subject, random_map, scores, values, white
from seewhy.errors import UsageError
from seewhy.metrics import Context, find_metric
from seewhy.metrics.patches import grid, infidelity, random_cells, sensitivity_n, squares
from seewhy.models import Classifier, Preprocessing


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_squares_are_whole(height, width, data):
    side = data.draw(st.integers(1, min(height, width)))
    masks = squares((height, width), side, 5, torch.Generator().manual_seed(0))
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask.sum() == side**2 == len(rows) * len(columns)
        assert np.ptp(rows) == np.ptp(columns) == side - 1


def test_squares_fall_everywhere():
    covered = squares((10, 12), 3, 500, torch.Generator().manual_seed(0)).sum(0)
    assert covered.min() > 0


@given(st.integers(2, 20), st.integers(2, 20), st.integers(1, 2))
def test_every_pixel_lies_in_one_cell(height, width, cells):
    masks = grid((height, width), cells)
    assert masks.shape == (cells**2, height, width)
    assert (masks.sum(0) == 1).all()
    areas = masks.sum((1, 2))
    assert areas.max() - areas.min() <= height + width, "as even as can be"
    assert np.array_equal(grid((width, height), cells).sum((0, 2)), masks.sum((0, 1))), "rows are as columns are"


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_infidelity_is_captums(scaled, seed):
    from captum.metrics import infidelity as theirs

    classifier, image = zoo.classifier("residual", seed), zoo.photos(1)[0]
    subject = Context(classifier, image)
    attribution = np.random.default_rng(seed).normal(size=zoo.SIZE).astype(np.float32)
    (found,) = scores("infidelity", subject, [attribution], seed=seed, side=0.25, draws=20, scaled=scaled, fill="black")

    hidden = torch.from_numpy(squares(zoo.SIZE, 8, 20, torch.Generator().manual_seed(seed)))[:, None]
    black = classifier.preprocessing.normalize(torch.zeros(1, 3, *zoo.SIZE))

    def perturb(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return hidden.float().expand_as(x), torch.where(hidden, black, x)

    # One number per pixel stands for all of its colours; the mask counts each of them.
    wanted = theirs(
        classifier.logits,
        perturb,
        classifier.preprocess([image]),
        torch.from_numpy(attribution).expand(1, 3, -1, -1) / 3,
        target=0,
        n_perturb_samples=20,
        normalize=scaled,
    )
    assert found.value == pytest.approx(float(wanted), rel=1e-3, abs=1e-6)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=1, max_size=20))
def test_no_scale_is_better_than_the_best(pairs):
    predicted, actual = np.array(pairs).T
    best = infidelity(predicted, actual, scaled=True)
    for scale in (-1, 0, 0.5, 1, 3):
        assert best <= infidelity(scale * predicted, actual, scaled=False) + 1e-9


def test_by_hand():
    predicted, actual = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert infidelity(predicted, actual, scaled=False) == pytest.approx(4)
    beta = 11 / 5
    assert infidelity(predicted, actual, scaled=True) == pytest.approx(((beta - 3) ** 2 + (2 * beta - 4) ** 2) / 2)
    assert infidelity(np.zeros(2), actual, scaled=True) == pytest.approx(12.5)


def test_the_network_of_a_weighted_sum_is_foretold():
    """Logits that add up over pixels: the weights themselves are the perfect map."""
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    preprocessing = Preprocessing((8, 8), mean=(0, 0, 0), std=(1, 1, 1))
    subject = Context(Classifier.from_module(module, preprocessing), white((8, 8)))
    weights = module[1].weight[0].detach().view(3, 8, 8).sum(0).numpy()
    exact, doubled, empty = (
        values("infidelity", subject, [each], fill="black", scaled=False)[0]
        for each in (weights, 2 * weights, 0 * weights)
    )
    assert exact == pytest.approx(0, abs=1e-8)
    assert doubled == pytest.approx(empty, rel=1e-3)
    assert values("infidelity", subject, [7 * weights], fill="black")[0] == pytest.approx(0, abs=1e-8)
    assert values("idsds", subject, [weights], fill="black")[0] == pytest.approx(1)


def test_idsds_is_the_rank_correlation_of_a_loop():
    classifier, image = zoo.classifier("residual"), zoo.photos(1)[0]
    attribution = np.random.default_rng(0).normal(size=zoo.SIZE)
    x = classifier.preprocess([image])
    sums, falls = [], []
    with torch.no_grad():
        for top in range(0, 32, 8):
            for left in range(0, 32, 8):
                hidden = x.clone()
                hidden[..., top : top + 8, left : left + 8] = 0  # the mean, normalised
                falls.append(float((classifier.logits(x) - classifier.logits(hidden))[0, 0]))
                sums.append(attribution[top : top + 8, left : left + 8].sum())
    (found,) = scores("idsds", Context(classifier, image), [attribution])
    assert found.value == pytest.approx(stats.spearmanr(sums, falls).statistic, abs=1e-6)
    np.testing.assert_allclose(found.curve, [sums, falls], atol=1e-4)


def test_a_map_that_ranks_no_patch_has_no_idsds():
    (found,) = scores("idsds", planted_subject(), [np.zeros((64, 64))])
    assert found.value is None
    assert "equally relevant" in found.reason


def test_sensitivity_n_is_the_correlation_of_a_loop():
    classifier, image = zoo.classifier("residual"), zoo.photos(1)[0]
    attribution = np.random.default_rng(0).normal(size=zoo.SIZE)
    (found,) = scores("sensitivity-n", Context(classifier, image), [attribution], seed=4, cells=8, shares=(0.1, 0.5),
                      draws=5)  # fmt: skip
    hidden = random_cells(zoo.SIZE, 8, [6, 32], 5, torch.Generator().manual_seed(4))
    x, correlations = classifier.preprocess([image]), []
    for some in (hidden[:5], hidden[5:]):
        sums, falls = [], []
        for mask in some:
            without = x.clone()
            without[..., torch.from_numpy(mask)] = 0  # the mean, normalised
            with torch.no_grad():
                falls.append(float((classifier.logits(x) - classifier.logits(without))[0, 0]))
            sums.append(attribution[mask].sum())
        correlations.append(stats.pearsonr(sums, falls).statistic)
    assert found.value == pytest.approx(np.mean(correlations), abs=1e-5)


def test_so_many_cells_are_hidden():
    masks = random_cells((32, 48), 8, [1, 20], 3, torch.Generator().manual_seed(0))
    assert [mask.sum() for mask in masks] == [24] * 3 + [480] * 3
    assert len({mask.tobytes() for mask in masks}) == 6


def test_sensitivity_n_of_proportional_falls_is_one():
    falls = np.random.default_rng(0).normal(size=(3, 8))
    assert sensitivity_n(falls * [[1], [5], [0.1]], falls) == pytest.approx(1)
    assert sensitivity_n(-falls, falls) == pytest.approx(-1)


@pytest.mark.parametrize("settings", [{"shares": ()}, {"shares": (0.5, 1.0)}, {"draws": 1}, {"cells": 1}])
def test_sensitivity_n_refuses_what_it_cannot_draw(settings):
    with pytest.raises(UsageError, match="sensitivity-n wants"):
        find_metric("sensitivity-n", **settings)


@pytest.mark.parametrize(
    ("name", "settings", "sign"),
    [
        ("idsds", {}, 1),
        ("sensitivity-n", {}, 1),
        ("infidelity", {"scaled": False}, -1),
        ("infidelity", {}, -1),
    ],
)
def test_perfect_beats_random_beats_inverted(name, settings, sign):
    perfect = perfect_map()
    maps = [perfect, random_map(), perfect.max() - perfect]
    best, chance, worst = values(name, planted_subject(), maps, **settings)
    assert sign * best > sign * chance
    if name != "infidelity" or settings:  # the best scale of an inverted map is negative
        assert sign * chance > sign * worst


def test_settings_without_a_meaning_are_refused():
    for settings in ({"side": 0}, {"side": 2}, {"draws": 0}):
        with pytest.raises(UsageError, match="one draw or more"):
            values("infidelity", planted_subject(), [], **settings)
    with pytest.raises(UsageError, match="two or more"):
        values("idsds", planted_subject(), [], cells=1)

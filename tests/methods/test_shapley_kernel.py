"""Shapley values by regression."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch
from captum.attr import KernelShap
from hypothesis import example, given, settings
from hypothesis import strategies as st

from methods import games
from seewhy.errors import UsageError
from seewhy.methods.shapley_values import exact_shapley, kernel_shapley, pair_design

EXACT = 1e-10


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("players", [1, 2, 3, 4, 7, 10])
def test_it_is_exact_where_all_coalitions_can_be_asked(players):
    game = games.Table(games.noise(players))
    found = kernel_shapley(game, players, 2**players, seeded())
    torch.testing.assert_close(found.values, games.brute_force(game, players), atol=EXACT, rtol=0)
    assert not found.errors.any()
    assert len(game.asked) == 2**players


@given(st.integers(6, 40), st.integers(0, 10**6))
@example(39, 14650)
@settings(max_examples=30)
def test_it_is_exact_on_additive_games(players, seed):
    weights = torch.randn(players, generator=seeded(seed), dtype=torch.float64)
    found = kernel_shapley(lambda coalitions: coalitions.double() @ weights, players, 4 * players, seeded(seed))
    torch.testing.assert_close(found.values, weights, atol=EXACT, rtol=0)
    assert found.errors.max() < EXACT**0.5, "roots of variances, which are exact to so many digits"
    assert found.r2 == pytest.approx(1)


@given(st.integers(0, 10**6), st.integers(36, 500))
@settings(max_examples=15)
def test_all_is_shared_out_in_any_unit(seed, samples):
    worth = games.noise(9, seed)
    one, scaled = (kernel_shapley(games.Table(each), 9, samples, seeded(seed)) for each in (worth, 1000 * worth - 7))
    assert float(one.values.sum()) == pytest.approx(float(worth[-1] - worth[0]), abs=1e-8)
    torch.testing.assert_close(scaled.values, 1000 * one.values, atol=1e-6, rtol=1e-9)
    torch.testing.assert_close(scaled.errors, 1000 * one.errors, atol=1e-6, rtol=1e-9)


def test_a_game_without_differences_gives_zeros():
    found = kernel_shapley(games.Table(torch.full((2**10,), 3.0)), 10, 100, seeded())
    assert not found.values.any()
    assert not found.errors.any()
    assert found.r2 == 1


def network_like(players: int, seed: int) -> games.Table:
    """A small random network of which players are in sight."""
    made = seeded(seed)
    first = torch.randn(players, 24, generator=made, dtype=torch.float64) * 1.5 / players**0.5
    bias, last = (torch.randn(24, generator=made, dtype=torch.float64) for _ in range(2))
    return games.Table(torch.relu(games.members(players) @ first + bias / 3) @ last)


@pytest.mark.parametrize("samples", [60, 100, 200])
def test_its_intervals_hold_the_truth(samples):
    """In about 95 of 100 cases over games rough and smooth: 500 values of 50 games."""
    within = []
    for seed in range(50):
        game = games.rough(10, seed) if seed % 2 else network_like(10, seed)
        found = kernel_shapley(game, 10, samples, seeded(seed))
        within.append((found.values - exact_shapley(game, 10).values).abs() < 1.96 * found.errors)
    assert 0.93 <= torch.stack(within).double().mean() <= 0.97


def test_it_stops_once_the_shares_have_settled():
    game = network_like(14, 3)
    found = kernel_shapley(game, 14, 4000, seeded(), tolerance=0.1)
    assert len(game.asked) < 1000
    assert found.errors.max() <= 0.1 * found.values.abs().max()


def relative_error(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found - truth).norm() / truth.norm())


def test_it_errs_less_than_shap_and_half_as_much_as_captum_with_as_many_answers():
    """Over five games of networks; on a photo, which is smoother, the lead is larger."""
    shap = pytest.importorskip("shap")
    ours, shaps, captums = [], [], []
    for seed in range(5):
        game = network_like(12, seed)
        truth = exact_shapley(game, 12).values
        ours.append(relative_error(kernel_shapley(game, 12, 300, seeded(seed)).values, truth))

        def by_rows(rows, game=game):
            return game(torch.from_numpy(np.asarray(rows)) > 0.5).numpy()

        explainer = shap.KernelExplainer(by_rows, np.zeros((1, 12)))
        theirs = explainer.shap_values(np.ones((1, 12)), nsamples=298, l1_reg=False, silent=True)[0]
        shaps.append(relative_error(torch.from_numpy(theirs), truth))
        torch.manual_seed(seed)
        explainer = KernelShap(lambda inputs, game=game: game(inputs > 0.5))
        inputs = torch.ones(1, 12)
        found = explainer.attribute(inputs, torch.zeros(1, 12), n_samples=300, perturbations_per_eval=300)[0]
        captums.append(relative_error(found.double(), truth))
    assert np.mean(ours) < np.mean(shaps)
    assert np.mean(ours) < np.mean(captums) / 2


def test_r2_is_that_of_the_fit():
    game = games.Table(games.noise(6) / 4 + games.members(6).sum(1))
    found = kernel_shapley(game, 6, 64, seeded())
    inner = torch.arange(1, 63)
    sizes = games.members(6)[inner].sum(1)
    weights = torch.tensor([5 / (comb(6, int(size)) * float(size * (6 - size))) for size in sizes]).double()
    truth, fitted = game.worth[inner], game.worth[0] + games.members(6)[inner] @ found.values
    missed, spread = (
        (weights * (truth - fitted) ** 2).sum(),
        (weights * (truth - (weights * truth).sum() / weights.sum()) ** 2).sum(),
    )
    assert found.r2 == pytest.approx(float(1 - missed / spread))


# --- The design ---------------------------------------------------------------------------------------------------


@given(st.integers(1, 14), st.integers(1, 600), st.integers(0, 10**6))
@settings(max_examples=60)
def test_no_pair_is_asked_twice_and_small_sizes_whole(players, pairs, seed):
    coalitions = pair_design(players, pairs, seeded(seed))
    assert len(coalitions) == min(pairs, 2 ** (players - 1) - 1)
    codes = {tuple(row) for row in torch.cat([coalitions, ~coalitions]).tolist()}
    assert len(codes) == 2 * len(coalitions)
    sizes = coalitions.sum(1)
    assert ((sizes >= 1) & (sizes <= players // 2)).all()


def test_sizes_are_asked_by_the_root_of_the_kernel():
    coalitions = pair_design(30, 1000, seeded())
    counts = torch.bincount(coalitions.sum(1))[2:]
    shares = torch.tensor([(size * (30 - size)) ** -0.5 for size in range(2, 16)])
    whole = torch.bincount(coalitions.sum(1))[1]
    assert whole == 30, "all single players, which are fewer than their share"
    assert (counts - (1000 - 30) * shares / shares.sum()).abs().max() <= 2
    present = coalitions.double().mean(0)
    assert (present - present.mean()).abs().max() < 4 * (0.25 / 1000) ** 0.5


@given(st.integers(5, 12), st.integers(0, 500))
@settings(max_examples=40)
def test_no_more_is_asked_than_allowed(players, extra):
    game, samples = games.Table(games.noise(players)), 4 * players + extra
    kernel_shapley(game, players, samples, seeded())
    assert len(game.asked) <= samples


def test_many_players_do_not_overflow():
    assert pair_design(1200, 2400, seeded()).shape == (2400, 1200)


def test_too_few_samples_are_refused():
    with pytest.raises(UsageError, match="at least 80"):
        kernel_shapley(games.additive(torch.ones(20)), 20, 79, seeded())


# --- Against captum -----------------------------------------------------------------------------------------------


def test_captum_agrees_in_expectation():
    game = games.rough(6)
    truth = kernel_shapley(game, 6, 64, seeded()).values

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        return game(inputs > 0.5)

    torch.manual_seed(0)
    explainer = KernelShap(forward)
    inputs, nothing = torch.ones(1, 6), torch.zeros(1, 6)
    runs = [explainer.attribute(inputs, nothing, n_samples=400, perturbations_per_eval=400)[0] for _ in range(10)]
    values = torch.stack(runs).double()
    assert ((values.mean(0) - truth).abs() < 4 * values.std(0) / len(runs) ** 0.5 + 0.02).all()

"""Shapley values by regression."""

from __future__ import annotations

from math import comb

import pytest
import torch
from captum.attr import KernelShap
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import games
from seewhy.errors import UsageError
from seewhy.methods.shapley_values import exact_shapley, kernel_design, kernel_shapley

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
@settings(max_examples=30)
def test_it_is_exact_on_additive_games(players, seed):
    weights = torch.randn(players, generator=seeded(seed), dtype=torch.float64)
    found = kernel_shapley(lambda coalitions: coalitions.double() @ weights, players, 4 * players, seeded(seed))
    torch.testing.assert_close(found.values, weights, atol=EXACT, rtol=0)
    assert found.errors.max() < EXACT
    assert found.r2 == pytest.approx(1)


@given(st.integers(0, 10**6), st.integers(36, 500))
@settings(max_examples=40)
def test_all_is_shared_out_and_linearly(seed, samples):
    one, other = games.noise(9, seed), games.noise(9, seed + 1)
    first, second, both = (
        kernel_shapley(games.Table(worth), 9, samples, seeded(seed)).values
        for worth in (one, other, 2 * one - 3 * other)
    )
    assert float(first.sum()) == pytest.approx(float(one[-1] - one[0]), abs=EXACT)
    torch.testing.assert_close(both, 2 * first - 3 * second, atol=EXACT, rtol=0)


def test_a_game_without_differences_gives_zeros():
    found = kernel_shapley(games.Table(torch.full((2**10,), 3.0)), 10, 100, seeded())
    assert not found.values.any()
    assert not found.errors.any()
    assert found.r2 == 1


@pytest.mark.parametrize("samples", [60, 300, 800])
def test_its_standard_errors_cover(samples):
    game = games.rough(10)
    truth = exact_shapley(game, 10).values
    runs = [kernel_shapley(game, 10, samples, seeded(seed)) for seed in range(200)]
    values, errors = (torch.stack([getattr(run, name) for run in runs]) for name in ("values", "errors"))
    assert (values.mean(0) - truth).square().mean() < 0.1 * values.var(0).mean(), "its bias matters little"
    assert 0.91 <= ((values - truth).abs() < 1.96 * errors).double().mean() <= 0.99


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


@given(st.integers(2, 14), st.integers(15, 600), st.integers(0, 10**6))
@settings(max_examples=60)
def test_the_design_asks_every_pair_once_and_weighs_it_as_the_kernel(players, pairs, seed):
    coalitions, weights, drawn = kernel_design(players, pairs, seeded(seed))
    assert len(coalitions) == len(weights) <= pairs
    masses = [(players - 1) / (size * (players - size)) for size in range(1, players)]
    assert float(weights.sum()) == pytest.approx(sum(masses) / 2)
    first = coalitions[: len(coalitions) - drawn]
    codes = {tuple(row) for row in torch.cat([first, ~first]).tolist()}
    assert len(codes) == 2 * len(first), "no pair twice"
    sizes = first.sum(1)
    wanted = [(players - 1) / (comb(players, int(size)) * int(size) * (players - int(size))) for size in sizes]
    assert weights[: len(first)].tolist() == pytest.approx(wanted)
    if drawn:
        inner = coalitions[-drawn:].sum(1)
        assert len(coalitions) == pairs
        assert inner.min() > (sizes.max() if len(sizes) else 0)
        assert inner.max() <= players // 2


def test_sizes_are_drawn_in_proportion():
    _, _, drawn = kernel_design(30, 2000, seeded())
    coalitions, _, _ = kernel_design(30, 2000, seeded())
    sizes = coalitions[-drawn:].sum(1)
    smallest = int(sizes.min())
    masses = torch.tensor([29 / (size * (30 - size)) / (1 + (size == 15)) for size in range(smallest, 16)])
    counts = torch.bincount(sizes)[smallest:]
    assert (counts - drawn * masses / masses.sum()).abs().max() <= 1
    present = coalitions[-drawn:].double().mean(0)
    assert (present - present.mean()).abs().max() < 4 * (0.25 / drawn) ** 0.5


@given(st.integers(5, 12), st.integers(0, 500))
@settings(max_examples=40)
def test_no_more_is_asked_than_allowed(players, extra):
    game, samples = games.Table(games.noise(players)), 4 * players + extra
    kernel_shapley(game, players, samples, seeded())
    assert len(game.asked) <= samples


def test_many_players_do_not_overflow():
    coalitions, weights, drawn = kernel_design(1200, 2400, seeded())
    assert coalitions.shape == (2400, 1200)
    assert drawn == 1200, "after every single player"
    assert torch.isfinite(weights).all()


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
    runs = [explainer.attribute(inputs, nothing, n_samples=400, perturbations_per_eval=400)[0] for _ in range(20)]
    values = torch.stack(runs).double()
    assert ((values.mean(0) - truth).abs() < 4 * values.std(0) / len(runs) ** 0.5 + 0.02).all()

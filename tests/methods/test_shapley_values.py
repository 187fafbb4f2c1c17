"""Shapley values exactly, and by orders."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import games
from seewhy.errors import UsageError
from seewhy.methods.shapley_values import exact_shapley, permutation_shapley

EXACT = 1e-12


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("players", [1, 2, 3, 8, 10])
def test_exact_is_brute_force(players):
    game = games.Table(games.noise(players))
    found = exact_shapley(game, players)
    torch.testing.assert_close(found.values, games.brute_force(game, players), atol=EXACT, rtol=0)
    assert found.empty == game.worth[0]
    assert not found.errors.any()


def test_exact_is_worked_by_hand():
    # v(0) = 6, v(1) = 2, v(01) = 12: player 0 adds 6 first and 10 second, player 1 adds 2 first and 6 second.
    assert exact_shapley(games.Table(torch.tensor([0.0, 6.0, 2.0, 12.0])), 2).values.tolist() == [8, 4]


@given(st.integers(1, 7), st.integers(0, 10**6))
@settings(max_examples=60)
def test_axioms(players, seed):
    worth, other = games.noise(players, seed), games.noise(players, seed + 1)
    values = exact_shapley(games.Table(worth), players).values
    assert float(values.sum()) == pytest.approx(float(worth[-1] - worth[0]), abs=EXACT), "efficiency"
    both = exact_shapley(games.Table(2 * worth - 3 * other), players).values
    wanted = 2 * values - 3 * exact_shapley(games.Table(other), players).values
    torch.testing.assert_close(both, wanted, atol=EXACT, rtol=0)  # linearity


@given(st.integers(2, 7), st.integers(0, 10**6))
@settings(max_examples=60)
def test_dummies_get_nothing_and_equals_the_same(players, seed):
    codes = torch.arange(2**players)
    without_first = games.Table(games.noise(players, seed)[codes & ~1])
    assert abs(float(exact_shapley(without_first, players).values[0])) < EXACT
    counted = games.Table(
        games.noise(players, seed)[codes.bitwise_and(3).ne(0) + (codes & 3 == 3).long() + (codes & ~3)]
    )
    first, second = exact_shapley(counted, players).values[:2]
    assert float(first - second) == pytest.approx(0, abs=EXACT)


# --- By orders ----------------------------------------------------------------------------------------------------


def test_orders_are_exact_where_all_coalitions_can_be_asked():
    game = games.Table(games.noise(8))
    found = permutation_shapley(game, 8, 256, seeded())
    torch.testing.assert_close(found.values, games.brute_force(game, 8), atol=EXACT, rtol=0)
    assert not found.errors.any()


@given(st.integers(6, 40), st.integers(0, 10**6))
@settings(max_examples=30)
def test_orders_are_exact_on_additive_games(players, seed):
    weights = torch.randn(players, generator=seeded(seed), dtype=torch.float64)
    found = permutation_shapley(lambda coalitions: coalitions.double() @ weights, players, 4 * players, seeded(seed))
    torch.testing.assert_close(found.values, weights, atol=EXACT, rtol=0)
    assert found.errors.max() < EXACT


@given(st.integers(0, 10**6), st.integers(40, 200))
@settings(max_examples=30)
def test_orders_share_out_all_and_give_dummies_nothing(seed, samples):
    game = games.Table(games.noise(9, seed)[torch.arange(512) & ~1])
    found = permutation_shapley(game, 9, samples, seeded(seed))
    assert float(found.values.sum()) == pytest.approx(game.gain, abs=EXACT)
    assert abs(float(found.values[0])) < EXACT
    assert found.errors[0] < EXACT


def test_orders_cancel_what_is_even():
    # Pairs of players: odd only in what each pair adds to both ends, so that one order and its reverse tell all.
    worth = games.members(9)
    game = games.Table((worth @ torch.randn(9, 9, generator=seeded(), dtype=torch.float64) * worth).sum(1))
    found = permutation_shapley(game, 9, 40, seeded())
    torch.testing.assert_close(found.values, games.brute_force(game, 9), atol=1e-10, rtol=0)


def test_orders_are_unbiased_and_their_errors_cover():
    game = games.rough(10)
    truth = exact_shapley(game, 10).values
    runs = [permutation_shapley(game, 10, 400, seeded(seed)) for seed in range(200)]
    values, errors = (torch.stack([getattr(run, name) for run in runs]) for name in ("values", "errors"))
    bias = (values.mean(0) - truth).abs() / (values.std(0) / len(runs) ** 0.5)
    assert bias.max() < 3.5, "standard errors of the mean, the largest of ten"
    assert 0.90 <= ((values - truth).abs() < 1.96 * errors).double().mean() <= 0.97
    assert float((errors.mean(0) / values.std(0)).mean()) == pytest.approx(1, abs=0.05)


@given(st.integers(5, 12), st.integers(0, 500))
@settings(max_examples=40)
def test_no_more_is_asked_than_allowed(players, extra):
    game, samples = games.Table(games.noise(players)), 4 * players + extra
    permutation_shapley(game, players, samples, seeded())
    assert len(game.asked) <= samples
    assert {2**players - 1 - code for code in game.asked} == game.asked, "complements are asked too"


def test_it_stops_when_settled():
    smooth, rough = games.additive(torch.randn(11, generator=seeded())), games.rough(11)
    permutation_shapley(smooth, 11, 2000, seeded(), tolerance=0.02)
    found = permutation_shapley(rough, 11, 2000, seeded(), tolerance=0.02)
    assert found.errors.max() <= 0.02 * found.values.abs().max()
    assert len(smooth.asked) < len(rough.asked) < 1800


def test_too_few_samples_are_refused():
    with pytest.raises(UsageError, match="at least 80"):
        permutation_shapley(games.additive(torch.ones(20)), 20, 79, seeded())


def test_the_same_seed_gives_the_same_bytes():
    first, second, other = (
        permutation_shapley(games.rough(10), 10, 200, seeded(seed)).values.numpy().tobytes() for seed in (1, 1, 2)
    )
    assert first == second != other

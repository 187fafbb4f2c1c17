"""Interactions of regions: games whose pairs are known, the formula written out, and Shapley values beside them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.games import Table, additive, brute_force, members, noise, rough
from seewhy.errors import UsageError
from seewhy.methods.interactions import interactions

ENDS = 1e9  # what none and all weigh, for infinity


def found(game: Table, samples: int = 4096, seed: int = 0):
    return interactions(game, game.players, samples, torch.Generator().manual_seed(seed))


def literal(game: Table) -> np.ndarray:
    """The least squares of the paper, row by row: single effects and then pairs."""
    pairs = list(combinations(range(game.players), 2))
    rows, values, weights = [], [], []
    for shown in members(game.players).numpy():
        size = int(shown.sum())
        ends = size in {0, game.players}
        ways = len(list(combinations(range(game.players), size)))
        weights.append(ENDS if ends else (game.players - 1) / (ways * size * (game.players - size)))
        rows.append([1, *shown, *(shown[i] * shown[j] for i, j in pairs)])
        values.append(float(game(torch.tensor(shown > 0)[None])[0]))
    root = np.sqrt(weights)
    return np.linalg.lstsq(np.array(rows) * root[:, None], np.array(values) * root, rcond=None)[0][1:]


@given(st.integers(2, 6), st.integers(0, 3))
@settings(max_examples=12, deadline=None)
def test_of_all_coalitions_it_is_the_formula_and_shares_are_shapley_values(players, seed):
    game = Table(noise(players, seed))
    shares = found(game)
    wanted = literal(game)
    np.testing.assert_allclose([each.value for each in shares.pairs], wanted[players:], atol=1e-5)
    assert [each[:2] for each in shares.pairs] == list(combinations(range(players), 2))
    torch.testing.assert_close(shares.values, brute_force(game, players), atol=1e-8, rtol=0)
    assert not shares.errors.any()
    assert not any(each.error for each in shares.pairs)


def test_two_that_need_each_other_and_two_that_say_the_same():
    shown = members(5).bool()
    needed = found(Table(shown[:, 1] & shown[:, 3]))
    assert {each[:2]: round(each.value, 6) for each in needed.pairs if abs(each.value) > 1e-6} == {(1, 3): 1.0}
    same = found(Table(shown[:, 0] | shown[:, 2]))
    assert {each[:2]: round(each.value, 6) for each in same.pairs if abs(each.value) > 1e-6} == {(0, 2): -1.0}
    assert same.values.tolist() == pytest.approx([0.5, 0, 0.5, 0, 0])


def test_where_each_adds_for_itself_no_pair_does_anything():
    shares = found(additive(torch.tensor([1.0, -2.0, 0.5, 3.0])))
    assert max(abs(each.value) for each in shares.pairs) < 1e-9
    assert shares.r2 == pytest.approx(1)


def test_of_a_quadratic_game_few_samples_are_enough():
    shown, weights = members(10), torch.randn((10, 10), generator=torch.Generator().manual_seed(0)).double().triu()
    game = Table(torch.einsum("ni,ij,nj->n", shown, weights, shown))
    shares = found(game, samples=130)
    assert len(game.asked) == 130
    np.testing.assert_allclose([each.value for each in shares.pairs], weights[*np.triu_indices(10, 1)], atol=1e-7)


def test_the_truth_lies_within_two_errors_of_most_estimates():
    game = rough(9)
    truth, sampled = found(game), [found(game, 200, seed) for seed in range(12)]
    misses = [
        abs(estimate.value - true.value) / estimate.error
        for shares in sampled
        for estimate, true in zip(shares.pairs, truth.pairs, strict=True)
    ]
    assert 0.88 < np.mean(np.array(misses) < 2) <= 1
    of_shares = torch.stack([(shares.values - truth.values).abs() / shares.errors for shares in sampled])
    assert 0.88 < float((of_shares < 2).double().mean()) <= 1


def test_shares_add_up_whatever_is_asked():
    game = Table(noise(9))
    for samples in (90, 200, 512):
        assert float(found(game, samples).values.sum()) == pytest.approx(game.gain)


def test_one_region_takes_all():
    shares = found(Table(torch.tensor([1.0, 3.5])))
    assert shares.values.tolist() == pytest.approx([2.5])
    assert shares.pairs == ()


def test_too_few_samples_are_refused_with_how_many_it_takes():
    with pytest.raises(UsageError, match="66 pairs of 12 regions; give at least 156, or choose fewer regions"):
        found(Table(noise(12)), samples=155)

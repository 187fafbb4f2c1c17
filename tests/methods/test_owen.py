"""Owen values of groups within groups."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import games
from seewhy.errors import UsageError
from seewhy.methods.shapley_values import Block, Group, agglomerate, exact_shapley, owen_values

EXACT = 1e-12
PLENTY = 10**6


def grid(height: int, width: int) -> Block:
    return Block(torch.arange(height * width).view(height, width))


def nested(group: Group) -> object:
    """A tree as nested pairs of players."""
    return int(group.members) if len(group.members) == 1 else tuple(nested(half) for half in group.halves())


# --- The trees ----------------------------------------------------------------------------------------------------


def test_a_block_is_halved_across_its_longer_side_rows_first():
    assert nested(grid(2, 2)) == ((0, 1), (2, 3))
    assert nested(grid(1, 3)) == ((0, 1), 2)
    assert nested(grid(2, 3)) == (((0, 1), (3, 4)), (2, 5))


@given(st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=30)
def test_halves_have_the_members_of_the_whole(height, width):
    groups = [grid(height, width)]
    while groups:
        group = groups.pop()
        if len(group.members) > 1:
            halves = group.halves()
            assert sorted(torch.cat([half.members for half in halves]).tolist()) == sorted(group.members.tolist())
            groups += halves


def test_neighbours_are_joined_first():
    corners = np.kron(np.array([[0, 1], [2, 3]]), np.ones((4, 12), int))
    assert nested(agglomerate(corners)) == ((0, 2), (1, 3))
    chain = np.kron(np.array([[3, 0, 4, 1, 2]]), np.ones((4, 4), int))
    assert sorted(agglomerate(chain).members.tolist()) == [0, 1, 2, 3, 4]


def test_one_region_is_a_tree():
    assert nested(agglomerate(np.zeros((3, 3), np.int32))) == 0


# --- The values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(4, 4), (2, 5), (3, 3), (1, 1), (1, 2)])
def test_they_are_means_over_orders_that_tear_no_group_apart(height, width):
    root, worth = grid(height, width), games.noise(height * width)
    found = owen_values(games.Table(worth) if height * width > 1 else games.Table(worth[:2]), root, PLENTY)
    torch.testing.assert_close(found.values, games.owen_by_orders(worth, nested(root)), atol=EXACT, rtol=0)


def test_of_two_players_they_are_shapley_values():
    game = games.Table(games.noise(2))
    torch.testing.assert_close(owen_values(game, grid(1, 2), PLENTY).values, exact_shapley(game, 2).values)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(4, 300), st.integers(0, 10**6))
@settings(max_examples=60)
def test_all_is_shared_out_however_few_are_asked(height, width, samples, seed):
    weights = torch.randn(height * width, height * width, generator=torch.Generator().manual_seed(seed)).double()
    asked = 0

    def game(coalitions: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += len(coalitions)
        return (coalitions.double() @ weights).tanh().sum(1)

    found = owen_values(game, grid(height, width), samples)
    gain = float(weights.sum(0).tanh().sum())
    assert float(found.values.sum()) == pytest.approx(gain, abs=1e-10)
    assert asked <= samples


def test_on_an_additive_game_they_are_the_true_effects():
    weights = torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = owen_values(lambda coalitions: coalitions.double() @ weights, grid(8, 8), PLENTY)
    torch.testing.assert_close(found.values, weights, atol=EXACT, rtol=0)


def test_what_was_not_split_is_spread_evenly():
    weights = torch.tensor([1.0, 3, 0, 0, 0, 0, 0, 8], dtype=torch.float64)
    found = owen_values(lambda coalitions: coalitions.double() @ weights, grid(1, 8), 4)
    assert found.values.tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_the_largest_difference_is_split_first():
    weights = torch.zeros(64, dtype=torch.float64)
    weights[37] = 5
    found = owen_values(
        lambda coalitions: coalitions.double() @ weights, grid(8, 8), 2 + 2 * (1 + 2 + 4 + 8 + 16 + 32), width=1
    )
    assert int(found.values.argmax()) == 37
    assert float(found.values[37]) == pytest.approx(5)


def test_too_few_samples_are_refused():
    with pytest.raises(UsageError, match="at least 4"):
        owen_values(games.additive(torch.ones(4)), grid(2, 2), 3)


# --- Against shap -------------------------------------------------------------------------------------------------


@pytest.fixture
def shap() -> ModuleType:
    return pytest.importorskip("shap")


@pytest.mark.parametrize(("height", "width"), [(6, 5), (5, 6), (8, 8)])
@pytest.mark.parametrize("max_evals", [40, 200, 500])
def test_shap_finds_the_same(shap, height, width, max_evals):
    random = np.random.default_rng(height)
    picture = random.uniform(0.5, 1.5, (height, width, 1))
    weights = random.normal(size=(height * width, 16)) / 3

    def network(pictures: np.ndarray) -> np.ndarray:
        return np.tanh(pictures.reshape(len(pictures), -1) @ weights).sum(1)

    def game(coalitions: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(network(coalitions.numpy().reshape(-1, height, width, 1) * picture))

    explainer = shap.PartitionExplainer(network, shap.maskers.Image(np.zeros_like(picture)))
    wanted = explainer(picture[None], max_evals=max_evals, batch_size=10, silent=True).values[0, :, :, 0]
    found = owen_values(game, grid(height, width), max_evals, width=5).values.view(height, width)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-10)

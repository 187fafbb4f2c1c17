"""Owen values of groups within groups."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods import games
from seewhy.errors import UsageError
from seewhy.methods.owen import Block, Group, agglomerate, owen_values
from seewhy.methods.shapley_values import exact_shapley

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


@pytest.mark.parametrize(("height", "width"), [(3, 4), (2, 5), (3, 3), (1, 1), (1, 2)])
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


def flat(part: object) -> frozenset[int]:
    """Who is in nested pairs."""
    return frozenset().union(*map(flat, part)) if isinstance(part, tuple) else frozenset([part])


def literal(game: Callable[[torch.Tensor], torch.Tensor], group: Group, samples: int) -> dict[int, float]:
    """One split at a time, contexts as sets of players, and no state but the list of what was split."""
    players = len(group.members)

    def worth(members: frozenset[int]) -> float:
        return float(game(torch.tensor([[player in members for player in range(players)]])))

    tree, done = nested(group), []

    def added(part: object, context: frozenset[int]) -> float:
        return worth(context | flat(part)) - worth(context)

    def opened(part: object, context: frozenset[int], weight: float) -> list[tuple[object, frozenset[int], float]]:
        """Where a group waits, or was split: what waits below."""
        if (part, context) not in done or not isinstance(part, tuple):
            return [(part, context, weight)]
        one, other = part
        return [
            each
            for half, beside in ((one, other), (other, one))
            for before in (context, context | flat(beside))
            for each in opened(half, before, weight / 2)
        ]

    def urgency(each: tuple[object, frozenset[int], float]) -> float:
        part, context, weight = each
        return weight * abs(added(part, context)) / (1 + sum(split == part for split, _ in done))

    while 2 + 2 * len(done) + 2 <= samples:
        waiting = [each for each in opened(tree, frozenset(), 1.0) if isinstance(each[0], tuple)]
        if not waiting:
            break
        done.append(max(waiting, key=urgency)[:2])

    def handed(part: object, amount: float) -> dict[int, float]:
        amount += sum(weight * added(each, context) for each, context, weight in rest if each == part)
        contexts = [context for split, context in done if split == part]
        if not contexts:
            return dict.fromkeys(flat(part), amount / len(flat(part)))
        one, other = part
        sums = np.array([added(part, context) for context in contexts])
        differences = np.array([worth(context | flat(one)) - worth(context | flat(other)) for context in contexts])
        tilt = np.clip(sums @ differences / (sums @ sums), -1, 1)
        return handed(one, amount * (1 + tilt) / 2) | handed(other, amount * (1 - tilt) / 2)

    rest = opened(tree, frozenset(), 1.0)
    return handed(tree, 0.0)


@pytest.mark.parametrize("samples", [4, 10, 30, 64])
def test_it_does_what_is_written(samples):
    game = games.Table(games.noise(12, samples))
    found = owen_values(game, grid(3, 4), samples, width=1)
    wanted = literal(game, grid(3, 4), samples)
    np.testing.assert_allclose(found.values, [wanted[player] for player in range(12)], atol=1e-9)


def test_a_group_asked_once_shares_everywhere_as_it_did_there():
    """Where one part multiplies what another adds, how that is shared hangs on no context."""
    weights = torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8], dtype=torch.float64)

    def game(coalitions: torch.Tensor) -> torch.Tensor:
        shown = coalitions.double() * weights
        return shown[:, :4].sum(1) * shown[:, 4:].sum(1)

    found = owen_values(game, grid(1, 8), 30, width=1)  # of 44
    torch.testing.assert_close(found.values, owen_values(game, grid(1, 8), PLENTY).values, atol=EXACT, rtol=0)
    assert (found.values[:4] / found.values[0]).tolist() == pytest.approx([1, 2, 3, 4])


def test_too_few_samples_are_refused():
    with pytest.raises(UsageError, match="at least 4"):
        owen_values(games.additive(torch.ones(4)), grid(2, 2), 3)


# --- Against shap -------------------------------------------------------------------------------------------------


@pytest.fixture
def shap() -> ModuleType:
    return pytest.importorskip("shap")


def networks(height: int, width: int, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """A small network that answers pictures `(n, h, w, 1)`: bright spots, of which it looks for several."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    centres, wide = random.uniform(0, height, (8, 2)), height / 6
    spots = np.exp(-((rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2) / 2 / wide**2)
    first = (random.normal(size=(24, 8)) @ spots.reshape(8, -1) / wide**2).T
    last = random.normal(size=24)
    return lambda pictures: np.maximum(pictures.reshape(len(pictures), -1) @ first - 0.5, 0) @ last


def by_shap(shap: ModuleType, network: Callable[[np.ndarray], np.ndarray], side: int, evaluations: int) -> torch.Tensor:
    explainer = shap.PartitionExplainer(network, shap.maskers.Image(np.zeros((side, side, 1))))
    options = {"max_evals": evaluations, "batch_size": 10, "silent": True}
    return torch.from_numpy(explainer(np.ones((1, side, side, 1)), **options).values[0, :, :, 0].flatten())


def game_of(network: Callable[[np.ndarray], np.ndarray], side: int) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda coalitions: torch.from_numpy(network(coalitions.numpy().reshape(-1, side, side, 1)))


def test_shap_finds_the_same_once_all_is_asked(shap):
    network = networks(4, 4, 0)
    found = owen_values(game_of(network, 4), grid(4, 4), PLENTY).values
    torch.testing.assert_close(found, by_shap(shap, network, 4, PLENTY), atol=1e-10, rtol=0)


def test_it_errs_no_more_than_shap_with_five_thirds_of_the_answers(shap):
    """Median over eight networks."""
    ratios = []
    for seed in range(8):
        network = networks(8, 8, seed)
        game = game_of(network, 8)
        truth = owen_values(game, grid(8, 8), PLENTY).values
        for ours, theirs in ((60, 100), (120, 200)):
            error = (owen_values(game, grid(8, 8), ours).values - truth).norm()
            ratios.append(float(error / (by_shap(shap, network, 8, theirs) - truth).norm()))
    assert np.median(ratios[::2]) < 1, ratios
    assert np.median(ratios[1::2]) < 1, ratios

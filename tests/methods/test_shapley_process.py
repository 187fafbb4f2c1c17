"""The closed forms of the process against sums over all coalitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods import games
from seewhy.methods.shapley_process import Kernel, process_shapley
from seewhy.methods.shapley_values import exact_shapley

PLAYERS = 5
SIGNS = games.members(PLAYERS).numpy() * 2 - 1
KERNELS = [Kernel(PLAYERS, 1.5, 0.0), Kernel(PLAYERS, 4.0, 0.7)]
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=["smooth", "rough"])


def covariance(kernel: Kernel) -> np.ndarray:
    """Of the odd parts of all coalitions, `(2^d, 2^d)`: a complement has the same with the other sign."""
    own = np.eye(len(SIGNS)) - np.eye(len(SIGNS))[::-1]
    return kernel.between(SIGNS, SIGNS) + kernel.own * own


def shapley(table: np.ndarray) -> np.ndarray:
    return exact_shapley(games.Table(torch.from_numpy(table)), PLAYERS).values.numpy()


@every_kernel
def test_shares_are_the_shapley_values_of_the_covariance(kernel):
    for row, signs in zip(covariance(kernel), SIGNS, strict=True):
        np.testing.assert_allclose(kernel.shares(signs[None])[:, 0], shapley(row), atol=1e-12)


@every_kernel
def test_the_variance_is_that_of_shapley_values(kernel):
    shares = np.stack([shapley(row) for row in covariance(kernel)])  # with each coalition
    wanted = np.stack([shapley(column.copy()) for column in shares.T])
    assert np.diag(wanted) == pytest.approx(kernel.variance)


def test_once_all_pairs_are_known_it_is_exact():
    game = games.noise(PLAYERS)
    half = np.flatnonzero(SIGNS[:, 0] > 0)[::-1]
    odd = (game.numpy() - game.numpy()[::-1])[half] / 2
    values, errors = process_shapley(SIGNS[half], odd)
    np.testing.assert_allclose(values, shapley(game.numpy()), atol=1e-10)
    assert errors.max() < 1e-6


def test_many_players_do_not_overflow():
    kernel = Kernel(1200, 2.0, 0.3)
    assert np.isfinite(kernel.variance)
    assert np.isfinite(kernel.shares(np.ones((1, 1200)))).all()

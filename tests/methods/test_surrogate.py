"""The linear stand-in, against its formulas spelled out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from torch import Tensor

from seewhy.errors import UsageError
from seewhy.methods.surrogate import fit, group_count, partitions


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(samples: int = 60, features: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    random = generator(3)
    x = (torch.rand((samples, features), generator=random) < 0.5).double()
    y = x @ torch.arange(features).double() + torch.randn(samples, generator=random).double()
    return x, y, torch.rand(samples, generator=random).double() + 0.1


# --- Partitions -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(2, 12), st.integers(1, 5), st.integers(0, 99))
def test_a_round_hides_every_region_once_in_even_groups(regions, groups, rounds, seed):
    made = partitions(regions, groups, rounds, generator(seed))
    assert made.shape == (rounds * groups, regions)
    assert made.dtype == torch.bool
    hidden = ~made.view(rounds, groups, regions)
    assert (hidden.sum(1) == 1).all()
    sizes = hidden.sum(2)
    assert (sizes.amax(1) - sizes.amin(1) <= 1).all()


def test_two_groups_are_complementary_pairs():
    first, second = partitions(9, 2, 1, generator())
    assert (first == ~second).all()


def test_any_two_regions_are_hidden_together_as_often_as_any_others():
    hidden = (~partitions(12, 4, 4000, generator())).double()
    together = (hidden.T @ hidden)[~torch.eye(12, dtype=torch.bool)] / 4000
    assert together.mean() == pytest.approx(2 / 11)
    assert (together - 2 / 11).abs().max() < 5 * (2 / 11 / 4000) ** 0.5


@pytest.mark.parametrize(
    ("regions", "keep", "groups"), [(40, 0.9, 10), (40, 0.85, 7), (40, 0.5, 2), (12, 0.9, 6), (3, 0.9, 2), (1, 0.9, 2)]
)
def test_a_group_has_two_regions_where_there_are_enough(regions, keep, groups):
    assert group_count(regions, keep) == groups


@pytest.mark.parametrize("keep", [0.3, 1.0, float("nan")])
def test_keep_is_a_share(keep):
    with pytest.raises(UsageError, match="share of regions that stay visible"):
        group_count(20, keep)


# --- Fitting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-6, 1.0, 30.0])
@pytest.mark.parametrize("weighted", [True, False])
def test_it_is_ridge_regression(intercept, alpha, weighted):
    x, y, importance = data()
    twin = Ridge(alpha=alpha, fit_intercept=intercept).fit(x, y, importance if weighted else None)
    found = fit(x, y, importance if weighted else None, alpha=alpha, intercept=intercept)
    np.testing.assert_allclose(found.weights, twin.coef_, atol=1e-9)
    assert found.intercept == pytest.approx(twin.intercept_, abs=1e-9)
    assert found.r2 == pytest.approx(twin.score(x, y, importance if weighted else None))


@pytest.mark.parametrize("intercept", [True, False])
def test_errors_are_those_of_least_squares(intercept):
    x, y, _ = data()
    full = np.column_stack([x, np.ones(len(x))]) if intercept else x.numpy()
    coefficients = np.linalg.lstsq(full, y.numpy(), rcond=None)[0]
    noise = ((y.numpy() - full @ coefficients) ** 2).sum() / (len(full) - full.shape[1])
    wanted = np.sqrt(noise * np.linalg.inv(full.T @ full).diagonal())[: x.shape[1]]
    np.testing.assert_allclose(fit(x, y, intercept=intercept).errors, wanted, rtol=1e-5)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("alpha", [1e-6, 5.0])
def test_each_sample_is_foretold_by_a_fit_of_the_others(intercept, alpha):
    x, y, _ = data(30)
    misses = []
    for row in range(len(x)):
        others = np.arange(len(x)) != row
        twin = Ridge(alpha=alpha, fit_intercept=intercept).fit(x[others], y[others])
        misses.append(float(y[row]) - twin.predict(x[[row]])[0])
    wanted = 1 - np.mean(np.square(misses)) / float(y.var(correction=0))
    found = fit(x, y, alpha=alpha, intercept=intercept).r2_unseen
    assert found == pytest.approx(wanted, abs=1e-6)


def test_where_nothing_varies_nothing_is_explained():
    found = fit(data()[0], torch.zeros(60).double())
    assert not found.weights.any()
    assert not found.errors.any()
    assert found.r2 == found.r2_unseen == 0


def test_features_that_are_always_alike_share():
    x, y, _ = data()
    found = fit(torch.cat([x, x[:, -1:]], 1), y)
    assert found.weights[-1] == pytest.approx(float(found.weights[-2]))
    assert found.weights[-2:].sum() == pytest.approx(float(fit(x, y).weights[-1]), abs=1e-4)
    assert found.errors.isfinite().all()

"""The linear stand-in, against its formulas spelled out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import BayesianRidge, Ridge
from torch import Tensor

from seewhy.methods.surrogate import Posterior, contrasts, fit, infer


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(samples: int = 60, features: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    random = generator(3)
    x = (torch.rand((samples, features), generator=random) < 0.5).double()
    y = x @ torch.arange(features).double() + torch.randn(samples, generator=random).double()
    return x, y, torch.rand(samples, generator=random).double() + 0.1


# --- Contrasts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 10])
def test_contrasts_see_differences_and_nothing_in_common(count):
    made = contrasts(count)
    assert made.shape == (count - 1, count)
    torch.testing.assert_close(made @ made.T, torch.eye(count - 1).double())
    torch.testing.assert_close(made.sum(1), torch.zeros(count - 1).double())


# --- Inferring ------------------------------------------------------------------------------------------------------


def test_what_is_inferred_is_ridge_regression_under_the_likeliest_noise():
    """Against scikit-learn's twin, which finds both sizes by iterating."""
    x, y, _ = data()
    twin = BayesianRidge(fit_intercept=False, tol=1e-10, max_iter=10_000, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0)
    twin.fit(x, y)
    found = infer(x, y, torch.eye(x.shape[1]).double())
    np.testing.assert_allclose(found.weights, twin.coef_, rtol=0.02)
    np.testing.assert_allclose(found.covariance, twin.sigma_, atol=0.05 * twin.sigma_.max())


def test_r2_is_that_of_samples_left_out():
    x, y, _ = data(40)
    prior = torch.eye(x.shape[1]).double()
    found = infer(x, y, prior)
    chance = infer(x, torch.randn(40, generator=generator(1)).double(), prior)
    assert 0 <= chance.r2 < 0.2
    assert 0.5 < found.r2 < 1


def test_parts_that_are_alike_before_stay_alike():
    x = torch.eye(3).double()[[0, 2, 0, 2]]
    prior = torch.tensor([[1, 0.99, 0], [0.99, 1, 0], [0, 0, 1]]).double()
    found = infer(x, torch.tensor([2.0, -1.0, 2.1, -1.1]).double(), prior)
    assert found.weights[1] == pytest.approx(0.99 * float(found.weights[0]))
    assert found.errors[1] > found.errors[0]


def test_sums_have_the_errors_of_what_varies_together():
    found = Posterior(torch.tensor([1.0, 2.0]).double(), torch.tensor([[1.0, -0.5], [-0.5, 1.0]]).double(), 1.0)
    both = found.sums(torch.ones(1, 2).double())
    assert both.weights.tolist() == [3]
    assert both.errors.tolist() == [1]


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

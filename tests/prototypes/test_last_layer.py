"""The last layer: the same minimum as another solver finds, its bounds kept, and what it says when it cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch.nn import functional

from seewhy.errors import ExplainError
from seewhy.prototypes.finishing import solve_last_layer

CLASSES, PER_CLASS = 3, 4
OWNERS = torch.arange(CLASSES).repeat_interleave(PER_CLASS)
L1, L2 = 5e-3, 2e-3


def problem(count=80, seed=0, noise=0.6):
    """Pictures more like the prototypes of their own class, on a scale of their own."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    alike = (labels[:, None] == OWNERS).float() + noise * torch.randn(count, len(OWNERS), generator=generator)
    return 0.1 * alike + 0.7, labels


def objective(found, similarities, labels):
    """What the solution makes least, on similarities divided by their common spread."""
    given = similarities.double()
    spread = (given - given.mean(0)).square().mean().sqrt()
    losses = functional.cross_entropy(given @ found.weights.T + found.bias, labels, reduction="none")
    importance = (1 / torch.bincount(labels, minlength=CLASSES).double() / CLASSES)[labels]
    weights = found.weights * spread
    return float((losses * importance).sum() + L1 * weights.abs().sum() + L2 / 2 * weights.square().sum())


def by_quadratic_programs(similarities, labels):
    """The same problem by another solver, with a bound for each weight of the whole table."""
    scaled = similarities.double() - similarities.double().mean(0)
    scaled = scaled / scaled.square().mean().sqrt()
    mine = torch.arange(CLASSES)[:, None] == OWNERS
    counts = torch.bincount(labels, minlength=CLASSES).double()
    importance = (1 / counts / CLASSES)[labels]
    size = mine.numel()

    def value(flat):
        parts = torch.tensor(flat, requires_grad=True)
        weights, bias = parts[:size].view_as(mine), parts[size:]
        losses = functional.cross_entropy(scaled @ weights.T + bias, labels, reduction="none")
        total = (losses * importance).sum() + L1 * weights.sum() + L2 / 2 * weights.square().sum()
        total.backward()
        return total.item(), parts.grad.numpy()

    bounds = [(0, None) if own else (0, 0) for own in mine.flatten().tolist()] + [(None, None)] * CLASSES
    options = {"maxiter": 20_000, "ftol": 1e-15}
    return minimize(value, np.zeros(len(bounds)), jac=True, bounds=bounds, method="SLSQP", options=options).fun


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_finds_the_minimum_that_another_solver_finds(seed):
    similarities, labels = problem(seed=seed)
    found = solve_last_layer(similarities, labels, OWNERS, CLASSES, l1=L1, l2=L2)
    assert objective(found, similarities, labels) == pytest.approx(
        by_quadratic_programs(similarities, labels), abs=1e-8
    )


def test_a_prototype_speaks_for_its_own_class_or_not_at_all():
    similarities, labels = problem(noise=3.0)
    weights = solve_last_layer(similarities, labels, OWNERS, CLASSES, l1=0.05).weights
    mine = torch.arange(CLASSES)[:, None] == OWNERS
    assert (weights[mine] >= 0).all()
    assert (weights[mine] == 0).any()
    assert not weights[~mine].any()


def test_a_strong_penalty_leaves_nothing_but_equal_classes():
    similarities, labels = problem()
    found = solve_last_layer(similarities, labels, OWNERS, CLASSES, l1=10.0)
    assert not found.weights.any()
    # Every class counts alike, so that without evidence all are as likely.
    assert found.bias.softmax(0).tolist() == pytest.approx([1 / CLASSES] * CLASSES, abs=1e-5)


def test_the_units_of_similarities_change_no_answer():
    similarities, labels = problem()
    shift = torch.linspace(-3, 3, len(OWNERS))
    found = solve_last_layer(similarities, labels, OWNERS, CLASSES)
    other = solve_last_layer(similarities * 40 + shift, labels, OWNERS, CLASSES)
    torch.testing.assert_close(40 * other.weights, found.weights, atol=1e-3, rtol=0)
    answers = similarities.double() @ found.weights.T + found.bias
    others = (similarities * 40 + shift).double() @ other.weights.T + other.bias
    torch.testing.assert_close(answers, others, atol=1e-3, rtol=0)


def test_a_prototype_that_is_almost_alike_everywhere_gets_no_points():
    similarities, labels = problem()
    similarities[:, 0] = 0.9 + 1e-4 * (labels == 0)  # it tells the class, by a hair
    assert not solve_last_layer(similarities, labels, OWNERS, CLASSES).weights[:, 0].any()


def test_what_is_not_finite_is_told():
    similarities, labels = problem()
    similarities[3, 2] = torch.nan
    with pytest.raises(ExplainError, match="not finite"):
        solve_last_layer(similarities, labels, OWNERS, CLASSES)

"""Costs by hand."""

from __future__ import annotations

import pytest
import torch

from seewhy.prototypes.learning import cluster_cost, diversity_cost, separation_cost

OWNERS = torch.tensor([0, 0, 1, 1])
NEAREST = torch.tensor([[3.0, 1.0, 4.0, 2.0], [5.0, 6.0, 8.0, 7.0], [0.5, 9.0, 0.25, 9.0]])
LABELS = torch.tensor([0, 1, 1])


def test_each_picture_counts_by_its_nearest_own_prototype():
    assert cluster_cost(NEAREST, LABELS, OWNERS).item() == pytest.approx((1 + 7 + 0.25) / 3)


def test_and_by_its_nearest_other_one():
    assert separation_cost(NEAREST, LABELS, OWNERS).item() == pytest.approx((2 + 5 + 0.5) / 3)


def test_only_the_nearest_prototype_is_pulled():
    nearest = NEAREST.clone().requires_grad_()
    cluster_cost(nearest, LABELS, OWNERS).backward()
    assert nearest.grad.nonzero().tolist() == [[0, 1], [1, 3], [2, 2]]


def test_equal_prototypes_of_a_class_cost_and_orthogonal_ones_do_not():
    unit = torch.eye(4)
    assert diversity_cost(unit, OWNERS) == 0
    assert diversity_cost(torch.stack([unit[0], 3 * unit[0], unit[1], -unit[1]]), OWNERS) == 1
    # Classes may look alike; one pair of two is at 60 degrees.
    tilted = torch.stack([unit[0], unit[1], unit[0], unit[0] / 2 + 3**0.5 / 2 * unit[1]])
    assert diversity_cost(tilted, OWNERS).item() == pytest.approx(0.25 / 2)


def test_one_prototype_to_a_class_is_as_different_as_can_be():
    assert diversity_cost(torch.eye(2), torch.tensor([0, 1])) == 0

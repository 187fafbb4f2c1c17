"""Sobol indices and HSIC: closed forms, a literal twin, and where a planted object is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.sensitivity import dependence, sobol_designs, total_indices
from seewhy.models import Classifier, Preprocessing, Target


def test_total_indices_of_a_sum_are_shares_of_squares():
    weights = torch.tensor([3.0, 0.0, 1.0, -2.0])
    masks = sobol_designs(1024, 4, 0)
    assert masks.shape == (1024 * 6, 4)
    np.testing.assert_allclose(total_indices(masks @ weights, 1024), weights**2 / 14, atol=0.02)


def test_total_indices_of_a_product_count_what_cells_do_together():
    """Of x y with both uniform the variance is 7/144, of which each has 1/48 alone and 1/144 with the other."""
    masks = sobol_designs(2048, 3, 1)
    np.testing.assert_allclose(total_indices(masks[:, 0] * masks[:, 1], 2048), [4 / 7, 4 / 7, 0], atol=0.03)


def test_of_a_constant_nothing_matters():
    assert not total_indices(torch.ones(2 * 5), 2).any()
    assert not dependence(torch.rand(9, 4) < 0.5, torch.ones(9)).any()


def test_dependence_is_what_its_formula_says():
    generator = torch.Generator().manual_seed(0)
    masks, scores = torch.rand((14, 3), generator=generator) < 0.5, torch.randn(14, generator=generator)
    n = len(scores)
    distances = [abs(float(a - b)) for a in scores for b in scores]
    width = torch.tensor([each for each in distances if each > 0]).double().median()
    centre = np.eye(n) - 1 / n
    outputs = np.array([[np.exp(-(((float(a - b)) / float(width)) ** 2) / 2) for b in scores] for a in scores])
    for cell in range(3):
        inputs = np.array([[float(a == b) for b in masks[:, cell]] for a in masks[:, cell]])
        wanted = np.trace(inputs @ centre @ outputs @ centre) / (n - 1) ** 2
        assert float(dependence(masks, scores)[cell]) == pytest.approx(wanted, rel=1e-5)


class Corner(torch.nn.Module):
    """Class 1 is how bright the upper left quarter is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x[:, :, :16, :16].mean((1, 2, 3))
        return torch.stack([bright * 0, bright], 1)


@pytest.mark.parametrize(("name", "settings"), [("sobol", {"designs": 16}), ("hsic", {"masks": 200})])
def test_what_the_score_hangs_on_is_found(name, settings):
    classifier = Classifier.from_module(Corner(), Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1)))
    method = find_method(name, cells=4, fill="black", precision="float32", **settings)
    (found,) = method(classifier, zoo.photos(1), [[Target(1)]], generator=torch.Generator().manual_seed(0))
    inside, whole = found.values[:16, :16].sum(), found.values.sum()
    assert inside > 0.75 * whole
    assert found.cost.forwards == (1 + 16 * 18 if name == "sobol" else 200)


@pytest.mark.parametrize(("name", "wrong"), [("sobol", {"designs": 1}), ("hsic", {"masks": 1}), ("hsic", {"cells": 0})])
def test_settings_without_sense_are_refused(name, wrong):
    with pytest.raises(UsageError, match=f"{name} wants"):
        find_method(name, **wrong)

"""FEM against a literal twin, KPCA-CAM against pytorch-grad-cam."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from seewhy.methods import find_method
from seewhy.methods.unsupervised_cam import fem, kernel_principal_map
from seewhy.models import Target
from seewhy.models.shim import ready_torchvision


def maps(seed: int = 0) -> torch.Tensor:
    return torch.rand((2, 5, 6, 7), generator=torch.Generator().manual_seed(seed)) ** 3


def test_fem_is_what_its_formula_says():
    activations = maps()
    for found, each in zip(fem(activations, activations), activations.double().numpy(), strict=True):
        wanted = np.zeros((6, 7))
        for channel in each:
            mean = sum(channel.flat) / channel.size
            deviation = (sum((value - mean) ** 2 for value in channel.flat) / channel.size) ** 0.5
            for i, j in np.ndindex(6, 7):
                wanted[i, j] += mean * (channel[i, j] >= mean + 2 * deviation)
        assert wanted.any()
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_flat_map_is_nowhere_rare():
    flat = torch.full((1, 2, 2, 2), 0.1)
    assert not fem(flat, flat).any()
    assert not kernel_principal_map(flat, flat).any()


def test_kpca_cam_equals_pytorch_grad_cam():
    ready_torchvision()
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_kernel

    activations = maps(1)
    found = kernel_principal_map(activations, activations)
    for ours, theirs in zip(found.numpy(), get_2d_projection_kernel(activations.numpy()), strict=True):
        sign = 1 if abs(theirs.min()) <= abs(theirs.max()) else -1
        np.testing.assert_allclose(ours, sign * theirs, atol=1e-5)


@pytest.mark.parametrize("name", ["fem", "kpca-cam"])
def test_no_class_plays_a_part(name):
    targets = [[Target(0), Target(1)]]
    one, other = find_method(name)(zoo.familiar("residual"), zoo.photos(1), targets, generator=torch.Generator())
    assert one.values.any()
    assert np.array_equal(one.values, other.values)

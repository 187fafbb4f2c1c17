"""FullGrad: complete on ReLU networks, equal to pytorch-grad-cam, and honest about the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo
from seewhy.methods import find_method
from seewhy.models import Target
from seewhy.models.shim import ready_torchvision


def explain(network: str, **parameters: object):
    method = find_method("full-grad", **parameters)
    return method(zoo.familiar(network), zoo.photos(1), [[Target(1)]], generator=torch.Generator())[0]


@pytest.mark.parametrize("network", ["gap-linear", "residual", "overlapping", "training"])
def test_inputs_and_biases_of_a_relu_network_add_up_to_the_score(network):
    """BatchNorm after a convolution is a bias of it; a residual sum and a reused ReLU change nothing."""
    found = explain(network)
    assert found.checks["completeness_gap"] < 1e-4
    assert not any("FullGrad does not see" in note for note in found.notes)


@pytest.mark.parametrize("network", ["tiny-vit", "channels-last"])
def test_what_it_does_not_see_is_told(network):
    found = explain(network)
    assert found.checks["completeness_gap"] > 0.01
    assert any("FullGrad does not see" in note for note in found.notes)


def test_equals_pytorch_grad_cam():
    ready_torchvision()
    from pytorch_grad_cam import FullGrad
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    x = zoo.familiar("overlapping").preprocess(zoo.photos(1)).requires_grad_()
    theirs = FullGrad(zoo.network("overlapping"), [])(x, [ClassifierOutputTarget(1)])[0]
    found = explain("overlapping").values
    scaled = (found - found.min()) / np.ptp(found)
    np.testing.assert_allclose(scaled, theirs, atol=3e-3)  # it enlarges by other arithmetic


def test_at_a_layer_the_rest_of_the_network_counts():
    """Behind the last ReLU there is one bias, the head's: it has no place in the picture."""
    found = explain("residual", layers=("relu",))
    assert found.checks["completeness_gap"] < 1e-4
    assert found.layer == "relu"

"""Integrated gradients: closed forms, completeness, captum, and the same at a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.engines import Differentiable
from seewhy.errors import UsageError
from seewhy.methods import Explanation, find_method
from seewhy.methods.integrated_gradients import path_integral
from seewhy.models import Classifier, Preprocessing, Target

PLAIN = Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1))


def explain(classifier: Classifier, name: str = "integrated-gradients", **parameters: object) -> Explanation:
    method = find_method(name, **parameters)
    generator = torch.Generator().manual_seed(0)
    return method(classifier, zoo.photos(1), [[Target(1)]], generator=generator)[0]


class Cubic(nn.Module):
    """Σ x³ w, whose integrated gradients from r are w (x³ − r³): by a rule with two points or more."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3, *zoo.SIZE, generator=torch.Generator().manual_seed(0)).double())

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x**3, self.weight)


@pytest.mark.parametrize("steps", [2, 3, 16])
def test_a_polynomial_is_integrated_exactly(steps):
    module = Cubic().eval()
    network = Differentiable(Classifier.from_module(module, PLAIN))
    x, reference = zoo.inputs(2).double().split(1)
    (found,) = path_integral(network, x[0], reference[0], [Target(1)], steps)
    wanted = module.weight[1].detach() * (x[0] ** 3 - reference[0] ** 3)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_equals_captum():
    from captum.attr import IntegratedGradients

    network, (x, reference) = zoo.network("functional"), zoo.inputs(2).split(1)
    (found,) = path_integral(
        Differentiable(Classifier.from_module(network, PLAIN)), x[0], reference[0], [Target(2)], 24
    )
    theirs = IntegratedGradients(network).attribute(x, reference, target=2, n_steps=24, method="gausslegendre")[0]
    torch.testing.assert_close(found, theirs.float(), rtol=0, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize("network", zoo.SOUND)
def test_steps_double_until_it_adds_up(network):
    found = explain(zoo.classifier(network), tolerance=0.02)
    assert found.checks["completeness_gap"] <= 0.02
    assert found.checks["steps"] in {16, 32, 64, 128, 256}


def test_steps_stop_at_the_most():
    found = explain(zoo.classifier("residual"), steps=3, most_steps=7, tolerance=0)
    assert found.checks["steps"] == 6


def test_the_mean_over_references_adds_up_to_their_mean_score():
    found = explain(zoo.classifier("residual"), background="noise", tolerance=0.02)
    assert found.checks["completeness_gap"] <= 0.02


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 64, "most_steps": 32}])
def test_steps_without_sense_are_refused(wrong):
    with pytest.raises(UsageError, match="most_steps"):
        explain(zoo.classifier("residual"), **wrong)


# --- At a layer: along the way that the activations go, where the raw-activation form would not add up ---------------

LAYERS = {
    "residual": "stem",
    "branches": "stem",
    "functional": "conv2",
    "tiny-vit": "blocks.0",
    "overlapping": "features.3",
}
METHODS = ["integrated-gradients", "expected-gradients", "deep-lift", "deep-shap"]


@pytest.mark.parametrize("network", LAYERS)
@pytest.mark.parametrize("method", METHODS)
def test_a_layer_that_all_goes_through_adds_up(method, network):
    tight = {"integrated-gradients": 0.02, "expected-gradients": 0.1}.get(method, 1e-4)
    options = {"samples": 200, "tolerance": 0.0} if method == "expected-gradients" else {}
    found = explain(zoo.classifier(network), method, layers=(LAYERS[network],), **options)
    assert found.layer == LAYERS[network]
    assert found.values.any()
    assert found.checks["completeness_gap"] <= tight


def test_a_layer_beside_a_shortcut_does_not_take_what_goes_past_it():
    """Of `second`, which a skip goes past, only its own part is shared out: the gap tells of the rest."""
    found = explain(zoo.classifier("residual"), "deep-lift", layers=("second",))
    assert found.checks["completeness_gap"] < 1e-4, "of the network from there on it adds up"
    whole = explain(zoo.classifier("residual"), "deep-lift")
    assert not np.isclose(found.values.sum(), whole.values.sum(), rtol=1e-2)


def test_layer_maps_cover_the_picture():
    found = explain(zoo.classifier("residual"), layers=("stem", "relu")).values
    assert found.shape == zoo.SIZE

"""ShapleyCAM: pytorch-grad-cam's, a closed form, and Grad-CAM where the score is linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.methods import find_method
from seewhy.models import Classifier, Target, capture
from seewhy.models.shim import ready_torchvision


def explain(classifier: Classifier, name: str = "shapley-cam", target: Target | None = None, **parameters: object):
    method = find_method(name, **parameters)
    return method(classifier, zoo.photos(2), [[target or Target(1)]] * 2, generator=torch.Generator())


@pytest.mark.parametrize(
    ("network", "layer"), [("overlapping", "features.3"), ("gap-linear", "conv"), ("functional", "conv1")]
)
def test_equals_pytorch_grad_cam(network, layer):
    ready_torchvision()
    from pytorch_grad_cam import ShapleyCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputReST

    classifier = zoo.classifier(network)
    x = classifier.preprocess(zoo.photos(2))
    found = explain(classifier, layers=(layer,))
    module = zoo.network(network)
    with ShapleyCAM(module, [module.get_submodule(layer)]) as cam:
        theirs = np.stack([cam(each, [ClassifierOutputReST(1)])[0] for each in x.split(1)])
    for ours, wanted in zip(found, theirs, strict=True):
        scaled = (ours.values - ours.values.min()) / (np.ptp(ours.values) + 1e-7)
        np.testing.assert_allclose(scaled, wanted, atol=2e-3)


class Bilinear(nn.Module):
    """Logits of the squared mean of a layer: second derivatives in closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).mean((2, 3)).square()


def test_curvature_in_closed_form():
    """Of a squared mean m² g is 2m/N and H·A = 2 Σ A / N² = 2m/N = g: half of the gradient is taken away."""
    torch.manual_seed(0)
    module = Bilinear().double()
    with capture(module, ["layer"]) as seen:
        logits = module(zoo.inputs(1).double())
        slopes, curvatures = seen.curvatures(logits[0, 1], ["layer"])
    torch.testing.assert_close(curvatures["layer"][0, 1], slopes["layer"][0, 1])
    mean = float(seen["layer"][0, 1].detach().mean())
    torch.testing.assert_close(slopes["layer"][0, 1], torch.full(zoo.SIZE, 2 * mean / 1024).double())


def test_where_the_score_is_linear_it_is_grad_cam():
    """ "A rather than B" leaves no softmax, and behind the layer all is linear: only the scale differs."""
    classifier = zoo.classifier("gap-linear")
    target = Target(1, against=0)
    for ours, wanted in zip(explain(classifier, target=target), explain(classifier, "grad-cam", target), strict=True):
        np.testing.assert_allclose(ours.values, 2 * wanted.values, rtol=1e-4, atol=1e-6)


def test_a_layer_that_the_score_is_constant_in_has_no_curvature():
    with capture(linear := nn.Sequential(nn.Linear(3, 2)), ["0"]) as seen:
        score = linear(torch.ones(1, 3)).sum()
        assert not seen.curvatures(score, ["0"])[1]["0"].any()

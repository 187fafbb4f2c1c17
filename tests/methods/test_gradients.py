"""Plain, smoothed and guided gradients: closed forms and captum."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.errors import UsageError
from seewhy.methods import Explanation, find_method
from seewhy.methods.gradients import guided_grad_cam
from seewhy.models import Classifier, Preprocessing, Target

PLAIN = Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1))


def explain(name: str, classifier: Classifier, target: Target | None = None, **parameters: object) -> Explanation:
    method = find_method(name, **parameters)
    generator = torch.Generator().manual_seed(0)
    return method(classifier, zoo.photos(1), [[target or Target(2)]], generator=generator)[0]


def linear() -> tuple[Classifier, Tensor]:
    """A linear network, and the weights `(K, 3, h, w)` of its logits."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * zoo.SIZE[0] * zoo.SIZE[1], zoo.CLASSES)).eval()
    weight = module[1].weight.detach().view(-1, 3, *zoo.SIZE)
    return Classifier.from_module(module, PLAIN), weight


@pytest.mark.parametrize("name", ["gradient", "smooth-grad", "guided-backprop"])
def test_of_a_linear_network_it_is_the_strongest_weight(name):
    classifier, weight = linear()
    np.testing.assert_allclose(explain(name, classifier).values, weight[2].abs().amax(0), rtol=1e-5)


def test_of_a_contrast_it_is_that_of_the_difference():
    classifier, weight = linear()
    found = explain("gradient", classifier, Target(2, against=0)).values
    np.testing.assert_allclose(found, (weight[2] - weight[0]).abs().amax(0), rtol=1e-5)


def test_input_times_gradient_of_a_linear_network_adds_up():
    classifier, weight = linear()
    x = classifier.preprocess(zoo.photos(1))[0]
    np.testing.assert_allclose(explain("input-x-gradient", classifier).values, (x * weight[2]).sum(0), atol=1e-6)


def test_smooth_grad_averages_over_noise_of_the_asked_size():
    """Of a square the gradient is linear: noise of any size leaves the mean, and a seed is told apart from another."""

    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum((1, 2, 3))[:, None] * torch.tensor([1.0, 2.0])

    classifier = Classifier.from_module(Square().eval(), PLAIN)
    x = classifier.preprocess(zoo.photos(1))[0]
    exact = (4 * x).abs().amax(0).numpy()
    noisy = [explain("smooth-grad", classifier, Target(1), samples=400, noise=noise).values for noise in (0.0, 0.1)]
    np.testing.assert_allclose(noisy[0], exact, rtol=1e-5)
    spread = 4 * 0.1 * float(x.max() - x.min()) / 20
    assert np.abs(noisy[1] - exact).max() < 6 * spread
    assert np.abs(noisy[1] - exact).max() > spread


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"noise": -1}])
def test_smooth_grad_without_sense_is_refused(wrong):
    with pytest.raises(UsageError, match="samples ≥ 1"):
        explain("smooth-grad", linear()[0], **wrong)


def test_var_grad_equals_captum_on_the_same_noise():
    from captum.attr import NoiseTunnel, Saliency

    classifier = zoo.classifier("functional")
    x = classifier.preprocess(zoo.photos(1))
    found = explain("var-grad", classifier, samples=200)
    torch.manual_seed(0)
    tunnel = NoiseTunnel(Saliency(classifier.module))
    settings = {"nt_type": "vargrad", "nt_samples": 200, "stdevs": 0.15 * float(x.max() - x.min()), "abs": False}
    theirs = tunnel.attribute(x, target=2, **settings)[0].abs().amax(0).detach().numpy()
    assert np.corrcoef(found.values.ravel(), theirs.ravel())[0, 1] > 0.9, "as near as two draws of 200 are"
    assert found.values.sum() == pytest.approx(theirs.sum(), rel=0.05)


def test_of_a_linear_network_no_gradient_varies():
    assert explain("var-grad", linear()[0]).values.max() < 1e-8


class Deep(nn.Module):
    """What captum's hooks can do: each ReLU a module of its own, none in place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.relu, self.last = nn.ReLU(), nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(8, zoo.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.second(self.pool(self.relu(self.first(x))))).mean((2, 3)))


def test_guided_backpropagation_equals_captum():
    from captum.attr import GuidedBackprop

    classifier = Classifier.from_module(Deep().eval(), PLAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = GuidedBackprop(classifier.module).attribute(classifier.preprocess(zoo.photos(1)), target=2)
    found = explain("guided-backprop", classifier).values
    np.testing.assert_allclose(found, theirs[0].abs().amax(0).detach(), atol=1e-6 * float(theirs.abs().max()))


def test_guided_grad_cam_equals_captum():
    from captum.attr import GuidedGradCam

    module = Deep().eval()
    classifier = Classifier.from_module(module, PLAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = (
            GuidedGradCam(module, module.last)
            .attribute(classifier.preprocess(zoo.photos(1)), target=2, interpolate_mode="bilinear")
            .detach()
        )
    found = explain("guided-grad-cam", classifier, layers=("last",))
    assert found.layer == "last"
    assert found.values.any()
    np.testing.assert_allclose(found.values, theirs[0].abs().amax(0).detach(), atol=1e-5 * float(theirs.abs().max()))


def test_guided_grad_cam_by_hand():
    gradients = torch.tensor([[[1.0, -2.0]], [[0.5, 1.0]], [[-3.0, 0.0]]])
    assert guided_grad_cam(gradients, torch.tensor([[2.0, -1.0]])).tolist() == [[6.0, 0.0]]


def test_guided_backpropagation_reaches_reused_and_functional_activations():
    """Every activation clamps: in a network whose ReLU is used three times the map differs from the plain gradient."""
    guided, plain = (explain(name, zoo.classifier("residual")).values for name in ("guided-backprop", "gradient"))
    assert not np.allclose(guided, plain, atol=1e-3 * plain.max())


# --- At a layer -----------------------------------------------------------------------------------------------------


def test_input_times_gradient_at_a_layer_is_hires_cam():
    classifier = zoo.classifier("residual")
    found = explain("input-x-gradient", classifier, layers=("relu",))
    wanted = explain("hires-cam", classifier, layers=("relu",), signed=True)
    assert found.layer == "relu"
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-6 * np.abs(wanted.values).max())


def test_lrp_at_a_layer_keeps_the_score_that_the_head_hands_back():
    """Behind the layer there is a mean and a linear head: its activations take the logit less the bias."""
    classifier = zoo.classifier("gap-linear")
    found = explain("lrp", classifier, layers=("relu",), rules="epsilon")
    logit = float(classifier.logits(classifier.preprocess(zoo.photos(1)))[0, 2])
    kept = (logit - float(classifier.module.head.bias[2])) / logit
    assert found.checks["relevance_kept"] == pytest.approx(kept, rel=1e-4)

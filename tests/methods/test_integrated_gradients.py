"""Integrated gradients: closed forms, completeness, captum, and the same at a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.engines import Differentiable
from seewhy.errors import UsageError
from seewhy.images import Image, open_image
from seewhy.methods import Explanation, find_method
from seewhy.methods.integrated_gradients import important_directions, path_integrals
from seewhy.models import Classifier, Preprocessing, Target

PLAIN = Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1))


def explain(classifier: Classifier, name: str = "integrated-gradients", **parameters: object) -> Explanation:
    method = find_method(name, **parameters)
    generator = torch.Generator().manual_seed(0)
    return method(classifier, zoo.photos(1), [[Target(1)]], generator=generator)[0]


class Cubic(nn.Module):
    """Σ x³ w, whose integrated gradients from r are w (x³ − r³)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3, *zoo.SIZE, generator=torch.Generator().manual_seed(0)).double())

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nchw,kchw->nk", x**3, self.weight)


def test_a_polynomial_is_integrated_as_closely_as_asked():
    module = Cubic().eval()
    network = Differentiable(Classifier.from_module(module, PLAIN))
    x, reference = zoo.inputs(2).double().split(1)
    (found,) = path_integrals(network, x[0], reference[0], [Target(1)], 4, 400, 1e-5)
    wanted = module.weight[1].detach() * (x[0] ** 3 - reference[0] ** 3)
    assert found.gap <= 1e-5
    assert float((found.shares() - wanted).norm() / wanted.norm()) < 1e-3


def test_equals_captum():
    """Its trapezoids lie on 24 places, too, but are a 24th wide, not a 23rd."""
    from captum.attr import IntegratedGradients

    network, (x, reference) = zoo.network("functional"), zoo.inputs(2).split(1)
    differentiable = Differentiable(Classifier.from_module(network, PLAIN))
    (found,) = path_integrals(differentiable, x[0], reference[0], [Target(2)], 24)
    theirs = IntegratedGradients(network).attribute(x, reference, target=2, n_steps=24, method="riemann_trapezoid")[0]
    wanted = theirs.float() * 24 / 23
    torch.testing.assert_close(found.shares(), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


class Switch(nn.Module):
    """All of its change is near the reference: w · x, cut off at 0.05 of the way."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(1, 3, *zoo.SIZE, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        score = torch.einsum("nchw,kchw->nk", x, self.weight) / self.weight.sum()
        return torch.cat([torch.zeros_like(score), score.clamp(max=0.05) + score**2 / 1000], 1)


def test_places_are_added_where_the_sum_misses():
    network = Differentiable(Classifier.from_module(Switch().eval(), PLAIN))
    x, reference = torch.ones(3, *zoo.SIZE), torch.zeros(3, *zoo.SIZE)
    (path,) = path_integrals(network, x, reference, [Target(1)], 8, 64, 1e-3)
    assert path.gap <= 1e-3
    assert len(path.positions) < 40
    added = path.positions[~torch.isin(path.positions, torch.linspace(0, 1, 8, dtype=torch.float64))]
    assert float(added.max()) <= 1 / 7
    evenly = [path_integrals(network, x, reference, [Target(1)], steps)[0].gap for steps in (16, 32, 48)]
    assert min(evenly) > 1e-3


def test_the_places_know_what_they_miss():
    network = Differentiable(zoo.classifier("functional"))
    x, reference = zoo.inputs(2)
    paths = path_integrals(network, x, reference, [Target(0), Target(1)], 9)
    for path in paths:
        assert float(path.misses.sum()) == pytest.approx(float(path.shares().sum() - path.change), abs=1e-4)
    ends = network.logits(torch.stack([reference, x])).double()
    changes = torch.stack([path.change for path in paths])
    torch.testing.assert_close(changes, (ends[1] - ends[0])[:2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("network", zoo.SOUND)
def test_steps_are_added_until_it_adds_up(network):
    found = explain(zoo.classifier(network), tolerance=0.002)
    assert found.checks["completeness_gap"] <= 0.002
    assert 16 <= found.checks["steps"] <= 256
    assert found.notes == ()
    references, picture = zoo.classifier(network).logits(zoo.classifier(network).preprocess(black_and_photo()))
    change = float(picture[1] - references[1])
    assert found.values.astype(float).sum() == pytest.approx(change, rel=0.003)


def black_and_photo() -> list[Image]:
    photo = zoo.photos(1)[0]
    return [open_image(np.zeros((photo.height, photo.width, 3), np.uint8)), photo]


def test_steps_stop_at_the_most_and_the_map_says_so():
    found = explain(zoo.classifier("residual"), steps=3, most_steps=7, tolerance=0)
    assert found.checks["steps"] == 7
    short = explain(zoo.classifier("tiny-vit"), steps=2, most_steps=2, tolerance=0)
    assert short.checks["completeness_gap"] > 0.01
    (note,) = short.notes
    total = short.values.astype(float).sum()
    assert note.startswith(f"This map does not add up: its values sum to {total:+.4g}, while the score changed by ")
    assert note.endswith("2 steps did not get there; more may, with most_steps=8.")


def test_the_mean_over_references_adds_up_to_their_mean_score():
    found = explain(zoo.classifier("residual"), background="noise", tolerance=0.02)
    assert found.checks["completeness_gap"] <= 0.02


@pytest.mark.parametrize("wrong", [{"steps": 1}, {"steps": 64, "most_steps": 32}])
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


# --- Important directions -------------------------------------------------------------------------------------------


def test_important_directions_are_what_their_formula_says():
    scores = torch.tensor([0.0, 1.0, -0.5, 2.0]).double()
    gradients = torch.randn((4, 2, 3), generator=torch.Generator().manual_seed(0))
    wanted = np.zeros((2, 3))
    for step in range(3):
        squares = gradients[step].double().numpy() ** 2
        wanted += float(scores[step + 1] - scores[step]) * squares / squares.sum()
    found = important_directions(scores, gradients)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert float(found.sum()) == pytest.approx(2.0, abs=1e-6)


def test_idgi_adds_up_whatever_the_steps():
    assert explain(zoo.familiar("functional"), "idgi", steps=3, most_steps=3).checks["completeness_gap"] < 1e-4

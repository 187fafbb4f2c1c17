"""Blur IG and guided IG: linear networks in closed form, completeness, and a literal twin of the guided way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from seewhy.engines import Blur
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.methods.other_paths import guided_path
from seewhy.models import Classifier, Preprocessing, Target

PLAIN = Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1))


def explain(name: str, classifier: Classifier, **parameters: object):
    method = find_method(name, **parameters)
    return method(classifier, zoo.photos(1), [[Target(2)]], generator=torch.Generator())[0]


def linear() -> tuple[Classifier, Tensor, Tensor]:
    """A linear network, its weights `(3, h, w)` for class 2, and the picture `(3, h, w)`."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * zoo.SIZE[0] * zoo.SIZE[1], zoo.CLASSES)).eval()
    classifier = Classifier.from_module(module, PLAIN)
    return classifier, module[1].weight.detach()[2].view(3, *zoo.SIZE), classifier.preprocess(zoo.photos(1))[0]


def test_blur_ig_of_a_linear_network_is_what_the_blur_took_away():
    classifier, weight, x = linear()
    filler = Blur(0.25).prepare(x, None, torch.Generator())
    blurred = filler(x.new_zeros((1, *zoo.SIZE)), torch.zeros(1, dtype=torch.int64))[0]
    found = explain("blur-ig", classifier, steps=5)
    np.testing.assert_allclose(found.values, (weight * (x - blurred)).sum(0), atol=1e-5)


def test_guided_ig_of_a_linear_network_is_input_times_weight():
    classifier, weight, x = linear()
    np.testing.assert_allclose(explain("guided-ig", classifier, steps=7).values, (weight * x).sum(0), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "network", "steps"), [("blur-ig", "functional", 256), ("guided-ig", "gap-linear", 30)]
)
def test_what_it_finds_adds_up(name, network, steps):
    assert explain(name, zoo.familiar(network), steps=steps).checks["completeness_gap"] < 0.02


def test_what_the_guided_way_misses_is_told():
    """It takes several numbers along at one gradient, so more steps do not close the gap."""
    found = explain("guided-ig", zoo.familiar("overlapping"), steps=30)
    assert found.checks["completeness_gap"] > 0.05
    assert any("does not add up" in note and "distance=0.005" in note for note in found.notes)


class Curved:
    """f = Σ w x³ of a few numbers, with its gradient."""

    weight = torch.tensor([1.0, -2.0, 0.5, 3.0, -0.1, 0.0])

    def gradient(self, x: Tensor) -> Tensor:
        return 3 * self.weight * x**2 + 0.1 * self.weight

    def __call__(self, x: Tensor) -> float:
        return float((self.weight * (x**3 + 0.1 * x)).sum())


def twin(gradient, x: np.ndarray, reference: np.ndarray, steps: int, fraction: float, distance: float) -> np.ndarray:
    """The paper's algorithm number by number."""
    here, shares = reference.copy(), np.zeros_like(x)
    total = sum(abs(x - reference))
    for step in range(1, steps + 1):
        slopes = gradient(here)
        low, high = max(step / steps - distance, 0), min(step / steps + distance, 1)
        goal = total * (1 - step / steps)
        while True:
            start = here.copy()
            for i in range(len(x)):
                if x[i] != reference[i] and (here[i] - reference[i]) / (x[i] - reference[i]) < low:
                    here[i] = reference[i] + low * (x[i] - reference[i])
            end = reference + high * (x - reference)
            left = sum(abs(x - here))
            free = [i for i in range(len(x)) if here[i] != end[i]]
            if left <= goal * (1 + 1e-6) + 1e-6 * total or not free:
                shares += (here - start) * slopes
                break
            order = sorted(abs(slopes[i]) for i in free)
            threshold = order[min(int(fraction * len(free)), len(free) - 1)]
            calm = [i for i in free if abs(slopes[i]) <= threshold]
            room = sum(abs(end[i] - here[i]) for i in calm)
            part = min((left - goal) / room, 1) if room else 1
            for i in calm:
                here[i] = end[i] if part == 1 else here[i] + part * (end[i] - here[i])
            shares += (here - start) * slopes
            if part < 1:
                break
    return shares


@pytest.mark.parametrize("distance", [0.0, 0.1, 1.0])
def test_the_guided_way_is_that_of_its_algorithm(distance):
    curved = Curved()
    x, reference = torch.tensor([1.0, 2.0, -1.0, 0.5, 3.0, 0.7]).double(), torch.zeros(6).double()
    reference[5] = 0.7  # as in the picture: there is nowhere to go
    found = guided_path(curved.gradient, x, reference, 400, 0.25, distance)
    wanted = twin(
        lambda at: curved.gradient(torch.tensor(at)).numpy(), x.numpy(), reference.numpy(), 400, 0.25, distance
    )
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    assert found[5] == 0
    assert float(found.sum()) == pytest.approx(curved(x) - curved(reference), rel=0.05)


@pytest.mark.parametrize(
    ("name", "wrong"), [("blur-ig", {"sigma": 0.0}), ("blur-ig", {"steps": 1}), ("guided-ig", {"fraction": 0.0})]
)
def test_settings_without_sense_are_refused(name, wrong):
    with pytest.raises(UsageError, match=f"{name} wants"):
        find_method(name, **wrong)

"""What gradient methods owe to any network, whatever its weights: tiny ones that reuse, branch and work in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import zoo
from seewhy.methods import Explanation, find_method
from seewhy.models import Classifier, Preprocessing, Target

PREPROCESSING = Preprocessing((8, 8), mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
IMAGE = zoo.photos(1, 8, 8)[0]
EXACT: dict[str, dict[str, Any]] = {
    "gradient": {},
    "input-x-gradient": {},
    "guided-backprop": {},
    "smooth-grad": {"samples": 4},
    "integrated-gradients": {"steps": 8, "most_steps": 8},
    "expected-gradients": {"samples": 20, "background": "noise"},
    "deep-lift": {},
    "deep-shap": {"background": "noise"},
    "lrp": {"rules": "epsilon"},
    "attn-lrp": {"rules": "libra-grad"},
}
LINEAR = ["input-x-gradient", "integrated-gradients", "expected-gradients", "deep-lift", "deep-shap"]
seeds = st.integers(0, 10_000)
methods = pytest.mark.parametrize("name", EXACT)


def explain(name: str, module: nn.Module, target: Target | None = None) -> Explanation:
    classifier = Classifier.from_module(module.double().eval(), PREPROCESSING)
    method = find_method(name, **EXACT[name])
    generator = torch.Generator().manual_seed(0)
    return method(classifier, [IMAGE], [[target or Target(1)]], generator=generator)[0]


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    """To float32, in which maps are kept."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6 * max(np.abs(wanted).max(), 1e-30))


class Weights(nn.Module):
    """Two convolutions, the second twice, a skip, a head."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)


class Modules(Weights):
    """One ReLU in place for all, `+=` for the skip."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.first(x))
        y = self.relu(self.second(x))
        y = self.second(y)
        y += x
        return self.head(self.relu(y).mean((2, 3)))


class Functions(Weights):
    """The same function: other calls, nothing in place, the mean as a pool, the head as a convolution."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.conv2d(x, self.first.weight, self.first.bias, padding=1))
        y = self.second(torch.clamp_min(self.second(x), 0))
        pooled = F.adaptive_avg_pool2d(torch.relu(torch.add(x, y)), 1)
        return F.conv2d(pooled, self.head.weight[:, :, None, None], self.head.bias).flatten(1)


@methods
@given(seed=seeds)
@example(seed=1075)  # has a ReLU near to zero
@settings(max_examples=20)
def test_two_ways_to_write_a_network_give_one_map(name, seed):
    close(explain(name, Functions(seed)).values, explain(name, Modules(seed)).values)


class Sum(nn.Module):
    """a · f + b · g."""

    def __init__(self, first: nn.Module, second: nn.Module, a: float, b: float) -> None:
        super().__init__()
        self.first, self.second, self.a, self.b = first, second, a, b

    def forward(self, x: Tensor) -> Tensor:
        return self.a * self.first(x.clone()) + self.b * self.second(x)


@pytest.mark.parametrize("name", LINEAR)
@given(seed=seeds, a=st.floats(-2, 2), b=st.floats(-2, 2))
@settings(max_examples=20)
def test_the_map_of_a_sum_is_the_sum_of_maps(name, seed, a, b):
    first, second = Modules(seed), Functions(seed + 1)
    one, other = explain(name, first).values, explain(name, second).values
    found = explain(name, Sum(first, second, a, b)).values
    scale = max(np.abs(a * one).max(), np.abs(b * other).max(), 1e-6)
    np.testing.assert_allclose(found, a * one + b * other, rtol=0, atol=1e-5 * scale)


class LeftHalf(nn.Module):
    """Does not look at the right half."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x[..., :4])


@methods
@given(seed=seeds)
@settings(max_examples=20)
def test_a_pixel_that_plays_no_part_gets_nothing(name, seed):
    found = explain(name, LeftHalf(Modules(seed))).values
    assert not found[:, 4:].any()


@pytest.mark.parametrize("name", ["integrated-gradients", "deep-lift", "deep-shap", "expected-gradients"])
@given(seed=seeds)
@settings(max_examples=20)
def test_a_contrast_is_the_difference_of_two(name, seed):
    network = Modules(seed)
    one, other = (explain(name, network, Target(index)).values for index in (1, 0))
    found = explain(name, network, Target(1, against=0)).values
    np.testing.assert_allclose(found, one - other, rtol=0, atol=1e-5 * max(np.abs(one).max(), np.abs(other).max()))


@given(seed=seeds)
@settings(max_examples=20)
def test_deep_lift_adds_up_whatever_the_weights(seed):
    assert explain("deep-lift", Modules(seed)).checks["completeness_gap"] < 1e-9

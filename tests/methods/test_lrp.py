"""Relevance propagation: slow literal twins of every rule, conservation, closed forms, and captum."""

from __future__ import annotations

import gc
import math
import warnings
import weakref
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

import zoo
from seewhy.engines import Rule, RuleSet, applying, frozen
from seewhy.engines.parts import falling, part, rising
from seewhy.engines.rule_sets import (
    PROPORTIONAL,
    box,
    composite,
    constant_attention,
    epsilon,
    flat,
    gamma,
    identity,
    z_plus,
)
from seewhy.errors import UsageError
from seewhy.methods import Explanation, find_method
from seewhy.models import Classifier, Preprocessing, Target

EPSILON, GAMMA = 0.1, 0.25


def relevance(network: nn.Module, x: Tensor, rules: RuleSet, index: int = 0) -> Tensor:
    """What one logit hands back to `x` `(1, …)`."""
    leaf = x.clone().requires_grad_()
    with frozen(network), applying(rules):
        logits = network(leaf.clone())
    (found,) = torch.autograd.grad(logits[0, index], leaf)
    return (leaf * found).detach()[0]


# --- One dense layer, share by share --------------------------------------------------------------------------------

Share = Callable[[np.ndarray, np.ndarray, float, int], float]


def handed_back(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, given: np.ndarray, share: Share) -> np.ndarray:
    """Σ_j share of input i in output j · R_j, one at a time."""
    found = np.zeros_like(x)
    for i, j in product(range(len(x)), range(len(given))):
        found[i] += share(x, weight[j], bias[j], i) * given[j]
    return found


def epsilon_share(x: np.ndarray, w: np.ndarray, b: float, i: int) -> float:
    z = float(x @ w + b)
    return float(x[i] * w[i]) / (z + EPSILON * (1 if z >= 0 else -1))


def plus_share(x: np.ndarray, w: np.ndarray, b: float, i: int) -> float:
    parts = np.maximum(x * w, 0)
    return float(parts[i] / parts.sum()) if parts.sum() else 0.0


def gamma_share(x: np.ndarray, w: np.ndarray, b: float, i: int) -> float:
    """Contributions of the sign of the output count 1 + γ times."""
    sign = 1 if x @ w + b >= 0 else -1
    parts = np.array([part * (1 + GAMMA * (part * sign > 0)) for part in (*(x * w), b)])
    return float(parts[i] / parts.sum())


def flat_share(x: np.ndarray, w: np.ndarray, b: float, i: int) -> float:
    return 1 / len(x)


LOW, HIGH = -2.0, 3.0


def box_share(x: np.ndarray, w: np.ndarray, b: float, i: int) -> float:
    parts = x * w - LOW * np.maximum(w, 0) - HIGH * np.minimum(w, 0)
    return float(parts[i] / parts.sum())


BOX = box(torch.full((1, 1), LOW), torch.full((1, 1), HIGH))
RULES: dict[str, tuple[Rule, Share]] = {
    "epsilon": (epsilon(EPSILON), epsilon_share),
    "gamma": (gamma(GAMMA), gamma_share),
    "z-plus": (z_plus, plus_share),
    "flat": (flat, flat_share),
    "box": (BOX, box_share),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", range(5))
def test_a_layer_hands_back_as_the_literal_rule(name, seed):
    rule, share = RULES[name]
    torch.manual_seed(seed)
    first, second = nn.Linear(6, 5).double(), nn.Linear(5, 3).double()
    x = torch.randn(1, 6).double().clamp(LOW, HIGH)
    hidden = first(x)[0].detach().numpy()
    found = relevance(nn.Sequential(first, second), x, RuleSet("one", {"dense": epsilon(EPSILON)}, first=rule), 1)
    last = np.eye(3)[1] * float(second(first(x)).detach()[0, 1])
    middle = handed_back(hidden, second.weight.detach().numpy(), second.bias.detach().numpy(), last, epsilon_share)
    wanted = handed_back(x[0].numpy(), first.weight.detach().numpy(), first.bias.detach().numpy(), middle, share)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_gamma_is_the_literal_rule_whatever_comes_before_and_after(rectified, signed, groups):
    torch.manual_seed(0)
    layer, head = nn.Conv2d(6, 8, 1, groups=groups).double(), nn.Linear(8, 2).double()
    after = nn.ReLU() if rectified else nn.Identity()
    x = torch.randn(1, 6, 1, 1).double()
    x = x if signed else x.abs()
    rules = RuleSet("one", {"dense": epsilon(EPSILON)}, first=gamma(GAMMA))
    found = relevance(nn.Sequential(layer, after, nn.Flatten(), head), x, rules).flatten()
    hidden = after(layer(x)).flatten().detach().numpy()
    given = handed_back(
        hidden,
        head.weight.detach().numpy(),
        head.bias.detach().numpy(),
        np.array([float(head(torch.tensor(hidden)).detach()[0]), 0.0]),
        epsilon_share,
    )
    weight = torch.block_diag(*layer.weight.detach()[..., 0, 0].chunk(groups)).numpy()
    wanted = handed_back(x.flatten().numpy(), weight, layer.bias.detach().numpy(), given, gamma_share)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("after", "backwards"), [(nn.ReLU(), 1), (nn.ReLU6(), 1), (nn.Identity(), 2)])
@pytest.mark.parametrize("signed", [True, False])
def test_what_is_rectified_is_handed_back_once(after, backwards, signed):
    """Where negative outputs carry nothing, one layer run backwards is the whole γ rule."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), after)
    x = (torch.randn if signed else torch.rand)(1, 3, 8, 8).requires_grad_()
    with frozen(network), applying(composite("γ", gamma(GAMMA), gamma(GAMMA))):
        score = network(x).sum()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        torch.autograd.grad(score, x)
    assert sum(each.count for each in seen.key_averages() if each.key == "aten::convolution_backward") == backwards


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "z-plus", "flat"])
def test_a_convolution_is_the_dense_layer_that_it_is(rule):
    torch.manual_seed(0)
    convolution = nn.Conv2d(2, 3, 3, padding=1, stride=2).double()
    x = torch.randn(1, 2, 5, 5).double()
    size = x.numel()
    rows = torch.cat([convolution(one.view(1, 2, 5, 5)) for one in torch.eye(size).double()]).flatten(1)
    bias = convolution(torch.zeros_like(x)).flatten()
    dense = nn.Linear(size, len(bias)).double()
    with torch.no_grad():
        dense.weight.copy_((rows - bias).T)
        dense.bias.copy_(bias)
    head = nn.Linear(len(bias), 2).double()
    rules = RuleSet("one", {"dense": epsilon(EPSILON)}, first=RULES[rule][0])
    found = relevance(nn.Sequential(convolution, nn.Flatten(), head), x, rules)
    hidden = convolution(x).flatten(1).detach()
    if rule == "flat":  # a convolution spreads over its window, a dense layer over everything
        assert found.sum() == pytest.approx(
            float(relevance(head, hidden, RuleSet("one", {"dense": epsilon(EPSILON)})).sum())
        )
        return
    wanted = relevance(nn.Sequential(dense, head), x.flatten(1), rules)
    np.testing.assert_allclose(found.flatten().numpy(), wanted.numpy(), rtol=1e-6, atol=1e-9)


# --- Conservation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [gamma(GAMMA), z_plus])
@pytest.mark.parametrize("make", [lambda: nn.Linear(37, 41), lambda: nn.Conv2d(3, 5, (7, 6))])
@pytest.mark.parametrize("sign", [1, -1])
def test_no_graph_keeps_copies_of_a_weight(rule, make, sign):
    """What a rule makes of a weight is made once, whatever graphs there are."""
    layer = make()
    x = (sign * torch.rand((1, 37) if isinstance(layer, nn.Linear) else (1, 3, 9, 9))).requires_grad_()
    graphs, places = [], []
    for _ in range(2):
        saved: list[Tensor] = []
        keep = torch.autograd.graph.saved_tensors_hooks(
            lambda each, saved=saved: saved.append(each) or each, lambda each: each
        )
        with frozen(layer), keep, applying(RuleSet("one", {"dense": rule, "convolution": rule})):
            graphs.append(layer(x))
        places.append({each.data_ptr() for each in saved if each.numel() >= layer.weight.numel()})
    assert places[0] == places[1]
    assert 1 <= len(places[0]) <= 2
    torch.autograd.grad(graphs[0].sum(), x)


def test_parts_of_a_weight_go_with_it():
    weight = nn.Parameter(torch.randn(6, 4), requires_grad=False)
    kept = weakref.ref(part(weight, falling))
    assert kept() is part(weight, falling)
    del weight
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("rule", [gamma(GAMMA), z_plus])
def test_a_weight_that_is_written_to_counts_at_once(rule):
    layer, x = nn.Linear(6, 5).double(), torch.randn(1, 6, dtype=torch.float64)
    rules = RuleSet("one", {"dense": rule})
    relevance(layer, x, rules)
    with torch.no_grad():
        layer.weight.neg_()
    wanted = nn.Linear(6, 5).double()
    wanted.load_state_dict(layer.state_dict())
    assert torch.equal(relevance(layer, x, rules), relevance(wanted, x, rules))


def test_parts_of_one_weight_are_its_own():
    """Attention takes three layers' weights out of one."""
    weight = torch.randn(6, 4)
    parts = [part(each, falling) for each in weight.chunk(3)]
    assert all(torch.equal(each, own.clamp(max=0)) for each, own in zip(parts, weight.chunk(3), strict=True))
    assert part(weight.chunk(3)[1], falling) is parts[1]
    assert part(weight, rising) is not part(weight, falling)


class Cut(nn.Module):
    """A layer, and what cuts its output off at 0 and 1."""

    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.head = nn.Linear(6, 20).double(), nn.Linear(20, 2).double()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.activation(3 * self.first(x)))


@pytest.mark.parametrize(
    "activation",
    [
        lambda x: F.hardtanh(x, 0, 1),
        lambda x: F.hardtanh(x, 0, max_val=1, inplace=True),
        lambda x: F.relu6(6 * x) / 6,
        lambda x: x.clamp_(0, max=1),
        lambda x: torch.clip(x, min=0, max=1),
    ],
)
def test_an_activation_passes_on_y_over_u(activation):
    x, network = torch.randn(4, 6, dtype=torch.float64), Cut(activation)
    u = (3 * network.first(x)).detach()
    slope = u.clamp(0, 1) / u
    assert {0.0, 1.0} < set(slope.flatten().tolist()), "some are cut off below, some above, some not"
    wanted = (slope * network.head.weight[0]) @ (3 * network.first.weight)
    leaf = x.clone().requires_grad_()
    with frozen(network), applying(RuleSet("one", {"activation": identity}, own=PROPORTIONAL)):
        (found,) = torch.autograd.grad(network(leaf)[:, 0].sum(), leaf)
    torch.testing.assert_close(found, wanted.detach(), rtol=1e-6, atol=1e-9)


def without_biases(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(6, 8, 3, bias=False), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(8, zoo.CLASSES, bias=False),
    ).double()


COMPOSITES = {
    "epsilon": composite("ε", epsilon(1e-9), epsilon(1e-9)),
    "gamma": composite("γ", gamma(0.25), gamma(0.25)),
    "epsilon-plus": composite("ε-z⁺", z_plus, epsilon(1e-9)),
    "epsilon-plus-flat": composite("ε-z⁺ flat", z_plus, epsilon(1e-9), flat),
    "epsilon-gamma-box": composite(
        "box", gamma(0.25), epsilon(1e-9), box(torch.full((1, 3, 1, 1), -5.0), torch.full((1, 3, 1, 1), 5.0))
    ),
}


@pytest.mark.parametrize("name", COMPOSITES)
@pytest.mark.parametrize("seed", range(3))
def test_all_of_the_score_arrives_where_there_are_no_biases(name, seed):
    network, x = without_biases(seed), zoo.inputs(1, seed).double()
    found = relevance(network, x, COMPOSITES[name], 2)
    assert float(found.sum()) == pytest.approx(float(network(x).detach()[0, 2]), rel=1e-5)


class Noting(nn.Module):
    """Convolution, ReLU and a skip; keeps what each layer puts out before its bias."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)])
        self.head = nn.Linear(6, zoo.CLASSES)
        self.terms: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.terms = []
        for layer in self.layers:
            y = F.relu(self.noted(layer.bias.view(-1, 1, 1), F.conv2d(x, layer.weight, padding=1)))
            x = y if y.shape != x.shape else x + y
        return self.noted(self.head.bias, F.linear(x.mean((2, 3)), self.head.weight))

    def noted(self, bias: Tensor, y: Tensor) -> Tensor:
        self.terms.append(bias.expand_as(y).clone().requires_grad_())
        return y + self.terms[-1]


@pytest.mark.parametrize("seed", range(3))
def test_what_does_not_arrive_went_to_the_biases(seed):
    """ε → 0 shares every sum with its bias: relevance of the pixels and of all biases is the score, exactly."""
    torch.manual_seed(seed)
    network, x = Noting().double(), zoo.inputs(1, seed).double().requires_grad_()
    with applying(composite("ε", epsilon(0.0), epsilon(0.0))):
        logits = network(x)
    parts = [x, *network.terms]
    found = torch.autograd.grad(logits[0, 1], parts)
    total = sum(float((part * each).detach().sum()) for part, each in zip(parts, found, strict=True))
    assert total == pytest.approx(float(logits[0, 1]), rel=1e-6)
    assert float((x * found[0]).sum()) != pytest.approx(total, rel=1e-3), "the biases matter here"


def test_the_share_that_arrived_is_told(default_classifier):
    found = explain("lrp", zoo.classifier("residual"), rules="epsilon-plus")
    logit = zoo.classifier("residual").logits(zoo.classifier("residual").preprocess(zoo.photos(1)))[0, 1]
    assert found.checks["relevance_kept"] == pytest.approx(found.values.sum() / float(logit), rel=1e-4)


# --- Attention ------------------------------------------------------------------------------------------------------


class Attention(nn.Module):
    """One head over tokens `(1, T, D)`, LayerNorm before it, GELU after it; logits of the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        mixed = F.scaled_dot_product_attention(self.q(y), self.k(y), self.v(y))
        return self.head(F.gelu(x + mixed).mean(1))


def attention_twin(network: Attention, x: np.ndarray, index: int, constant: bool) -> np.ndarray:
    """AttnLRP (ε → 0) backwards by hand, `x` `(T, D)`: Achtibat 2024, propositions 3.1 to 3.4; CP-LRP if `constant`."""
    weights = {name: value.detach().numpy() for name, value in network.named_parameters()}
    tokens, width = x.shape
    centred = x - x.mean(1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(1, keepdims=True) + network.norm.eps)
    y = centred / deviation * weights["norm.weight"] + weights["norm.bias"]
    q, k, v = (y @ weights[f"{name}.weight"].T + weights[f"{name}.bias"] for name in "qkv")
    scores = q @ k.T / math.sqrt(width)
    a = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    mixed = a @ v
    u = x + mixed
    gelu = u * np.vectorize(lambda z: (1 + math.erf(z / math.sqrt(2))) / 2)(u)
    r_gelu = np.tile(weights["head.weight"][index], (tokens, 1)) * gelu / tokens
    r_x, r_mixed = r_gelu * x / u, r_gelu * mixed / u
    r_a, r_v = np.zeros((tokens, tokens)), np.zeros_like(v)
    for t, s, d in product(range(tokens), range(tokens), range(width)):
        part = a[t, s] * v[s, d] / mixed[t, d] * r_mixed[t, d] / (1 if constant else 2)
        r_v[s, d] += part
        r_a[t, s] += 0 if constant else part
    # softmax: R of a score = score · (R − a · Σ R); Achtibat 2024, eq. 13
    r_scores = scores * (r_a - a * r_a.sum(1, keepdims=True))
    r_q, r_k = np.zeros_like(q), np.zeros_like(k)
    for t, s, d in product(range(tokens), range(tokens), range(width)):
        part = q[t, d] * k[s, d] / math.sqrt(width) / scores[t, s] * r_scores[t, s] / 2
        r_q[t, d] += part
        r_k[s, d] += part
    r_y = np.zeros_like(y)
    for name, given, out in (("q", r_q, q), ("k", r_k, k), ("v", r_v, v)):
        for t, i, j in product(range(tokens), range(width), range(width)):
            r_y[t, i] += y[t, i] * weights[f"{name}.weight"][j, i] / out[t, j] * given[t, j]
    slope = r_y / y * weights["norm.weight"] / deviation  # the deviation is a constant
    return r_x + x * (slope - slope.mean(1, keepdims=True))


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_attention_hands_back_as_the_literal_rules(constant, seed):
    torch.manual_seed(seed)
    network = Attention().double()
    x = torch.randn(1, 3, 4).double()
    make = constant_attention if constant else composite
    found = relevance(network, x, make("attention", epsilon(0.0), epsilon(0.0)), 1)
    np.testing.assert_allclose(found.numpy(), attention_twin(network, x[0].numpy(), 1, constant), rtol=1e-5, atol=1e-8)


# --- Others, and use ------------------------------------------------------------------------------------------------


class Plain(nn.Module):
    """What captum can do: each layer once, flattened by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(8 * 13 * 13, 12), nn.ReLU(), nn.Linear(12, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(1))


def test_equals_captum_with_the_epsilon_rule():
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    torch.manual_seed(1)
    network, x = Plain(), zoo.inputs(1)
    ours = relevance(network, x, composite("ε", epsilon(0.01), epsilon(0.01)), 2)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.rule = EpsilonRule(epsilon=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LRP(network).attribute(x, target=2)[0].detach()
    assert torch.allclose(ours, theirs, atol=1e-4 * float(theirs.abs().max()))


def explain(name: str, classifier: Classifier, **parameters: object) -> Explanation:
    method = find_method(name, **parameters)
    generator = torch.Generator().manual_seed(0)
    (found,) = method(classifier, zoo.photos(1), [[Target(1)]], generator=generator)
    return found


@pytest.mark.parametrize(
    ("method", "rules"),
    [
        *(("lrp", each) for each in ("epsilon", "gamma", "epsilon-gamma", "epsilon-plus", "epsilon-plus-flat")),
        ("lrp", "epsilon-gamma-box"),
        *(("attn-lrp", each) for each in ("attn-lrp", "cp-lrp", "libra-grad")),
    ],
)
@pytest.mark.parametrize("network", ["residual", "tiny-vit"])
def test_every_rule_set_works_on_both_kinds_of_networks(method, rules, network):
    found = explain(method, zoo.classifier(network), rules=rules)
    assert found.values.any()
    assert found.parameters["rules"] == rules


def test_unknown_rules_are_refused():
    with pytest.raises(UsageError, match="epsilon-plus-flat"):
        explain("lrp", zoo.classifier("residual"), rules="nonsense")


def test_black_pixels_take_relevance_by_the_flat_rule():
    """The picture is black in one half, which normalises to exactly 0 here, and yet in reach of the first layer."""
    image = zoo.photos(1)[0]
    pixels = image.pixels.copy()
    pixels[:, : pixels.shape[1] // 2] = 0
    classifier = Classifier.from_module(
        without_biases(0).float(), Preprocessing(zoo.SIZE, mean=(0, 0, 0), std=(1, 1, 1))
    )
    method = find_method("lrp", rules="epsilon-plus-flat")
    (found,) = method(classifier, [type(image)(pixels, "half")], [[Target(2)]], generator=torch.Generator())
    border = found.values[:, zoo.SIZE[1] // 2 - 1]
    assert np.abs(border).max() > 0
    assert found.checks["relevance_kept"] == pytest.approx(1, abs=1e-3)

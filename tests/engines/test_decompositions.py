"""Composed operations written out: equal to PyTorch's own in float64, their gradients too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.engines import Call, RuleSet, applying, frozen, surrogate
from seewhy.engines.compositions import written_out
from seewhy.errors import ExplainError

pytestmark = pytest.mark.usefixtures("one_thread")

WRITTEN_OUT = RuleSet("written out", {"composed": written_out})


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values_and_gradients(
    call: Callable[..., Tensor], inputs: tuple[Tensor, ...], rules: RuleSet | None
) -> list[Tensor]:
    """The output, and the gradients of its weighted sum with respect to every input."""
    leaves = [each.clone().requires_grad_() for each in inputs]
    if rules:
        with applying(rules):
            y = call(*leaves)
    else:
        y = call(*leaves)
    return [y.detach(), *torch.autograd.grad((y * random(*y.shape, seed=9)).sum(), leaves)]


def assert_equals_its_own(call: Callable[..., Tensor], *inputs: Tensor) -> None:
    wanted = values_and_gradients(call, inputs, None)
    for found, own in zip(values_and_gradients(call, inputs, WRITTEN_OUT), wanted, strict=True):
        torch.testing.assert_close(found, own, rtol=1e-10, atol=1e-12)


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    """The module with random parameters, in float64, out of autograd."""
    module = make().double().requires_grad_(False)
    for seed, parameter in enumerate(module.parameters()):
        parameter.copy_(random(*parameter.shape, seed=seed))
    return module


# --- Norms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "norm",
    [
        seeded(lambda: nn.LayerNorm(6)),
        seeded(lambda: nn.LayerNorm((5, 6))),
        seeded(lambda: nn.LayerNorm(6, bias=False, eps=0.1)),
        nn.LayerNorm(6, elementwise_affine=False),
        lambda x: F.layer_norm(x, (6,)),
        lambda x: F.layer_norm(x, [6], eps=0.5, weight=random(6)),
        lambda x: F.layer_norm(normalized_shape=(6,), input=x),
        lambda x: torch.layer_norm(x, (6,), random(6), random(6, seed=1)),
    ],
)
def test_layer_norm(norm):
    assert_equals_its_own(norm, random(4, 5, 6))


@pytest.mark.parametrize(
    "norm",
    [
        seeded(lambda: nn.GroupNorm(2, 6)),
        seeded(lambda: nn.GroupNorm(6, 6)),
        nn.GroupNorm(1, 6, affine=False),
        lambda x: F.group_norm(x, 3, eps=0.5, bias=random(6)),
    ],
)
@pytest.mark.parametrize("shape", [(4, 6, 5, 3), (4, 6, 5), (4, 6)])
def test_group_norm(norm, shape):
    assert_equals_its_own(norm, random(*shape))


@pytest.mark.parametrize(
    "call", [F.normalize, lambda x: F.normalize(x, dim=-1), lambda x: F.normalize(x, 2.0, (1, 2), eps=3.0)]
)
def test_normalize(call):
    assert_equals_its_own(call, random(4, 5, 6))


def test_normalize_of_nothing_is_nothing():
    x = random(4, 5)
    x[0] = 0
    with applying(WRITTEN_OUT):
        y = F.normalize(x.requires_grad_())
    assert torch.isfinite(torch.autograd.grad(y.sum(), x)[0]).all()
    assert torch.equal(y[0].detach(), torch.zeros(5).double())


EPS = torch.finfo(torch.float64).eps


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.rms_norm(x, (6,), random(6), 0.1),
        lambda x: F.rms_norm(x, (5, 6)),
        lambda x: F.instance_norm(x, weight=random(5), bias=random(5, seed=1)),
        lambda x: F.instance_norm(x, random(5), random(5).square(), use_input_stats=False),
        lambda x: torch.instance_norm(x, random(5), random(5, seed=1), None, None, True, 0.1, 1e-3, False),
        lambda x: torch.native_layer_norm(x, (6,), random(6), None, 1e-5)[0],
        lambda x: F.local_response_norm(x, 2),
        lambda x: F.local_response_norm(x, 3, alpha=0.5, beta=0.3, k=2.0),
        lambda x: F.normalize(x, p=1),
        lambda x: F.normalize(x, p=float("inf"), dim=-1),
        lambda x: x.var(1),
        lambda x: x.var(),
        lambda x: x.var(False),
        lambda x: x.std((1, 2), keepdim=True),
        lambda x: torch.std(x, -1, False, True),
        lambda x: torch.var(x, dim=-1, correction=2),
        lambda x: torch.cat(torch.var_mean(x, -1)),
        lambda x: torch.cat(torch.std_mean(x, -1, correction=0)),
        lambda x: x.norm(),
        lambda x: x.norm(dim=-1, keepdim=True),
        lambda x: torch.norm(x, 3, 1),
        lambda x: torch.norm(x, 1, (1, 2), True),
        lambda x: torch.linalg.norm(x),
        lambda x: torch.linalg.norm(x, dim=-1),
        lambda x: torch.linalg.norm(x, 3, -1, True),
        lambda x: torch.linalg.norm(x[0], "fro"),
        lambda x: torch.linalg.norm(x, ord=float("inf"), dim=1),
        lambda x: torch.linalg.vector_norm(x, dim=(1, 2)),
        lambda x: torch.linalg.vector_norm(x, 4.0, -1, keepdim=True),
        lambda x: torch.linalg.vector_norm(x, ord=-float("inf"), dim=-1),
        lambda x: torch.linalg.matrix_norm(x),
        lambda x: torch.linalg.matrix_norm(x, "fro", (0, 2), True),
        lambda x: F.lp_pool1d(x.abs(), 3, 2),
        lambda x: F.lp_pool2d(x.abs() + 1, 2, (2, 3), 1, True),
        lambda x: F.glu(x),
        lambda x: F.glu(x, 2),
        lambda x: torch.stack(tuple(x.aminmax(dim=1))),
        lambda x: x.aminmax().max,
        lambda x: x.log_softmax(1),
        lambda x: F.log_softmax(x, dim=-1),
        lambda x: torch.special.log_softmax(x, 2),
        lambda x: F.softmin(x, 1),
        lambda x: x.prod(1),
        lambda x: torch.prod(x, -1, True),
        lambda x: x[:, :1, :1].prod(),
        lambda x: x.lerp(x.flip(0), 0.3),
        lambda x: torch.lerp(x, x.flip(0), x.flip(1)),
        lambda x: torch.addcmul(x, x.flip(0), x.flip(1), value=0.3),
        lambda x: torch.addcdiv(x, x.flip(0), x.flip(1).abs() + 1, value=2),
        lambda x: torch.addmm(random(5), x[0], x[1].t(), beta=0.5, alpha=2),
        lambda x: torch.addmv(random(5), x[0], x[1, 0], alpha=3),
        lambda x: torch.addr(random(5, 6), x[0, :, 0], x[1, 0], beta=0.1),
        lambda x: torch.baddbmm(random(4, 5, 5), x, x.mT, alpha=0.2),
        lambda x: torch.addbmm(random(5, 5), x, x.mT),
        lambda x: F.bilinear(x, x.flip(0), random(3, 6, 6), random(3)),
    ],
)
def test_the_others(call):
    assert_equals_its_own(call, random(4, 5, 6))


@pytest.mark.parametrize(
    "call",
    [
        torch.logaddexp,
        F.cosine_similarity,
        partial(F.cosine_similarity, dim=-1),
        F.pairwise_distance,
        partial(F.pairwise_distance, p=1.0, keepdim=True),
        torch.cdist,
        partial(torch.cdist, p=1.0),
    ],
)
def test_those_of_two(call):
    assert_equals_its_own(call, random(4, 5, 6), random(4, 5, 6, seed=1))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: x.norm("nuc", (1, 2)), "nuclear"),
        (lambda x: torch.linalg.matrix_norm(x, 2), "matrix norm '2'"),
        (lambda x: torch.linalg.norm(x, 1, (0, 1)), "matrix norm '1'"),
    ],
)
def test_forms_without_a_rule_are_refused(call, name):
    with pytest.raises(ExplainError, match=name):
        values_and_gradients(call, (random(4, 5, 6),), WRITTEN_OUT)


def test_other_norms_are_refused():
    with pytest.raises(ExplainError, match="p=0"):
        values_and_gradients(lambda x: F.normalize(x, p=0), (random(4, 5),), WRITTEN_OUT)


@pytest.mark.parametrize(
    ("call", "mean", "scale"),
    [
        (
            lambda x: F.layer_norm(x, (6,)),
            lambda x: x.mean(-1, keepdim=True),
            lambda x: (x.var(-1, correction=0, keepdim=True) + 1e-5).rsqrt(),
        ),
        (lambda x: F.normalize(x, dim=-1), lambda x: 0, lambda x: 1 / x.norm(dim=-1, keepdim=True)),
        (lambda x: F.rms_norm(x, (6,)), lambda x: 0, lambda x: (x.square().mean(-1, keepdim=True) + EPS).rsqrt()),
    ],
)
def test_statistics_that_count_as_constants_take_no_part_in_the_gradient(call, mean, scale):
    x, constant = random(4, 5, 6), scale(random(4, 5, 6))
    found = values_and_gradients(call, (x,), RuleSet("constant", {"composed": partial(written_out, constant=True)}))
    wanted = values_and_gradients(lambda x: (x - mean(x)) * constant, (x,), None)
    for ours, literal in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, literal, rtol=1e-10, atol=1e-12)


# --- Attention ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3},
        {"is_causal": True},
        {"attn_mask": random(4, 7, seed=5)},
        {"attn_mask": random(2, 3, 4, 7, seed=5) > -1},
        {"attn_mask": random(4, 7, seed=5), "scale": 2.0},
    ],
)
def test_attention(options):
    call = partial(F.scaled_dot_product_attention, **options)
    assert_equals_its_own(call, random(2, 3, 4, 5), random(2, 3, 7, 5, seed=1), random(2, 3, 7, 6, seed=2))


@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=30)
def test_attention_of_any_shape(batch, queries, keys, width, values):
    inputs = (random(batch, queries, width), random(batch, keys, width, seed=1), random(batch, keys, values, seed=2))
    assert_equals_its_own(F.scaled_dot_product_attention, *inputs)


def test_attention_with_shared_heads_is_refused():
    inputs = (random(2, 4, 3, 5), random(2, 2, 3, 5), random(2, 2, 3, 5))
    with pytest.raises(ExplainError, match="enable_gqa"):
        values_and_gradients(partial(F.scaled_dot_product_attention, enable_gqa=True), inputs, WRITTEN_OUT)


def attend(layer: nn.MultiheadAttention, *inputs: Tensor, **options: Any) -> Tensor:
    query, key, value = inputs if len(inputs) == 3 else inputs * 3
    return layer(query, key, value, need_weights=False, **options)[0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multi_head_attention(bias, batch_first):
    layer = seeded(lambda: nn.MultiheadAttention(6, 3, bias=bias, batch_first=batch_first))
    assert_equals_its_own(partial(attend, layer), random(4, 5, 6))
    assert_equals_its_own(partial(attend, layer), random(4, 5, 6), random(4, 5, 6, seed=1), random(4, 5, 6, seed=2))


def test_the_encoder_layer_that_comes_with_pytorch():
    layer = seeded(lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, norm_first=True)).eval()
    assert_equals_its_own(layer, random(4, 5, 6))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda: nn.MultiheadAttention(6, 3, kdim=6, vdim=4), {}),
        (lambda: nn.MultiheadAttention(6, 3, add_bias_kv=True), {}),
        (lambda: nn.MultiheadAttention(6, 3, add_zero_attn=True), {}),
        (lambda: nn.MultiheadAttention(6, 3), {"attn_mask": torch.zeros(4, 4, dtype=torch.float64)}),
        (lambda: nn.MultiheadAttention(6, 3), {"key_padding_mask": torch.zeros(5, 4, dtype=torch.bool)}),
    ],
)
def test_other_forms_of_it_are_refused(make, options):
    layer = seeded(make)
    inputs = (random(4, 5, 6), random(4, 5, 6), random(4, 5, layer.vdim))
    with pytest.raises(ExplainError, match="masks or separate projections"):
        values_and_gradients(partial(attend, layer, **options), inputs, WRITTEN_OUT)


# --- Rules inside -------------------------------------------------------------------------------------------------


def test_the_simple_operations_meet_their_own_rules():
    """A softmax whose gradient is taken away leaves attention linear in its values."""

    def nothing(call: Call) -> Tensor:
        return call.plain().detach()

    rules = RuleSet("constant weights", {**WRITTEN_OUT.rules, "softmax": nothing})
    inputs = (random(2, 4, 5), random(2, 7, 5, seed=1), random(2, 7, 6, seed=2))
    weights = (inputs[0] @ inputs[1].transpose(1, 2) / 5**0.5).softmax(-1)
    leaves = [each.clone().requires_grad_() for each in inputs]
    with applying(rules):
        y = F.scaled_dot_product_attention(*leaves)
    found = torch.autograd.grad(y.sum(), leaves, allow_unused=True)
    torch.testing.assert_close(y.detach(), weights @ inputs[2])
    assert found[:2] == (None, None)
    torch.testing.assert_close(found[2], weights.sum(1)[..., None].expand(-1, -1, 6))


def test_projections_inside_multi_head_attention_are_dense_layers():
    seen: list[tuple[int, ...]] = []

    def noting(call: Call) -> Tensor:
        seen.append(tuple(call.args[1].shape))
        y = call.plain()
        return surrogate(y, y.detach().clone)

    layer = seeded(lambda: nn.MultiheadAttention(6, 3))
    rules = RuleSet("noting", {**WRITTEN_OUT.rules, "dense": noting})
    with frozen(layer):
        values_and_gradients(partial(attend, layer), (random(4, 5, 6),), rules)
    assert seen == [(6, 6)] * 4

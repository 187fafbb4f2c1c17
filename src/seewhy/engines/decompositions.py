"""Composed operations written out in simple ones, so that rules for the simple ones carry over to them.

With `constant`, a norm's statistics count as constants: they take no part in the gradient.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seewhy.engines.rules import Call
from seewhy.errors import ExplainError


def layer_norm(call: Call, *, constant: bool = False) -> Tensor:
    """(x − mean) · rsqrt(mean of squares + ε), scaled and shifted."""
    x, shape, weight, bias, eps = _bound(
        call, ("input", "normalized_shape", "weight", "bias", "eps"), {"weight": None, "bias": None, "eps": 1e-5}
    )
    dims = tuple(range(-len(shape), 0))
    with call.rules:
        return _affine(_standardized(x, dims, eps, constant), weight, bias)


def group_norm(call: Call, *, constant: bool = False) -> Tensor:
    """Layer norm over each group of channels and all positions."""
    x, groups, weight, bias, eps = _bound(
        call, ("input", "num_groups", "weight", "bias", "eps"), {"weight": None, "bias": None, "eps": 1e-5}
    )
    per_channel = (-1, *[1] * (x.dim() - 2))
    with call.rules:
        grouped = x.reshape(len(x), groups, -1)
        normal = _standardized(grouped, (-1,), eps, constant).reshape(x.shape)
        return _affine(normal, *(None if each is None else each.view(per_channel) for each in (weight, bias)))


def normalize(call: Call, *, constant: bool = False) -> Tensor:
    """X / max(‖x‖₂, ε)."""
    x, p, dim, eps = _bound(call, ("input", "p", "dim", "eps"), {"p": 2.0, "dim": 1, "eps": 1e-12})
    if p != 2:
        raise ExplainError(f"there is no rule for F.normalize with p={p}, only for p=2")
    with call.rules:
        inverse = (x * x).sum(dim, keepdim=True).clamp(min=eps**2).rsqrt()
        return x * (inverse.detach() if constant else inverse)


def attention(call: Call) -> Tensor:
    """softmax(q kᵀ · scale + mask) v, in place of the fused kernel."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    defaults = {"attn_mask": None, "dropout_p": 0.0, "is_causal": False, "scale": None, "enable_gqa": False}
    query, key, value, mask, _, is_causal, scale, shared_heads = _bound(call, names, defaults)
    if shared_heads:
        raise ExplainError("there is no rule for attention with shared heads (enable_gqa)")
    if is_causal:
        mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    with call.rules:
        scores = torch.matmul(query * scale, key.transpose(-2, -1))
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        return torch.matmul(F.softmax(scores, dim=-1), value)


def multi_head_attention(call: Call) -> tuple[Tensor, None]:
    """`F.multi_head_attention_forward` in its plain form: one projection of queries, keys and values, no masks."""
    given = dict(zip(_MULTI_HEAD, call.args, strict=False)) | dict(call.kwargs)
    refused = ("bias_k", "bias_v", "key_padding_mask", "attn_mask", "static_k", "static_v")
    flags = ("use_separate_proj_weight", "add_zero_attn")
    if any(given.get(name) is not None for name in refused) or any(given.get(name) for name in flags):
        raise ExplainError("there is no rule for multi-head attention with masks or separate projections")
    query, key, value = given["query"], given["key"], given["value"]
    weights, biases = given["in_proj_weight"].chunk(3), [None] * 3
    if given["in_proj_bias"] is not None:
        biases = given["in_proj_bias"].chunk(3)
    heads = given["num_heads"]
    with call.rules:
        # (length, batch, width) comes in; rules that pair pictures want the batch first
        inputs = (each.transpose(0, 1) for each in (query, key, value))
        projected = [F.linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True)]
        q, k, v = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in projected)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return F.linear(mixed, given["out_proj_weight"], given["out_proj_bias"]).transpose(0, 1), None


_MULTI_HEAD = (
    *("query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias", "bias_k"),
    *("bias_v", "add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias", "training", "key_padding_mask"),
    *("need_weights", "attn_mask", "use_separate_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
    *("static_k", "static_v", "average_attn_weights", "is_causal"),
)


def _standardized(x: Tensor, dims: tuple[int, ...], eps: float, constant: bool) -> Tensor:
    centred = x - x.mean(dims, keepdim=True)
    variance = (centred * centred).mean(dims, keepdim=True)
    inverse = (variance + eps).rsqrt()
    return centred * (inverse.detach() if constant else inverse)


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    scaled = x if weight is None else x * weight
    return scaled if bias is None else scaled + bias


def _bound(call: Call, names: tuple[str, ...], defaults: dict[str, Any]) -> list[Any]:
    given = defaults | dict(zip(names, call.args, strict=False)) | dict(call.kwargs)
    return [given[name] for name in names]

"""The rule sets of DeepLIFT and of layer-wise relevance propagation (LRP), in the form gradient × input."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seewhy.engines.rules import Call, Kind, Rule, RuleSet, surrogate, with_slope
from seewhy.errors import ExplainError

NOISE = 8  # differences under this many rounding errors are none
STABLE = 1e-9
_MULTI_HEAD = (
    *("query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight", "in_proj_bias", "bias_k"),
    *("bias_v", "add_zero_attn", "dropout_p", "out_proj_weight", "out_proj_bias", "training", "key_padding_mask"),
    *("need_weights", "attn_mask", "use_separate_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
    *("static_k", "static_v", "average_attn_weights", "is_causal"),
)

# Composed operations, written out in simple ones so that rules for the simple ones carry over to them. With
# `constant`, a norm's statistics count as constants: they take no part in the gradient.


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


_ATTENTION: dict[Kind, Rule] = {"attention": attention, "multi_head_attention": multi_head_attention}


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


# DeepLIFT's rescale rules: finite differences between a picture and its reference in place of derivatives. The batch
# holds pictures in its first half and their references in its second, in the same order. Source: Shrikumar 2017;
# products, softmax and norms by composition, so that Σ (x − r) · m = f(x) − f(r).


def activation(call: Call) -> Tensor:
    """Δy / Δu, the derivative where u and its reference agree."""

    def slope(u: Tensor, y: Tensor) -> Tensor:
        (a, b), (high, low) = _halves(u), _halves(y)
        change = a - b
        still = change.abs() <= a.abs().add_(b.abs()).mul_(NOISE * torch.finfo(u.dtype).eps)
        ratio = (high - low).div_(change)
        if not bool(still.any()):
            return ratio
        with torch.enable_grad():
            leaf = a.detach().requires_grad_()
            (derivative,) = torch.autograd.grad(call.on(leaf).sum(), leaf)
        return torch.where(still, derivative, ratio)

    return with_slope(call.args[0], call.on, slope)


def product(call: Call) -> Tensor:
    """Δ(ab) = b̄ Δa + ā Δb with the means over picture and reference: exact for two factors."""
    before = 1 if call.function.__name__ == "einsum" else 0  # its equation comes first
    left, right = call.args[before : before + 2]

    def joined(a: Tensor, b: Tensor) -> Tensor:
        return call.function(*call.args[:before], a, b, *call.args[before + 2 :], **call.kwargs)

    linear = joined(left, _mean(right)) + joined(_mean(left), right)
    return surrogate(linear, lambda: joined(left.detach(), right.detach()))


def division(call: Call) -> Tensor:
    """A / b as the product of a and 1 / b."""
    with call.rules:
        return call.args[0] * torch.reciprocal(call.args[1])


def softmax(call: Call) -> Tensor:
    """exp(x − c) / Σ exp(x − c), with one constant c for picture and reference."""
    x = call.args[0]
    dim = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else -1)
    highest = torch.maximum(*_halves(x.detach().amax(dim, keepdim=True)))
    with call.rules:
        powers = torch.exp(x - torch.cat([highest, highest]))
        return powers * torch.reciprocal(powers.sum(dim, keepdim=True))


def max_pool(call: Call) -> Tensor:
    """Each window's change is split between the winner of the picture and the winner of the reference."""
    return _MaxPool.apply(call.args[0], call)  # pyright: ignore[reportReturnType]


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, call: Call) -> Tensor:
        u = u.detach()
        y = call.on(u)
        ctx.save_for_backward(u, y)
        ctx.call = call
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        u, y = ctx.saved_tensors
        (a, b), (high, low) = _halves(u), _halves(y)
        top = torch.maximum(high, low)
        change = a - b
        still = change.abs() <= NOISE * torch.finfo(u.dtype).eps * (a.abs() + b.abs())
        inverse = change.reciprocal_().masked_fill_(still, 0)
        with torch.enable_grad():
            leaves = [half.clone().requires_grad_() for half in (a, b)]
            pools = [ctx.call.on(leaf) for leaf in leaves]
        credits_ = [
            # What the picture's winner did beyond the reference's, and what the reference's did.
            torch.autograd.grad(pools, leaves, [gradient * (top - low), gradient * (high - top)], retain_graph=True)
            for gradient in _halves(gradients[0])
        ]
        return torch.cat([(first + second) * inverse for first, second in credits_]), None


DEEPLIFT = RuleSet(
    "DeepLIFT",
    {
        "activation": activation,
        "max_pool": max_pool,
        "product": product,
        "division": division,
        "softmax": softmax,
        "layer_norm": layer_norm,
        "group_norm": group_norm,
        "normalize": normalize,
        **_ATTENTION,
    },
)


def _halves(tensor: Tensor) -> tuple[Tensor, Tensor]:
    if len(tensor) % 2:
        raise ExplainError("this network moves the batch out of the first dimension, where DeepLIFT pairs pictures")
    half = len(tensor) // 2
    return tensor[:half], tensor[half:]


def _mean(tensor: Tensor) -> Tensor:
    first, second = _halves(tensor.detach())
    mean = (first + second) / 2
    return torch.cat([mean, mean])


# LRP: a layer's relevance R is its output times the gradient that reaches it. Each rule changes the gradient so that
# the input times its gradient is the relevance the rule gives the input. Sums are linear, so residual branches, pooling
# and concatenation share relevance by themselves.


def epsilon(size: float) -> Rule:
    """R_i = Σ_j a_i w_ij / (z_j + ε sign z_j) · R_j. Source: Bach 2015, eq. 58."""

    def rule(call: Call) -> Tensor:
        return with_slope(call.plain(), torch.clone, lambda _, z: z / _stabilized(z, size))

    return rule


def gamma(size: float) -> Rule:
    """ε → 0 with positive contributions favoured 1 + γ times, for inputs of either sign.

    Source: Montavon 2019, section 10.2.3, in the form for signed inputs of Andéol 2021.
    """

    def rule(call: Call) -> Tensor:
        if not size:
            return epsilon(STABLE)(call)
        x, weight, bias = _layer(call)
        rises = _favoured(call, x, weight, bias, size, positive=True)
        falls = _favoured(call, x, weight, bias, size, positive=False)
        z = call.on(x.detach())
        shares = rises * _ratio(z.clamp(min=0), rises) + falls * _ratio(z.clamp(max=0), falls)
        return surrogate(shares, lambda: call.on(x.detach()))

    return rule


def z_plus(call: Call) -> Tensor:
    """Positive contributions alone pass relevance on; the bias, which is no pixel's, takes none.

    Source: Montavon 2017, eq. 9 (α = 1, β = 0).
    """
    x, weight, _ = _layer(call)
    supporting = _with(call, x.clamp(min=0), weight.clamp(min=0), None)
    supporting = supporting + _with(call, x.clamp(max=0), weight.clamp(max=0), None)
    shares = supporting * _ratio(call.on(x.detach()), supporting)
    return surrogate(shares, lambda: call.on(x.detach()))


def flat(call: Call) -> Tensor:
    """Every input in reach takes the same share. Source: Lapuschkin 2019, supplement (flat rule).

    For the first layer. An input of exactly 0 can be given nothing: nudge it.
    """
    x, weight, _ = _layer(call)
    inputs = x.detach()
    ones = torch.ones_like(weight)
    reach = _with(call, torch.ones_like(inputs), ones, None)
    z = call.on(inputs)
    return surrogate(_with(call, x / _nonzero(inputs), ones, None) * (z / reach), z.clone)


def box(low: Tensor, high: Tensor) -> Rule:
    """The rule for inputs between `low` and `high`, each `(1, 3, 1, 1)`. Source: Montavon 2017, eq. 10 (z-box rule).

    For the first layer. An input of exactly 0 can be given nothing: nudge it.
    """

    def rule(call: Call) -> Tensor:
        x, weight, _ = _layer(call)
        inputs = x.detach()
        shares = _with(call, x, weight, None)
        for bound, part in ((low, weight.clamp(min=0)), (high, weight.clamp(max=0))):
            shares = shares - _with(call, x * (bound / _nonzero(inputs)), part, None)
        z = call.on(inputs)
        return surrogate(shares * _ratio(z, shares), z.clone)

    return rule


def identity(call: Call) -> Tensor:
    """An activation passes its relevance on unchanged: slope y / u. Source: Achtibat 2024, proposition 3.1."""
    return with_slope(call.args[0], call.on, lambda u, y: y / _stabilized(u, STABLE))


def halved_product(call: Call) -> Tensor:
    """Two factors share the relevance of their product equally. Source: Achtibat 2024, proposition 3.3."""
    whole = call.plain()
    return surrogate(whole / 2, whole.detach().clone)


def constant_divisor(call: Call) -> Tensor:
    """The dividend takes all."""
    return call.function(call.args[0], call.args[1].detach(), *call.args[2:], **call.kwargs)


def no_relevance(call: Call) -> Tensor:
    """Attention weights count as constants. Source: Ali 2022, section 4.1 (CP-LRP)."""
    return call.plain().detach()


_SHARED: dict[Kind, Rule] = {
    "activation": identity,
    "product": halved_product,
    "division": constant_divisor,
    # Statistics of a norm count as constants. Source: Ali 2022, section 4.2.
    "layer_norm": partial(layer_norm, constant=True),
    "group_norm": partial(group_norm, constant=True),
    "normalize": partial(normalize, constant=True),
    **_ATTENTION,
}


def composite(name: str, convolution: Rule, dense: Rule, first: Rule | None = None) -> RuleSet:
    """A rule for convolutions, one for dense layers, and perhaps one for the first of all; the rest as in AttnLRP."""
    return RuleSet(name, {**_SHARED, "convolution": convolution, "dense": dense}, first)


def constant_attention(name: str, convolution: Rule, dense: Rule) -> RuleSet:
    """The same with attention weights as constants."""
    return RuleSet(name, {**composite(name, convolution, dense).rules, "softmax": no_relevance})


def _layer(call: Call) -> tuple[Tensor, Tensor, Tensor | None]:
    given = dict(zip(("input", "weight", "bias"), call.args, strict=False)) | dict(call.kwargs)
    return given["input"], given["weight"], given.get("bias")


def _with(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The layer with another input, weight and bias."""
    rest = {key: value for key, value in call.kwargs.items() if key not in {"input", "weight", "bias"}}
    return call.function(x, weight, bias, *call.args[3:], **rest)


def _favoured(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None, size: float, *, positive: bool) -> Tensor:
    """The layer with the contributions of one sign counted 1 + γ times."""
    up, down = weight + size * weight.clamp(min=0), weight + size * weight.clamp(max=0)
    own, other = (up, down) if positive else (down, up)
    bound = {"min": 0.0} if positive else {"max": 0.0}
    offset = None if bias is None else bias + size * bias.clamp(**bound)
    return _with(call, x.clamp(min=0), own, offset) + _with(call, x.clamp(max=0), other, None)


def _nonzero(x: Tensor) -> Tensor:
    return torch.where(x == 0, STABLE, x)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return above / _stabilized(below.detach(), STABLE)


def _stabilized(z: Tensor, size: float) -> Tensor:
    return z + torch.where(z >= 0, size, -size)

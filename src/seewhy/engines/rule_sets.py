"""The rule sets of layer-wise relevance propagation (LRP), in the form gradient × input.

A layer's relevance R is its output times the gradient that reaches it. Each rule changes the gradient so that the input
times its gradient is the relevance the rule gives the input. Sums are linear, so residual branches, pooling and
concatenation share relevance by themselves; and what is proportional to its inputs, like a maximum or a length, by its
own gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor

from seewhy.engines.compositions import computed_weight, sampled, written_out
from seewhy.engines.graph import dependent
from seewhy.engines.parts import Change, both, falling, favoured, part, rising, scaled_sizes
from seewhy.engines.rules import Call, Kind, Rule, RuleSet, fresh, surrogate, with_slope, with_slopes
from seewhy.errors import ExplainError

STABLE = 1e-9


def epsilon(size: float) -> Rule:
    """R_i = Σ_j a_i w_ij / (z_j + ε sign z_j) · R_j. Source: Bach 2015, eq. 58."""
    return lambda call: with_slope(call.plain(), _itself, lambda z, _: _ratio(z, z, size))


def gamma(size: float) -> Rule:
    """ε → 0 with positive contributions favoured 1 + γ times, for inputs of either sign.

    Those with the sign of the output count 1 + γ times; thus, but for a factor that all have, a contribution c to the
    output z counts c + κ sign(z) |c|, with κ = γ / (2 + γ).
    Source: Montavon 2019, section 10.2.3, in the form for signed inputs of Andéol 2021.
    """
    kappa = size / (2 + size)
    more, less, sizes = favoured(kappa), favoured(-kappa), scaled_sizes(kappa)

    def rule(call: Call) -> Tensor:
        z = call.plain()
        x, weight, bias = _layer(call)
        signed = _has_negative(x)
        offset = _offset(z, weight)
        if signed and call.kind == "dense":  # what rectifies follows convolutions, and two such layers are dearer then
            offset = offset if bias is None else offset + sizes(bias.detach())
            above = z + _with(call, _Size.apply(x), part(weight, sizes), offset)  # pyright: ignore[reportArgumentType]
        else:
            offset = offset if bias is None else offset + more(bias.detach())
            above = _by_sign(call, more, less, offset, signed=signed)
        return _Favoured.apply([z.detach()], z, above)  # pyright: ignore[reportReturnType]

    return rule if size else epsilon(STABLE)


class _Favoured(torch.autograd.Function):
    """z, shared out among contributions by how they add up to `above`, z + κ Σ |c|, where z is positive.

    Where it is negative, z − κ Σ |c| is 2 z − above. What rectifies z lets no relevance through there: then `above`
    alone has a gradient.
    """

    @staticmethod
    def forward(ctx: Any, given: Sequence[Tensor], _: Tensor, above: Tensor) -> Tensor:
        (z,) = given
        below = torch.sub(above, z.clamp(max=0), alpha=2)
        ctx.save_for_backward(torch.div(z, below, out=below))
        return fresh(z)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (share,) = ctx.saved_tensors
        given = gradients[0] * share
        below = torch.ops.aten.hardtanh_backward(given, share, -inf, 0)  # in one pass: where the share is negative
        if bool(below.amax() == 0) and bool(below.amin() == 0):
            return None, None, given
        return None, below.mul_(-2), given


def z_plus(call: Call) -> Tensor:
    """Positive contributions alone pass relevance on; the bias, which is no pixel's, takes none.

    Source: Montavon 2017, eq. 9 (α = 1, β = 0).
    """
    x, weight, _ = _layer(call)
    z = call.on(x.detach())
    sums = _by_sign(call, rising, falling, _offset(z, weight), signed=_has_negative(x))
    return with_slope(sums, lambda _: z, lambda sums, z: torch.div(z, sums, out=sums))


def _channels(weight: Tensor) -> int:
    """Where the channels of what a layer takes and gives are: of a row, the last; of a map, before its sides."""
    return 1 - weight.dim()


def _offset(z: Tensor, weight: Tensor) -> Tensor:
    """A bias so small that it matters to nothing but zeros."""
    return z.new_full((z.shape[_channels(weight)],) if _channels(weight) else (), STABLE)


def _by_sign(call: Call, more: Change, less: Change, offset: Tensor, *, signed: bool) -> Tensor:
    """The layer with one weight for what is positive of its input and another for what is negative, and the offset."""
    x, weight, _ = _layer(call)
    if not signed:
        return _with(call, x, part(weight, more), offset)
    above, below = _Signs.apply(x)  # pyright: ignore[reportGeneralTypeIssues]
    channels = _channels(weight)
    if channels and weight.shape[1] == x.shape[channels] and "transpose" not in call.name:  # one group
        # One layer of twice the inputs is faster than two.
        return _with(call, torch.cat([above, below], channels), part(weight, both(more, less)), offset)
    return _with(call, above, part(weight, more), offset) + _with(call, below, part(weight, less), None)


class _Size(torch.autograd.Function):
    """|x|, with the slope 1 at 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.copysign(x.new_ones(()), x).mul_(gradients[0])


class _Signs(torch.autograd.Function):
    """What is positive and what is negative of x; 0 belongs to the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        above, below = x.clamp(min=0), x.clamp(max=0)
        ctx.save_for_backward(below)
        return above, below

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (below,) = ctx.saved_tensors
        return torch.lerp(
            gradients[0], gradients[1], below.sign().neg_()
        )  # exact at 0 and 1, and faster than a choice by a mask


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
        for bound, some in ((low, weight.clamp(min=0)), (high, weight.clamp(max=0))):
            shares = shares - _with(call, x * (bound / _nonzero(inputs)), some, None)
        z = call.on(inputs)
        return surrogate(shares * _ratio(z, shares), z.clone)

    return rule


def identity(call: Call) -> Tensor:
    """An activation passes its relevance on unchanged: slope y / u. Source: Achtibat 2024, proposition 3.1."""
    if call.args[0].is_complex():
        raise ExplainError(f"LRP has no rule for the operation '{call.name}' on complex numbers")
    with torch.no_grad():
        u = call.args[0].detach()
        if top := _top(call):
            slope = torch.div(u.new_tensor(top), u).clamp_(0, 1)
            y = call.over(u)
        else:
            below = _stabilized(u, STABLE)
            y = call.over(u)
            slope = torch.div(y, below, out=below)
    return with_slopes(y, (call.args[0], slope))


def _top(call: Call) -> float | None:
    """Where an activation that is 0 below 0 and its input above is cut off, `inf` if nowhere; None of others."""
    if call.name == "relu6":
        return 6.0
    if call.name not in {"hardtanh", "clamp", "clip", "clamp_min"}:
        return None
    named = [call.kwargs.get(f"{end}_val", call.kwargs.get(end)) for end in ("min", "max")]
    low, high = [*call.args[1:], *named[len(call.args) - 1 :]]
    if high is None:
        high = 1.0 if call.name == "hardtanh" else inf
    numbers = isinstance(low, int | float) and isinstance(high, int | float)
    return float(high) if numbers and low == 0 < high else None


def halved_product(call: Call) -> Tensor:
    """The factors share the relevance of their product equally. Source: Achtibat 2024, proposition 3.3."""
    whole, factors = call.plain(), len(dependent(call.args, call.kwargs))
    return surrogate(whole / factors, whole.detach().clone)


def constant_divisor(call: Call) -> Tensor:
    """The dividend takes all."""
    return call.function(call.args[0], call.args[1].detach(), *call.args[2:], **call.kwargs)


def no_relevance(call: Call) -> Tensor:
    """Attention weights count as constants. Source: Ali 2022, section 4.1 (CP-LRP)."""
    return call.plain().detach()


# Activations whose own slope is y / u.
PROPORTIONAL = frozenset({"relu", "leaky_relu", "prelu", "abs", "absolute"})

_SHARED: dict[Kind, Rule] = {
    "activation": identity,
    "product": halved_product,
    "division": constant_divisor,
    "sampling": sampled,
    "composed": partial(written_out, constant=True),  # statistics of a norm. Source: Ali 2022, section 4.2
}


def composite(name: str, convolution: Rule, dense: Rule, first: Rule | None = None) -> RuleSet:
    """A rule for convolutions, one for dense layers, and perhaps one for the first of all; the rest as in AttnLRP."""
    layers: dict[Kind, Rule] = {"convolution": _or_product(convolution), "dense": _or_product(dense)}
    return RuleSet(name, _SHARED | layers, first and _or_product(first), own=PROPORTIONAL)


def constant_attention(name: str, convolution: Rule, dense: Rule) -> RuleSet:
    """The same with attention weights as constants."""
    rules = composite(name, convolution, dense)
    return replace(rules, rules={**rules.rules, "softmax": no_relevance})


def _or_product(rule: Rule) -> Rule:
    """The rule for a layer, unless its weight depends on the picture: then it is a product."""
    return lambda call: halved_product(call) if computed_weight(call) else rule(call)


def _layer(call: Call) -> tuple[Tensor, Tensor, Tensor | None]:
    given = dict(zip(("input", "weight", "bias"), call.args, strict=False)) | dict(call.kwargs)
    return given["input"], given["weight"], given.get("bias")


def _with(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The layer with another input, weight and bias."""
    rest = {key: value for key, value in call.kwargs.items() if key not in {"input", "weight", "bias"}}
    return call.function(x, weight, bias, *call.args[3:], **rest)


def _nonzero(x: Tensor) -> Tensor:
    return torch.where(x == 0, STABLE, x)


def _ratio(above: Tensor, below: Tensor, size: float = STABLE) -> Tensor:
    """Above / (below + ε sign below), without a gradient."""
    below = _stabilized(below.detach(), size)
    return torch.div(above.detach(), below, out=below)


def _stabilized(z: Tensor, size: float) -> Tensor:
    return torch.copysign(z.new_tensor(size), z).add_(z)


def _has_negative(x: Tensor) -> bool:
    return bool(x.detach().amin() < 0)


def _itself(z: Tensor) -> Tensor:
    return z

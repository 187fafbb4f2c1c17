"""The rules of layer-wise relevance propagation, in the form gradient × input.

A layer's relevance R is its output times the gradient that reaches it. Each rule changes the gradient so that the
input times its gradient is the relevance the rule gives the input. Sums are linear, so residual branches, pooling and
concatenation share relevance by themselves.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from seewhy.engines import decompositions
from seewhy.engines.operations import Kind
from seewhy.engines.rules import Call, Rule, RuleSet, surrogate, with_slope

STABLE = 1e-9


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
    "layer_norm": partial(decompositions.layer_norm, constant=True),
    "group_norm": partial(decompositions.group_norm, constant=True),
    "normalize": partial(decompositions.normalize, constant=True),
    "attention": decompositions.attention,
    "multi_head_attention": decompositions.multi_head_attention,
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

"""The rule sets of layer-wise relevance propagation (LRP), in the form gradient × input.

A layer's relevance R is its output times the gradient that reaches it. Each rule changes the gradient so that the input
times its gradient is the relevance the rule gives the input. Sums are linear, so residual branches, pooling and
concatenation share relevance by themselves; and what is proportional to its inputs, like a maximum or a length, by its
own gradient.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from seewhy.engines.compositions import computed_weight, sampled, written_out
from seewhy.engines.graph import dependent
from seewhy.engines.rules import Call, Kind, Rule, RuleSet, fresh, surrogate, with_slope
from seewhy.errors import ExplainError

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
        return _Gamma.apply(_layer(call)[0], call, size) if size else epsilon(STABLE)(call)  # pyright: ignore[reportReturnType]

    return rule


def z_plus(call: Call) -> Tensor:
    """Positive contributions alone pass relevance on; the bias, which is no pixel's, takes none.

    Source: Montavon 2017, eq. 9 (α = 1, β = 0).
    """
    return _Plus.apply(_layer(call)[0], call)  # pyright: ignore[reportReturnType]


# Weights of one sign are made anew on the way back: a graph that kept them would hold every layer's several times.


class _Plus(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call) -> Tensor:
        ctx.shares = _Shares(call, x.detach())
        z = fresh(call.on(x.detach()))
        ctx.ratio = _ratio(z, ctx.shares.supporting(x.detach()))
        return fresh(z)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        shares, given = ctx.shares, gradients[0] * ctx.ratio
        found = shares.handed_back(given, shares.weight.clamp(min=0))
        if shares.negative is not None:
            found = torch.where(shares.negative, shares.handed_back(given, shares.weight.clamp(max=0)), found)
        return found, None


class _Gamma(torch.autograd.Function):
    """Where the output is positive, W + γW⁺ acts on positive inputs and W + γW⁻ on negative ones; else the reverse."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call, size: float) -> Tensor:
        ctx.shares, ctx.size = _Shares(call, x.detach()), size
        z = fresh(call.on(x.detach()))
        rising = ctx.shares.supporting(x.detach()) + ctx.shares.offset.clamp(min=0)
        ctx.up = z > 0
        ctx.ratio = _ratio(z, z + size * torch.where(ctx.up, rising, z - rising))
        return fresh(z)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        shares, given, size = ctx.shares, gradients[0] * ctx.ratio, ctx.size
        # With W⁻ = W − W⁺ each way takes W and W⁺ alone.
        tilt = size * shares.handed_back(torch.where(ctx.up, given, -given), shares.weight.clamp(min=0))
        found = shares.handed_back(torch.where(ctx.up, given, (1 + size) * given), shares.weight).add_(tilt)
        if shares.negative is not None:
            falling = shares.handed_back(torch.where(ctx.up, (1 + size) * given, given), shares.weight).sub_(tilt)
            found = torch.where(shares.negative, falling, found)
        return found, None, None


class _Shares:
    """A layer whose inputs share its output by the sign of their contributions; keeps no input, at most its signs."""

    def __init__(self, call: Call, x: Tensor) -> None:
        self._call, self._shape = call, x.shape
        _, self.weight, bias = _layer(call)
        self.offset = x.new_zeros(()) if bias is None else bias.view(-1, *[1] * (self.weight.dim() - 2))
        self.negative = x < 0 if bool((x < 0).any()) else None
        is_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
        self._layout = torch.channels_last if is_last else torch.contiguous_format

    def supporting(self, x: Tensor) -> Tensor:
        """The sum of the positive contributions."""
        if self.negative is None:
            return _with(self._call, x, self.weight.clamp(min=0), None)
        rising = _with(self._call, x.clamp(min=0), self.weight.clamp(min=0), None)
        return rising.add_(_with(self._call, x.clamp(max=0), self.weight.clamp(max=0), None))

    def handed_back(self, given: Tensor, weight: Tensor) -> Tensor:
        """The gradient of the layer with another weight."""
        with torch.enable_grad():
            leaf = given.new_zeros(self._shape).contiguous(memory_format=self._layout).requires_grad_()
            return torch.autograd.grad(_with(self._call, leaf, weight, None), leaf, given)[0]


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
    if call.args[0].is_complex():
        raise ExplainError(f"LRP has no rule for the operation '{call.name}' on complex numbers")
    return with_slope(call.args[0], call.on, lambda u, y: y / _stabilized(u, STABLE))


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
    return RuleSet(name, _SHARED | layers, first and _or_product(first))


def constant_attention(name: str, convolution: Rule, dense: Rule) -> RuleSet:
    """The same with attention weights as constants."""
    return RuleSet(name, {**composite(name, convolution, dense).rules, "softmax": no_relevance})


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


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return above / _stabilized(below.detach(), STABLE)


def _stabilized(z: Tensor, size: float) -> Tensor:
    return z + torch.where(z >= 0, size, -size)

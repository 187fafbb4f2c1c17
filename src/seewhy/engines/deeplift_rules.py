"""The DeepLIFT rescale rules: finite differences between a picture and its reference in place of derivatives.

The batch holds pictures in its first half and their references in its second, in the same order.
Source: Shrikumar 2017, rescale rule; products, softmax and norms by composition, so that Σ (x − r) · m = f(x) − f(r).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seewhy.engines import decompositions
from seewhy.engines.rules import Call, RuleSet, surrogate, with_slope
from seewhy.errors import ExplainError

NOISE = 8  # differences under this many rounding errors are none


def activation(call: Call) -> Tensor:
    """Δy / Δu, the derivative where u and its reference agree."""

    def slope(u: Tensor, y: Tensor) -> Tensor:
        (a, b), (high, low) = _halves(u), _halves(y)
        change = a - b
        still = change.abs() <= a.abs().add_(b.abs()).mul_(NOISE * torch.finfo(u.dtype).eps)
        ratio = (high - low).div_(change)
        return torch.where(still, _derivative(call, a), ratio) if bool(still.any()) else ratio

    return with_slope(call.args[0], call.on, slope)


def product(call: Call) -> Tensor:
    """Δ(ab) = b̄ Δa + ā Δb with the means over picture and reference: exact for two factors."""
    left, right = _factors(call)

    def joined(a: Tensor, b: Tensor) -> Tensor:
        if call.function.__name__ == "einsum":
            return torch.einsum(call.args[0], a, b)
        return call.function(a, b, *call.args[2:], **call.kwargs)

    linear = joined(left, _mean(right)) + joined(_mean(left), right)
    return surrogate(linear, lambda: joined(left.detach(), right.detach()))


def division(call: Call) -> Tensor:
    """A / b as the product of a and 1 / b."""
    above, below = call.args[0], call.args[1]
    with call.rules:
        inverse = torch.reciprocal(below)
        return above * inverse


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
        "layer_norm": decompositions.layer_norm,
        "group_norm": decompositions.group_norm,
        "normalize": decompositions.normalize,
        "attention": decompositions.attention,
        "multi_head_attention": decompositions.multi_head_attention,
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


def _factors(call: Call) -> tuple[Tensor, Tensor]:
    first = 1 if call.function.__name__ == "einsum" else 0
    left, right = call.args[first : first + 2]
    return left, right


def _derivative(call: Call, u: Tensor) -> Tensor:
    with torch.enable_grad():
        u = u.detach().requires_grad_()
        return torch.autograd.grad(call.on(u).sum(), u)[0]

"""DeepLIFT's rescale rules: finite differences between a picture and its reference in place of derivatives.

The references run first and are kept, operation by operation; then the pictures run and each operation is compared with
the same one of the references. So it does not matter where the network puts the batch, or whether it has one.
Source: Shrikumar 2017; everything but activations by exact secants or by composition, so that
Σ (x − r) · m = f(x) − f(r).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from seewhy.engines.compositions import computed_weight, sampled, softmax_dim, written_out
from seewhy.engines.rules import Call, Kind, Rule, RuleSet, fresh, surrogate, with_slope
from seewhy.errors import ExplainError

NOISE = 8  # differences under this many rounding errors are none

Secant = Callable[[Call, Call], Any]  # of an operation on the pictures and the same one on the references


@dataclass
class References:
    """What the references did, to run a batch of as many pictures under `comparing`; see `of`.

    With `copies`, what an operation is called with is copied, for networks that overwrite it afterwards.
    """

    copies: bool = False
    _calls: list[Call] = field(default_factory=list)
    _versions: list[tuple[Tensor, int]] = field(default_factory=list)
    _compared: int = 0
    _forward: object = None

    @classmethod
    def of(cls, run: Callable[[RuleSet], object]) -> References:
        """What `run` does under the rules that it is given."""
        run((found := cls()).recording)
        if found.overwritten:
            run((found := cls(copies=True)).recording)
        return found

    @property
    def recording(self) -> RuleSet:
        """Keeps every operation that has a secant."""
        return _rule_set(lambda _: self._record)

    @property
    def comparing(self) -> RuleSet:
        """The rules: the secant from each operation that was kept to the one that runs."""
        rules = _rule_set(lambda secant: lambda call: secant(call, self._same(call)))
        return replace(rules, begin=self._begin)

    @property
    def overwritten(self) -> bool:
        """Whether the network wrote over something that was kept."""
        return any(tensor._version != version for tensor, version in self._versions)  # noqa: SLF001

    @property
    def complete(self) -> bool:
        """Whether each operation was compared with one."""
        return self._compared == len(self._calls)

    def _record(self, call: Call) -> Any:
        kept = self.copies or call.in_place
        args = _mapped(call.args, lambda each: each.detach().clone() if kept else each.detach())
        before = Call(call.kind, call.function, args, call.kwargs, nullcontext())
        self._calls.append(before)
        _mapped(args, lambda each: self._versions.append((each, each._version)))  # noqa: SLF001
        with torch.no_grad():
            result = before.plain()
        source = _tensors(call.args)[0]
        return _mapped(result, lambda each: surrogate(source, lambda: each) if each.is_floating_point() else each)

    def _begin(self) -> None:
        self._compared = 0

    def _same(self, call: Call) -> Call:
        if call.rules is not self._forward:  # from the start again
            self._forward, self._compared = call.rules, 0
        before = self._calls[self._compared] if self._compared < len(self._calls) else None
        self._compared += 1
        if before is None or (before.name, _shapes(before)) != (call.name, _shapes(call)):
            raise other_way(call.name)
        return before


def other_way(name: str) -> ExplainError:
    """Of a network that decides by the picture what it computes."""
    return ExplainError(
        f"the network takes another way for the picture than for its reference (at the operation '{name}'), so "
        "DeepLIFT cannot compare them; use integrated-gradients"
    )


def activation(call: Call, before: Call) -> Tensor:
    """Δy / Δu, the derivative where u and its reference agree."""
    reference = before.args[0]
    if reference.is_complex():
        raise ExplainError(f"DeepLIFT has no rule for the operation '{call.name}' on complex numbers")

    def slope(u: Tensor, y: Tensor) -> Tensor:
        change = u - reference
        still = change.abs() <= u.abs().add_(reference.abs()).mul_(NOISE * torch.finfo(u.dtype).eps)
        ratio = (y - before.plain()).div_(change)
        if bool(still.any()):
            with torch.enable_grad():
                leaf = u.detach().requires_grad_()
                (derivative,) = torch.autograd.grad(call.on(leaf).sum(), leaf)
            # An infinite derivative, of the root of 0, say, tells nothing about a change of 0.
            ratio = torch.where(still, derivative.nan_to_num(0.0, 0.0, 0.0), ratio)
        if bool((ratio.sum() + change.sum()).isfinite()):
            return ratio
        # What overflowed counts as very large: the slopes of a chain multiply to the change of its end, whatever it is.
        large = torch.finfo(u.dtype).max / 4
        u, low, y, base = (each.nan_to_num(0.0, large, -large) for each in (u, reference, y, before.plain()))
        return torch.where(
            ratio.isfinite() & change.isfinite(), ratio, ((y - base) / (u - low)).nan_to_num_(0.0, 0.0, 0.0)
        )

    return with_slope(call.args[0], call.on, slope)


def pair(call: Call, before: Call) -> Tensor:
    """A function of two numbers: each takes what it changes, averaged over which of them changes first."""
    first, second = torch.broadcast_tensors(*call.args)
    a, b = first.detach(), second.detach()
    a_before, b_before = torch.broadcast_tensors(*before.args)
    f = call.function
    y, y_before, second_first, first_first = f(a, b), f(a_before, b_before), f(a_before, b), f(a, b_before)
    slopes = (
        _secant(y - second_first + first_first - y_before, a, a_before),
        _secant(y - first_first + second_first - y_before, b, b_before),
    )
    return surrogate(slopes[0] * first + slopes[1] * second, lambda: y)


def _secant(twice: Tensor, now: Tensor, before: Tensor) -> Tensor:
    change = now - before
    still = change.abs() <= NOISE * torch.finfo(now.dtype).eps * (now.abs() + before.abs())
    return (twice / (2 * change)).masked_fill_(still, 0)


def product(call: Call, before: Call) -> Tensor:
    """Δ(ab) = b̄ Δa + ā Δb with the means over picture and reference: exact for two factors.

    With more factors they change one after the other, averaged over two opposite orders.
    """
    args, others = _flat(call.args), _flat(before.args)
    places = [place for place, each in enumerate(args) if isinstance(each, Tensor) and each.requires_grad]

    def joined(factors: Mapping[int, Tensor]) -> Tensor:
        return call.function(*(factors.get(place, each) for place, each in enumerate(args)), **call.kwargs)

    now, then = ({place: each[place].detach() for place in places} for each in (args, others))
    if len(places) == 2:
        mean = {place: (now[place] + then[place]) / 2 for place in places}
        parts = [joined(mean | {place: args[place]}) for place in places]
    else:
        parts = [
            joined({**last, **{each: first[each] for each in places[:step]}, place: args[place]}) / 2
            for first, last in ((now, then), (then, now))
            for step, place in enumerate(places)
        ]
    return surrogate(reduce(torch.add, parts), lambda: joined(now))


def layer(call: Call, before: Call) -> Tensor:
    """A layer whose weight is computed from the picture is a product of picture and weight."""
    args = dict(zip(("input", "weight", "bias"), call.args, strict=False)) | dict(call.kwargs)
    bias, rest = args.pop("bias", None), call.args[3:]
    then = dict(zip(("input", "weight"), before.args, strict=False)) | dict(before.kwargs)
    mean = {name: (args[name].detach() + then[name].detach()) / 2 for name in ("input", "weight")}

    def joined(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return call.function(x, weight, bias, *rest, **kwargs)

    kwargs = {name: value for name, value in args.items() if name not in {"input", "weight"}}
    linear = joined(args["input"], mean["weight"], bias) + joined(mean["input"], args["weight"], None)
    detached = None if bias is None else bias.detach()
    return surrogate(linear, lambda: joined(args["input"].detach(), args["weight"].detach(), detached))


def division(call: Call) -> Tensor:
    """A / b as the product of a and 1 / b."""
    with call.rules:
        return call.args[0] * torch.reciprocal(call.args[1])


def softmax(call: Call, before: Call) -> Tensor:
    """Δp = L (Δx − Δ log Σ exp x), with the logarithmic mean L of the probabilities now and before.

    For Δp = L Δ log p by the definition of that mean. All slopes are between −1 and 1, however far the scores went.
    """
    x, dim = call.args[0], softmax_dim(call.args[0], _argument(call, 1, "dim"))
    means, shares = _log_means(x.detach(), before.args[0], (dim,))
    return surrogate(means * (x - (shares * x).sum(dim, keepdim=True)), lambda: call.on(x.detach()))


def logsumexp(call: Call, before: Call) -> Tensor:
    """Δ log Σ exp x = Σ L Δx / Σ L, with the same logarithmic means: the probabilities add up to 1, now and before."""
    x, dim = call.args[0], _argument(call, 1, "dim")
    _, shares = _log_means(x.detach(), before.args[0], (dim,) if isinstance(dim, int) else tuple(dim))
    keepdim = bool(_argument(call, 2, "keepdim"))
    return surrogate((shares * x).sum(dim, keepdim=keepdim), lambda: call.on(x.detach()))


def _log_means(now: Tensor, before: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(p − q) / (log p − log q) of the softmax now and before, and the same divided by their sum."""
    now, before = (x - torch.logsumexp(x, dims, keepdim=True) for x in (now, before))
    half = (now - before) / 2
    small = half.abs() < 0.05  # there the difference would be of rounding; sinh(h) / h instead
    near = ((now + before) / 2).exp_() * (1 + half**2 / 6 + half**4 / 120)
    means = torch.where(small, near, (now.exp() - before.exp()) / (2 * half)).nan_to_num_(0.0)  # masked scores
    return means, means / means.sum(dims, keepdim=True).clamp_(min=torch.finfo(means.dtype).tiny)


def extremum(call: Call, before: Call) -> Any:
    """Each window's change is split between the winner of the picture and the winner of the reference."""
    u, *others = call.args
    if isinstance(others[0] if others else None, Tensor):  # torch.max(x, y)
        return pair(call, before)
    with torch.no_grad():
        result: Any = call.function(u.detach(), *others, **call.kwargs)
    values = _Extremum.apply(u, before.args[0], call, lambda: _leading(result))
    return values if isinstance(result, Tensor) else type(result)((values, *result[1:]))


class _Extremum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, before: Tensor, call: Call, value: Callable[[], Tensor]) -> Tensor:
        ctx.u, ctx.before, ctx.call = u.detach().clone(), before, call  # a copy, for it may be written over
        return fresh(value())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        change = ctx.u - ctx.before
        still = change.abs() <= NOISE * torch.finfo(change.dtype).eps * (ctx.u.abs() + ctx.before.abs())
        with torch.enable_grad():
            leaves = [each.detach().clone().requires_grad_() for each in (ctx.u, ctx.before)]
            high, low = (_leading(ctx.call.on(leaf)) for leaf in leaves)
        least = "min" in ctx.call.name
        beyond = (torch.minimum if least else torch.maximum)(high.detach(), low.detach())
        # What the winner of the picture did beyond that of the reference, and what that one did.
        won = [gradients[0] * (beyond - low.detach()), gradients[0] * (high.detach() - beyond)]
        credit = [
            sum(torch.autograd.grad(each, leaf, part))
            for each, leaf, part in zip((high, low), leaves, won, strict=True)
        ]
        return (credit[0] + credit[1]) * change.reciprocal_().masked_fill_(still, 0), None, None, None


_SECANTS: dict[Kind, Secant] = {
    "activation": activation,
    "pair": pair,
    "product": product,
    "softmax": softmax,
    "logsumexp": logsumexp,
    "extremum": extremum,
}


def _rule_set(rule: Callable[[Secant], Rule]) -> RuleSet:
    def if_computed(call: Call) -> Any:
        return rule(layer)(call) if computed_weight(call) else call.plain()

    rules: dict[Kind, Rule] = {kind: rule(secant) for kind, secant in _SECANTS.items()}
    others: dict[Kind, Rule] = {
        "division": division,
        "composed": written_out,
        "sampling": sampled,
        "convolution": if_computed,
        "dense": if_computed,
    }
    return RuleSet("DeepLIFT", rules | others)


def _argument(call: Call, place: int, name: str) -> Any:
    return call.args[place] if len(call.args) > place else call.kwargs.get(name)


def _leading(result: Any) -> Tensor:
    return result if isinstance(result, Tensor) else result[0]


def _flat(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Factors in a list as factors: einsum takes them either way."""
    return tuple(each for arg in args for each in (arg if isinstance(arg, list | tuple) and _tensors(arg) else (arg,)))


def _mapped(values: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same with every tensor changed, at any depth of lists and tuples."""
    if isinstance(values, Tensor):
        return change(values)
    if isinstance(values, list | tuple):
        return type(values)([_mapped(each, change) for each in values])
    return values


def _tensors(values: Any) -> list[Tensor]:
    """Those that depend on the picture, at any depth of lists and tuples."""
    found: list[Tensor] = []
    _mapped(values, lambda each: found.append(each) if each.requires_grad else None)
    return found


def _shapes(call: Call) -> list[torch.Size]:
    found: list[torch.Size] = []
    _mapped(call.args, lambda each: found.append(each.shape))
    return found

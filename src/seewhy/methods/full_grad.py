"""FullGrad: the gradient of the input and of every bias, where all of a ReLU network's score sits."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Call, RuleSet
from seewhy.methods.gradients import TOLERANCE, PixelMethod, Query, completeness_gap
from seewhy.methods.task import Found, enlarge, unit
from seewhy.models import Target


@dataclass
class _Biases:
    """What the biases of one forward add to the score: maps `(C, h, w)` of those in the picture, and all in all."""

    maps: list[Tensor] = field(default_factory=list)
    total: float = 0.0

    def watch(self, call: Call) -> Tensor:
        """The layer with its own gradient, which is looked at on the way back."""
        y = call.plain()
        bias = call.kwargs.get("bias", call.args[2] if len(call.args) > 2 else None)
        if isinstance(bias, Tensor):
            y.register_hook(lambda gradient: self._add(gradient, bias.detach(), call.kind == "dense"))
        return y

    def _add(self, gradient: Tensor, bias: Tensor, last: bool) -> None:
        shares = gradient.movedim(-1, 1) if last and gradient.dim() == 4 else gradient
        place = -1 if last and gradient.dim() != 4 else 1
        shares = shares * bias.view([-1 if each == place % shares.dim() else 1 for each in range(shares.dim())])
        self.total += float(shares.double().sum())
        if shares.dim() == 4 and len(shares) == 1:
            self.maps.append(shares[0])


def full_gradient(query: Query, target: Target) -> tuple[Tensor, float, float]:
    """The map `(h, w)`, what all gradients add up to, and the score. Source: Srinivas 2019, eq. 5 and algorithm 1."""
    biases = _Biases()
    layers = RuleSet("FullGrad", {"convolution": biases.watch, "dense": biases.watch}, strict=False)
    logits, (gradient,) = query.network.gradients(query.point, [target], layers)
    products = query.network.maps(query.point * gradient)[0]
    size = (query.pixels.shape[1], query.pixels.shape[2])
    # Channels are added up first: stretching is linear, and a layer has hundreds.
    found = sum(enlarge(unit(each.abs()).sum(0, keepdim=True), size)[0] for each in (products, *biases.maps))
    return torch.as_tensor(found), float(products.double().sum()) + biases.total, float(target.score(logits[0]))


class FullGrad(PixelMethod):
    """Input × gradient and bias × gradient of every layer, each map by its size, stretched and added up.

    On networks of convolutions and ReLU, with BatchNorm after convolutions, both together are the score, which is
    checked. A bias that has no place in the picture, as a head's or a token's, is counted and not shown.
    """

    name = "full-grad"
    title = "FullGrad"
    status = "verified"
    paper = "Srinivas & Fleuret 2019"
    arxiv = "1905.00780"
    question = "Where do the input and the network's own biases make up the score?"
    reading = (
        "Bright areas are where inputs or the features' biases carry much of the score, in either direction: the "
        "picture of what the network responds to at every depth. Classes look much alike in it."
    )

    @override
    def attribute(self, query: Query) -> list[Found]:
        return [self._found(query, target) for target in query.targets]

    def _found(self, query: Query, target: Target) -> Found:
        values, total, score = full_gradient(query, target)
        gap = completeness_gap(torch.tensor([total]), torch.tensor(score))
        note = (
            f"The gradients of inputs and biases add up to {total:+.4g}, and the score is {score:+.4g}: this network "
            "has parts, such as norms, attention or smooth activations, whose share FullGrad does not see."
        )
        return Found(values, checks={"completeness_gap": gap}, notes=(note,) if gap > TOLERANCE else ())

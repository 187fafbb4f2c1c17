"""Plain gradients with respect to the input, and what is made of them without a reference."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Call, RuleSet
from seewhy.errors import UsageError
from seewhy.methods.pixel_method import Attribution, PixelMethod, Query
from seewhy.methods.registry import register

SPECKLED = "It shows single pixels, often in speckles: read where they gather, not each one. "
BATCH = 8


@register(
    "gradient",
    title="Gradient",
    family="gradients",
    paper="Simonyan et al. 2013",
    arxiv="1312.6034",
    needs=("gradients",),
    question="Which pixels would change the score most if they changed a little?",
    reading="Bright pixels are those the score is most sensitive to, in either direction. " + SPECKLED,
    cost="one forward, one backward",
)
@dataclass(frozen=True, kw_only=True)
class Gradient(PixelMethod):
    """How sensitive the score is to each pixel."""

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        _, found = query.network.gradients(query.point, query.targets)
        return [Attribution(query.strongest(each)[0]) for each in found]


@register(
    "input-x-gradient",
    title="Input × gradient",
    family="gradients",
    paper="Shrikumar et al. 2016",
    arxiv="1605.01713",
    needs=("gradients",),
    signed=True,
    question="How much did each pixel add to the score, if the network were linear?",
    reading="Orange pixels raised the score, blue ones lowered it, measured from the mean colour of the training "
    "pictures. " + SPECKLED,
    cost="one forward, one backward",
)
@dataclass(frozen=True, kw_only=True)
class InputXGradient(PixelMethod):
    """The gradient times the normalised input, summed over colours: exact for a linear network."""

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        _, found = query.network.gradients(query.point, query.targets)
        return [Attribution(query.summed(query.point * each)[0]) for each in found]


@register(
    "smooth-grad",
    title="SmoothGrad",
    family="gradients",
    paper="Smilkov et al. 2017",
    arxiv="1706.03825",
    needs=("gradients",),
    question="Which pixels is the score sensitive to, whatever a little noise?",
    reading="Bright pixels are those the score is most sensitive to, averaged over noisy copies of the picture.",
    cost="one forward and backward for each of 25 noisy copies",
)
@dataclass(frozen=True, kw_only=True)
class SmoothGrad(PixelMethod):
    """The gradient averaged over `samples` copies with Gaussian noise of `noise` times the range of the input."""

    samples: int = 25
    noise: float = 0.15

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        if self.samples < 1 or self.noise < 0:
            raise UsageError(f"smooth-grad wants samples ≥ 1 and noise ≥ 0, not {self.samples} and {self.noise}")
        x = query.point
        sigma = self.noise * (x.max() - x.min())
        totals = [torch.zeros_like(x) for _ in query.targets]
        for start in range(0, self.samples, BATCH):
            count = min(BATCH, self.samples - start)
            noise = torch.randn((count, *x.shape[1:]), generator=query.generator).to(x)
            _, found = query.network.gradients(x + sigma * noise, query.targets)
            totals = [total + each.sum(0, keepdim=True) for total, each in zip(totals, found, strict=True)]
            query.progress(start + count, self.samples, "noisy copies")
        return [Attribution(query.strongest(total / self.samples)[0]) for total in totals]


def _guided(call: Call) -> Tensor:
    """The activation's own derivative, for positive gradients only."""
    return _PositiveOnly.apply(call.plain())  # pyright: ignore[reportReturnType]


class _PositiveOnly(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, y: Tensor) -> Tensor:  # noqa: ARG004
        return y.clone()

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return gradients[0].clamp(min=0)


# Springenberg's rule is for ReLU; on other activations it clamps what flows into their own derivative.
GUIDED = RuleSet("guided backpropagation", {"activation": _guided}, strict=False)


@register(
    "guided-backprop",
    title="Guided backpropagation",
    family="gradients",
    paper="Springenberg et al. 2014",
    arxiv="1412.6806",
    needs=("gradients",),
    question="Which fine structures excite the network?",
    reading="Bright pixels draw the edges that excite the network. The picture is sharp but hardly depends on the "
    "class or even on training, so it is no proof of what decided.",
    cost="one forward, one backward",
)
@dataclass(frozen=True, kw_only=True)
class GuidedBackpropagation(PixelMethod):
    """The gradient with negative values dropped at every activation."""

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        _, found = query.network.gradients(query.point, query.targets, GUIDED)
        return [Attribution(query.strongest(each)[0]) for each in found]

"""Layer-wise relevance propagation: the score handed back layer by layer, each unit giving what it received."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.explainers.differentiable import Differentiable
from seewhy.explainers.lrp_rules import STABLE, composite, constant_attention, epsilon, gamma, z_plus
from seewhy.explainers.pixel_method import Attribution, PixelMethod
from seewhy.explainers.registry import register
from seewhy.explainers.rules import RuleSet
from seewhy.models import Target
from seewhy.progress import Progress

__all__ = ["LRP", "AttnLRP"]

READING = (
    "Orange pixels carried the score of the class, blue ones counted against it. The relevance was handed back from "
    "the score, layer by layer, so the picture shows what was used, not what would happen if it were changed."
)
COMPOSITES: dict[str, Callable[[], RuleSet]] = {
    "epsilon": lambda: composite("LRP-ε", epsilon(STABLE), epsilon(STABLE)),
    "gamma": lambda: composite("LRP-γ", gamma(0.25), gamma(0.25)),
    "epsilon-gamma": lambda: composite("LRP ε-γ", gamma(0.25), epsilon(1e-6)),
    "epsilon-plus": lambda: composite("LRP ε-z⁺", z_plus, epsilon(1e-6)),
}
ATTENTION: dict[str, Callable[[], RuleSet]] = {
    "attn-lrp": lambda: composite("AttnLRP", gamma(0.25), gamma(0.05)),
    "cp-lrp": lambda: constant_attention("CP-LRP", gamma(0.25), gamma(0.05)),
    "libra-grad": lambda: constant_attention("LibraGrad", epsilon(0.0), epsilon(0.0)),
}


def relevance(network: Differentiable, pixels: Tensor, targets: Sequence[Target], rules: RuleSet) -> list[Attribution]:
    """Input times gradient under `rules`, summed over colours; the share of the score that arrived is a check."""
    x = network.preprocess(pixels[None])
    logits, found = network.gradients(x, targets, rules)
    maps = [(x * each).sum(1)[0] for each in found]
    scores = [float(target.score(logits[0])) for target in targets]
    return [
        Attribution(each, {"relevance_kept": float(each.sum()) / score} if score else {})
        for each, score in zip(maps, scores, strict=True)
    ]


@register(
    "lrp",
    title="Layer-wise relevance propagation",
    family="relevance",
    paper="Bach et al. 2015; composite of Kohlbrenner et al. 2020",
    arxiv="1910.09840",
    needs=("gradients",),
    signed=True,
    question="Which pixels carried the score of this class through the network?",
    reading=READING,
    cost="one forward, one backward",
)
@dataclass(frozen=True)
class LRP(PixelMethod):
    """One rule for convolutions, one for dense layers, on the network with its BatchNorm folded."""

    rules: Literal["epsilon", "gamma", "epsilon-gamma", "epsilon-plus"] = "epsilon-plus"

    @override
    def attribute(
        self,
        network: Differentiable,
        pixels: Tensor,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> list[Attribution]:
        return relevance(network, pixels, targets, _chosen(self.rules, COMPOSITES))


@register(
    "attn-lrp",
    title="AttnLRP",
    family="relevance",
    paper="Achtibat et al. 2024",
    arxiv="2402.05602",
    needs=("gradients",),
    signed=True,
    question="Which pixels carried the score of this class through a transformer?",
    reading=READING,
    cost="one forward, one backward",
)
@dataclass(frozen=True)
class AttnLRP(PixelMethod):
    """LRP for attention: `attn-lrp`, `cp-lrp` (attention weights as constants) or `libra-grad`."""

    rules: Literal["attn-lrp", "cp-lrp", "libra-grad"] = "attn-lrp"

    @override
    def attribute(
        self,
        network: Differentiable,
        pixels: Tensor,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> list[Attribution]:
        return relevance(network, pixels, targets, _chosen(self.rules, ATTENTION))


def _chosen(name: str, known: dict[str, Callable[[], RuleSet]]) -> RuleSet:
    if name not in known:
        raise UsageError(f"there are no rules '{name}'; there are {', '.join(known)}")
    return known[name]()

"""Layer-wise relevance propagation: the score handed back layer by layer, each unit giving what it received."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from typing_extensions import override

from seewhy.engines import FromLayer, RuleSet
from seewhy.engines.lrp_rules import STABLE, box, composite, constant_attention, epsilon, flat, gamma, z_plus
from seewhy.errors import UsageError
from seewhy.methods.pixel_method import Attribution, PixelMethod, Query
from seewhy.methods.registry import register

READING = (
    "Orange pixels carried the score of the class, blue ones counted against it. The relevance was handed back from "
    "the score, layer by layer, so the picture shows what was used, not what would happen if it were changed."
)
NUDGE = 1e-6  # an input of exactly 0 would take no relevance, whatever the rule
Composite = Literal["epsilon", "gamma", "epsilon-gamma", "epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box"]
Attention = Literal["attn-lrp", "cp-lrp", "libra-grad"]


def relevance(query: Query, rules: RuleSet) -> list[Attribution]:
    """Input times gradient under `rules`, summed over colours; the share of the score that arrived is a check.

    What is missing of it went to the network's constants, its biases: they are no part of the picture.
    """
    x = torch.where(query.point == 0, NUDGE, query.point)
    if isinstance(query.network, FromLayer):
        rules = replace(rules, first=None)  # the first layer is behind us
    logits, found = query.network.gradients(x, query.targets, rules)
    maps = [query.summed(x * each)[0] for each in found]
    scores = [float(target.score(logits[0])) for target in query.targets]
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
@dataclass(frozen=True, kw_only=True)
class LRP(PixelMethod):
    """One rule for convolutions, one for dense layers, on the network with its BatchNorm folded.

    `-flat` and `-box` have one of their own for the first layer, whose inputs have no zero that means "nothing".
    """

    rules: Composite = "epsilon-plus-flat"

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        return relevance(query, _chosen(self.rules, COMPOSITES)(query))


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
@dataclass(frozen=True, kw_only=True)
class AttnLRP(PixelMethod):
    """LRP for attention: `attn-lrp`, `cp-lrp` (attention weights as constants) or `libra-grad`."""

    rules: Attention = "attn-lrp"

    @override
    def attribute(self, query: Query) -> list[Attribution]:
        return relevance(query, _chosen(self.rules, ATTENTION)(query))


def _boxed(query: Query) -> RuleSet:
    ends = torch.stack([torch.zeros(3, 1, 1), torch.ones(3, 1, 1)]).to(query.pixels)
    low, high = query.network.classifier.preprocessing.normalize(ends).to(query.point)[:, None]
    return composite("LRP ε-γ box", gamma(0.25), epsilon(1e-6), box(low, high))


Rules = Callable[[Query], RuleSet]
COMPOSITES: dict[Composite, Rules] = {
    "epsilon": lambda _: composite("LRP-ε", epsilon(STABLE), epsilon(STABLE)),
    "gamma": lambda _: composite("LRP-γ", gamma(0.25), gamma(0.25)),
    "epsilon-gamma": lambda _: composite("LRP ε-γ", gamma(0.25), epsilon(1e-6)),
    "epsilon-plus": lambda _: composite("LRP ε-z⁺", z_plus, epsilon(1e-6)),
    "epsilon-plus-flat": lambda _: composite("LRP ε-z⁺ flat", z_plus, epsilon(1e-6), flat),
    "epsilon-gamma-box": _boxed,
}
ATTENTION: dict[Attention, Rules] = {
    "attn-lrp": lambda _: composite("AttnLRP", gamma(0.25), gamma(0.05)),
    "cp-lrp": lambda _: constant_attention("CP-LRP", gamma(0.25), gamma(0.05)),
    "libra-grad": lambda _: constant_attention("LibraGrad", epsilon(0.0), epsilon(0.0)),
}


def _chosen(name: str, known: Mapping[Any, Rules]) -> Rules:
    if name not in known:
        raise UsageError(f"there are no rules '{name}'; there are {', '.join(known)}")
    return known[name]

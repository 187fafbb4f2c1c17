"""Rules instead of gradients: DeepLIFT shares out a change of the score, LRP the score itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Differentiable, Fill, FromLayer, References, RuleSet
from seewhy.engines.deep_lift import other_way
from seewhy.engines.rule_sets import STABLE, box, composite, constant_attention, epsilon, flat, gamma, z_plus
from seewhy.errors import UsageError
from seewhy.methods.gradients import TOLERANCE, PixelMethod, Query, completeness_gap, gap_notes
from seewhy.methods.method import Method, method_info
from seewhy.methods.sums import SummedOverRegions, summed
from seewhy.methods.task import Found
from seewhy.models import Target

BATCH = 4  # references at once: each takes part beside the picture
ROUNDED = "Its rules are exact; what is missing was lost in the arithmetic of the network, such as by rounding."

LOW, HIGH = 0.5, 2.0  # shares of the score, between which a page needs no word of what reached the pixels
LITTLE = (
    "Only {:z.0%} of the score reached the pixels; the rest stayed with the network's constants and the rules "
    "themselves: the picture tells of so much of the score, and no more."
)
MUCH = (
    "What reached the pixels adds up to {:.0%} of the score: the network's constants and the rules themselves {}, "
    "so that the sum says little of the score."
)
NUDGE = 1e-6  # an input of exactly 0 would take no relevance, whatever the rule
Composite = Literal["epsilon", "gamma", "epsilon-gamma", "epsilon-plus", "epsilon-plus-flat", "epsilon-gamma-box"]
Attention = Literal["attn-lrp", "cp-lrp", "libra-grad"]

Rules = Callable[[Query], RuleSet]
ATTENTION: dict[str, Rules] = {
    "attn-lrp": lambda _: composite("AttnLRP", gamma(0.25), gamma(0.05)),
    "cp-lrp": lambda _: constant_attention("CP-LRP", gamma(0.25), gamma(0.05)),
    "libra-grad": lambda _: constant_attention("LibraGrad", epsilon(0.0), epsilon(0.0)),
}


def rescale(network: Differentiable, x: Tensor, others: Tensor, targets: Sequence[Target]) -> list[Tensor]:
    """Mean over references r of (x − r) ⊙ m, shaped as the point x, per target: sums to f(x) − mean f(r).

    Source: Shrikumar 2017, rescale rule; Lundberg 2017, section 4.2, for the mean over references.
    """
    totals = [torch.zeros_like(x) for _ in targets]
    for chosen in others.split(BATCH):
        found = multipliers(network, x.expand(len(chosen), *x.shape), chosen, targets)
        totals = [total + ((x - chosen) * each).sum(0) for total, each in zip(totals, found, strict=True)]
    return [total / len(others) for total in totals]


def multipliers(network: Differentiable, x: Tensor, others: Tensor, targets: Sequence[Target]) -> list[Tensor]:
    """DeepLIFT's m for each point x `(m, …)` against the reference of the same place, per target."""
    references = References.of(lambda rules: network.watch(others, targets, rules))
    _, found = network.gradients(x, targets, references.comparing)
    if not references.complete:
        raise other_way("which only the reference meets")
    return found


class DeepLift(SummedOverRegions):
    """The rescale rule against `background`, a fill's name or a fill; of several references the mean."""

    name = "deep-lift"
    title = "DeepLIFT"
    status = "verified"
    family = "shap"
    paper = "Shrikumar et al. 2017"
    arxiv = "1704.02685"
    signed = True
    question = "How did each pixel change the score, from a reference picture to this one, in one pass?"
    reading = (
        "Orange parts raised the score compared with the reference (black by default), blue ones lowered it; all "
        "together they add up to the whole difference, or a note says how far they miss it."
    )
    cost = "one forward and one backward of two pictures"
    others = "sum"

    background: str | Fill = "black"

    @override
    def attribute(self, query: Query) -> list[Found]:
        found, changes = self._shared_out(query)
        off = max(completeness_gap(each, change) for each, change in zip(found[: query.own], changes, strict=False))
        if off > TOLERANCE and (finer := query.in_float64()):
            query = finer
            found, changes = self._shared_out(query)
        return [
            Found(
                query.summed(each[None])[0].to(query.pixels.dtype),
                regions=summed(query, query.summed(each[None])),
                checks={"completeness_gap": completeness_gap(each, change)},
                notes=gap_notes(each, change, ROUNDED),
            )
            for each, change in zip(found, changes, strict=True)
        ]

    def _shared_out(self, query: Query) -> tuple[list[Tensor], list[Tensor]]:
        """What each target's score changed by, pixel by pixel and in all."""
        others = query.references(self.background)
        return rescale(query.network, query.point[0], others, query.targets), query.changes(others)


class DeepShap(DeepLift):
    """DeepLIFT averaged over the pictures of `background`."""

    name = "deep-shap"
    title = "DeepSHAP"
    status = "verified"
    paper = "Lundberg & Lee 2017"
    arxiv = "1705.07874"
    question = "How did each pixel change the score, compared with other pictures, in one pass each?"
    reading = (
        "Orange parts raised the score compared with the background pictures, blue ones lowered it; all together "
        "they add up to the difference from the backgrounds' mean score, or a note says how far they miss it."
    )
    cost = "one forward and one backward of two pictures per background picture"

    background: str | Fill = "samples"


def relevance(query: Query, rules: RuleSet) -> list[Found]:
    """Input times gradient under `rules`, summed over colours; the share of the score that arrived is a check.

    What is missing of it went to the network's constants, its biases: they are no part of the picture.
    """
    x = torch.where(query.point == 0, NUDGE, query.point)
    if isinstance(query.network, FromLayer):
        rules = replace(rules, first=None)  # the first layer is behind us
    logits, found = query.network.gradients(x, query.targets, rules)
    maps = [query.summed(x * each)[0] for each in found]
    scores = [float(target.score(logits[0])) for target in query.targets]
    return [_carried(query, each, score) for each, score in zip(maps, scores, strict=True)]


def _carried(query: Query, values: Tensor, score: float) -> Found:
    regions = summed(query, values[None])
    if not score:
        return Found(values, regions=regions)
    kept = float(values.sum()) / score
    return Found(values, regions=regions, checks={"relevance_kept": kept}, notes=kept_notes(kept))


def kept_notes(kept: float) -> tuple[str, ...]:
    """What has to be known of a map that got this share of the score: far less, far more, or the opposite.

    >>> kept_notes(0.9), kept_notes(-0.5)[0][:59]
    ((), 'What reached the pixels adds up to -50% of the score: the n')
    """
    if round(kept, 2) < 0:
        return (MUCH.format(kept, "turned its sign"),)
    if kept > HIGH:
        return (MUCH.format(kept, "added the rest"),)
    return (LITTLE.format(kept),) * (kept < LOW)


def _boxed(query: Query) -> RuleSet:
    ends = torch.stack([torch.zeros_like(query.pixels[:, :1, :1]), torch.ones_like(query.pixels[:, :1, :1])])
    low, high = query.network.classifier.preprocessing.normalize(ends).to(query.point)[:, None]
    return composite("LRP ε-γ box", gamma(0.25), epsilon(1e-6), box(low, high))


COMPOSITES: dict[str, Rules] = {
    "epsilon": lambda _: composite("LRP-ε", epsilon(STABLE), epsilon(STABLE)),
    "gamma": lambda _: composite("LRP-γ", gamma(0.25), gamma(0.25)),
    "epsilon-gamma": lambda _: composite("LRP ε-γ", gamma(0.25), epsilon(1e-6)),
    "epsilon-plus": lambda _: composite("LRP ε-z⁺", z_plus, epsilon(1e-6)),
    "epsilon-plus-flat": lambda _: composite("LRP ε-z⁺ flat", z_plus, epsilon(1e-6), flat),
    "epsilon-gamma-box": _boxed,
}


class RelevanceMethod(PixelMethod):
    """LRP by one of several sets of rules, on the network with its BatchNorm folded."""

    family = "relevance"
    claimed = "lrp"
    signed = True
    question = "Which pixels carried the score of this class through the network?"
    reading = (
        "Orange parts carried the score of the class, blue ones counted against it. The relevance was handed back "
        "from the score, layer by layer, so the picture shows what was used, not what would happen if it were changed."
    )
    choices: ClassVar[Mapping[str, Rules]]

    rules: str

    @override
    def attribute(self, query: Query) -> list[Found]:
        return relevance(query, self.chosen(query))

    def chosen(self, query: Query) -> RuleSet:
        """The rules, for this query.

        Raises:
            UsageError: there are none of that name.
        """
        if self.rules not in self.choices:
            raise UsageError(f"there are no rules '{self.rules}'; there are {', '.join(self.choices)}")
        return self.choices[self.rules](query)


class LRP(RelevanceMethod, SummedOverRegions):
    """One rule for convolutions, one for dense layers, on the network with its BatchNorm folded.

    `-flat` and `-box` have one of their own for the first layer, whose inputs have no zero that means "nothing".
    """

    name = "lrp"
    others = "sum"
    title = "Layer-wise relevance propagation"
    status = "verified"
    first = True
    paper = "Bach et al. 2015; composite of Kohlbrenner et al. 2020"
    arxiv = "1910.09840"
    choices = COMPOSITES

    rules: Composite = "epsilon-plus-flat"


class AttnLRP(RelevanceMethod, SummedOverRegions):
    """LRP for attention: `attn-lrp`, `cp-lrp` (attention weights as constants) or `libra-grad`."""

    name = "attn-lrp"
    others = "sum"
    title = "AttnLRP"
    status = "verified"
    first = True
    paper = "Achtibat et al. 2024"
    arxiv = "2402.05602"
    question = "Which pixels carried the score of this class through a transformer?"
    choices = ATTENTION

    rules: Attention = "attn-lrp"


def left_without(without: Sequence[str]) -> frozenset[str]:
    """The names of all methods that go with these names of methods or of claimed techniques, such as `lrp`.

    Raises:
        UnknownName: there is no such method or technique.
    """
    known = Method.registry.all()
    if unknown := [name for name in without if not any(name in {each.name, each.claimed} for each in known)]:
        method_info(unknown[0])  # which says what is near
    return frozenset(each.name for each in known if {each.name, each.claimed} & {*without} - {""})

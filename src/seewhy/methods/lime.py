"""LIME: which regions a simple linear model of the network, near this picture, finds important."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import MaskedForward
from seewhy.errors import UsageError
from seewhy.methods.ranking import STRONGEST
from seewhy.methods.region_method import Finding, RegionMethod
from seewhy.methods.registry import register
from seewhy.methods.surrogate import Surrogate, deal, fit, hands_of
from seewhy.models import Target

BATCH = 128  # coalitions between two looks at the order
CERTAIN = 3.2  # standard errors: 95 % over five pairs of neighbours and eight looks
EQUAL = 0.05  # of the strongest weight: an order within it is not worth asking for
ROUNDING = 1e-5  # of the largest logit: what float32 arithmetic may change without a reason


@register(
    "lime",
    title="LIME",
    family="regions",
    paper="Ribeiro et al. 2016",
    arxiv="1602.04938",
    needs=("scores",),
    signed=True,
    question="Which regions does this decision hang on, if only a few are hidden at a time?",
    reading="Orange regions speak for the class: with one of them hidden the network finds it less likely. Blue "
    "regions speak against it. Regions that share a rank could not be told apart. It is a simple model of the network "
    "for pictures that lack a few regions; R² says how much of the network's answers it repeats.",
    cost="a few hundred to 1,000 forwards",
)
@dataclass(frozen=True, kw_only=True)
class Lime(RegionMethod):
    """A linear model of the log-probability (for "A rather than B" their difference) in which regions are hidden.

    Each variation keeps a share of about `keep` of the regions; asking stops once the order of the strongest is
    settled, or at `samples` variations. Source: Ribeiro 2016, eq. 1, sampling from the neighbourhood itself instead
    of weighting by a kernel (GLIME, Tan 2023), in balanced rounds; the model is exact on the picture itself.

    Raises:
        UsageError: `keep` is out of range, or `samples` are fewer than twice the regions.
    """

    keep: float = 0.9
    samples: int = 1000

    @override
    def find(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Finding]:
        """Every target starts from the same random state, so that it finds its coalitions answered already."""
        engine.expected = engine.forwards + self.samples
        state = generator.get_state()
        return [self._find(engine, target, generator.set_state(state)) for target in targets]

    def _find(self, engine: MaskedForward, target: Target, generator: torch.Generator) -> Finding:
        def score(coalitions: Tensor) -> Tensor:
            return target.score(answers(engine, coalitions, generator).log_softmax(1))

        found = local_surrogate(score, engine.regions, keep=self.keep, samples=self.samples, generator=generator)
        kept = 1 - 1 / hands_of(engine.regions, self.keep)
        return Finding(found.weights.numpy(), found.errors.numpy(), checks={"r2": found.r2, "keep": kept})


def local_surrogate(
    score: Callable[[Tensor], Tensor], regions: int, *, keep: float, samples: int, generator: torch.Generator
) -> Surrogate:
    """How much each of `regions` adds to the score, from at most `samples` of bool coalitions.

    `score` gives float64 `(n,)` for coalitions `(n, regions)`, true where kept. What is fitted is how far it falls, by
    a model through the origin: nothing hidden, nothing lost.

    Raises:
        UsageError: `keep` is out of range, or `samples` are fewer than twice the regions.
    """
    hands = hands_of(regions, keep)
    rounds = (samples - 1) // hands  # one is the picture itself
    if rounds * hands < 2 * regions:
        raise UsageError(
            f"samples={samples} is too few for {regions} regions; give at least {2 * regions + hands}, "
            "or choose fewer regions"
        )
    dealt = deal(regions, hands, rounds, generator)
    step = max(-(-BATCH // hands) * hands, 2 * regions)
    whole = score(torch.ones_like(dealt[:1]))
    falls = whole[:0]
    while True:
        falls = torch.cat([falls, whole - score(dealt[len(falls) : len(falls) + step])])
        found = fit((~dealt[: len(falls)]).double(), falls, intercept=False)
        if len(falls) == len(dealt) or settled(found):
            return found


def settled(found: Surrogate) -> bool:
    """Whether the order of the five strongest weights, and which come after them, would stay with more samples.

    Each is `CERTAIN` standard errors stronger than the next, or known to be equal within `EQUAL` of the strongest.
    """
    strengths, order = found.weights.abs().sort(descending=True)
    strengths, errors = strengths[: STRONGEST + 1], found.errors[order][: STRONGEST + 1]
    margins = CERTAIN * torch.hypot(errors[1:], errors[:-1])
    apart = -strengths.diff() > margins
    return bool((apart | (margins <= EQUAL * strengths[0])).all())


def answers(engine: MaskedForward, coalitions: Tensor, generator: torch.Generator) -> Tensor:
    """Float64 logits `(n, K)`; exactly those of the picture where hiding changes no more than rounding does.

    Of a fill with alternatives each coalition gets one at random.
    """
    whole = engine(torch.ones_like(coalitions[:1])).double()
    shown = engine(coalitions, torch.randint(engine.alternatives, (len(coalitions),), generator=generator)).double()
    unmoved = (shown - whole).abs().max() <= ROUNDING * whole.abs().max()
    return whole.expand_as(shown) if unmoved else shown

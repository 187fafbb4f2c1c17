"""LIME: which regions a simple linear model of the network, near this picture, finds important."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.explainers.masking import MaskedForward
from seewhy.explainers.ranking import STRONGEST
from seewhy.explainers.region_method import Finding, RegionMethod
from seewhy.explainers.registry import register
from seewhy.explainers.surrogate import Surrogate, deal, fit, hands_of
from seewhy.models import Target

__all__ = ["Lime", "fall_of", "local_surrogate", "settled"]

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
    reading="Red regions speak for the class: hiding one lowers its log-probability by the region's weight, on "
    "average over which others are hidden. Blue regions speak against it. Regions that share a rank could not be told "
    "apart. It is a simple model of the network near this picture; R² says how much of the answers it repeats.",
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
        fall = fall_of(engine, target, generator)
        found = local_surrogate(fall, engine.regions, keep=self.keep, samples=self.samples, generator=generator)
        kept = 1 - 1 / hands_of(engine.regions, self.keep)
        return Finding(found.weights.numpy(), found.errors.numpy(), checks={"r2": found.r2, "keep": kept})


def local_surrogate(
    fall: Callable[[Tensor], Tensor], regions: int, *, keep: float, samples: int, generator: torch.Generator
) -> Surrogate:
    """How much each of `regions` adds to the score, from at most `samples` answers.

    `fall` says how far the score falls, float64 `(n,)`, for bool coalitions `(n, regions)`, true where kept. The
    model passes through zero: nothing hidden, nothing lost.

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
    falls = torch.zeros(0, dtype=torch.float64)
    while True:
        falls = torch.cat([falls, fall(dealt[len(falls) : len(falls) + step])])
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


def fall_of(engine: MaskedForward, target: Target, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """How far the log-probability of `target` falls, float64 `(n,)`, when a coalition's regions alone are shown.

    Exactly zero where hiding changes no more than rounding does. Fills with alternatives draw one each time.
    """
    whole = engine(torch.ones((1, engine.regions), dtype=torch.bool)).double()

    def fall(coalitions: Tensor) -> Tensor:
        which = torch.randint(engine.alternatives, (len(coalitions),), generator=generator)
        shown = engine(coalitions, which).double()
        if (shown - whole).abs().max() <= ROUNDING * whole.abs().max():
            return torch.zeros(len(shown), dtype=torch.float64)
        return target.score(whole.log_softmax(1)) - target.score(shown.log_softmax(1))

    return fall

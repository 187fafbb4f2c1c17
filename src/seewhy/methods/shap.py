"""SHAP over regions: how much each part of the picture adds to the score of a class.

The value of a coalition of regions is the network's score when all other regions are hidden. Shapley values are the
only division that sums to the whole, treats equal regions alike and gives nothing to a region that adds nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.draw import Unit
from seewhy.engines import Fill, MaskedForward, RegionMean, find_fill, segmenter
from seewhy.errors import UsageError
from seewhy.methods.gradients import completeness_gap, gap_notes
from seewhy.methods.owen import FEWEST as HALVED
from seewhy.methods.owen import Block, agglomerate, owen_values
from seewhy.methods.regions import AUTO, FEWEST, RegionMethod, cut
from seewhy.methods.shapley_values import LEAST, Shares, ValueFunction, kernel_shapley, permutation_shapley
from seewhy.methods.surrogate import region_found, score_unit
from seewhy.methods.task import Found
from seewhy.models import Head, Target

Of = Literal["logit", "probability"]

PIXELS = "pixels"
ROUNDING = 1e-6  # of a score: changes below it are arithmetic
FAST = "Shares add up exactly, so the fast copy of the network that was asked rounds too much for so small a change."
COMPANY = "all that may be shown beside it"
READING = (
    "Orange areas raised the score of the class, blue ones lowered it; together they add up to the difference between "
    "the score of the picture and its score when everything is hidden. "
)
HIDDEN = "What hidden areas are replaced with is part of the question: another fill can give another answer. "


class ShapleyMethod(RegionMethod):
    """A share of the score per region, from at most `samples` variations of the picture.

    `of` is the score shared out: the class's logit or its probability; for "A rather than B" the difference of two.
    Of a fill with alternatives a coalition's value is the mean over all of them, each of which is a variation.
    """

    question = "How much does each part of the picture add to the score, whatever other parts are there?"
    reading = READING + HIDDEN

    samples: int = 2000
    of: Of = "logit"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of not in get_args(Of):
            raise UsageError(f"of is one of {', '.join(get_args(Of))}, not {self.of!r}")
        if self.samples < self.least:
            raise UsageError(f"samples={self.samples} is too few for any picture; give at least {self.least}")

    @property
    def least(self) -> int:
        """Samples that are too few for any picture are fewer."""
        if not isinstance(self.regions, str):
            return LEAST
        return LEAST * (FEWEST if segmenter(self.regions)[1] is None else 2) if self.regions != AUTO else LEAST * FEWEST

    @abstractmethod
    def shares(self, value_of: ValueFunction, labels: np.ndarray, generator: torch.Generator) -> Shares:
        """What each region of the label map `(h, w)` adds."""

    @override
    def of_answers(self, engine: MaskedForward) -> ShapleyMethod:
        return replace(self, samples=max(min(self.samples, engine.asked), LEAST * engine.regions, self.least))

    @override
    def weigh(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        """Every target starts from the same random state, so that it finds its coalitions answered already."""
        state = generator.get_state()
        return [self._find(engine, target, generator.set_state(state)) for target in targets]

    def _find(self, engine: MaskedForward, target: Target, generator: torch.Generator) -> Found:
        head = engine.classifier.head

        def score(logits: Tensor) -> Tensor:
            """Float64 `(...)` for logits `(..., K)`."""
            return head.share(logits, target) if self.of == "probability" else target.score(logits.double())

        def value_of(coalitions: Tensor) -> Tensor:
            filled = [torch.full((len(coalitions),), which) for which in range(engine.alternatives)]
            return torch.stack([score(engine(coalitions, which)) for which in filled]).mean(0)

        engine.expected = engine.forwards + min(self.samples, engine.alternatives * 2**engine.regions)
        method = replace(self, samples=self.samples // engine.alternatives)
        shares = method.shares(value_of, engine.label_map, generator)
        # Of the network's own answer, so that the gap also shows what its fast copy rounded away.
        whole = score(engine.logits)
        change, least = whole - shares.empty, ROUNDING * float(whole.abs())
        checks = {"completeness_gap": completeness_gap(shares.values, change, least)}
        if shares.r2 is not None:
            checks["r2"] = shares.r2
        errors = None if shares.errors is None else shares.errors.numpy()
        unit = unit_of(head, target, self.of)
        found = region_found(
            engine, shares.values.numpy(), errors, checks=checks, unit=unit, company=COMPANY, pairs=shares.pairs
        )
        return replace(found, notes=gap_notes(shares.values, change, FAST, least=least))


def unit_of(head: Head, target: Target, of: Of) -> Unit:
    """What a change of the target's logit, or probability, is to people."""
    unit = score_unit(head, target)
    if unit == "value" or of == "probability":
        return "value" if unit == "value" else "probability"
    # The score is the log-odds of a label, of one of two classes, and of one class rather than another.
    odds = {"labels": True, "binary": target.against is None, "classes": target.against is not None}
    return "log-odds" if odds[head.meaning] and not target.also else unit


class PermutationSHAP(ShapleyMethod):
    """Shapley values from random orders of the regions, each also in reverse.

    Stops when no standard error exceeds `tolerance` of the largest share.
    """

    name = "permutation-shap"
    others = "each"
    title = "Permutation SHAP"
    status = "verified"
    paper = "Castro et al. 2009; Mitchell et al. 2022"
    arxiv = "2104.12199"
    cost = "up to 2,000 forwards; stops once the shares have settled"

    tolerance: float = 0.1

    @override
    def shares(self, value_of: ValueFunction, labels: np.ndarray, generator: torch.Generator) -> Shares:
        return permutation_shapley(value_of, int(labels.max()) + 1, self.samples, generator, self.tolerance)


class KernelSHAP(ShapleyMethod):
    """Shapley values by weighted least squares, and of what that leaves by a Gaussian process.

    How smooth the process is, each question's own answers tell. So the shares of "A rather than B" are those of A less
    those of B within their errors, and exactly so only where every coalition was asked.

    Stops when no standard error exceeds `tolerance` of the largest share.
    """

    name = "kernel-shap"
    others = "each"
    title = "Kernel SHAP"
    status = "verified"
    paper = "Lundberg & Lee 2017; Musco & Witter 2024"
    arxiv = "1705.07874"
    cost = "up to 2,000 forwards; stops once the shares have settled"

    tolerance: float = 0.05

    @override
    def shares(self, value_of: ValueFunction, labels: np.ndarray, generator: torch.Generator) -> Shares:
        return kernel_shapley(value_of, int(labels.max()) + 1, self.samples, generator, self.tolerance)


class PartitionSHAP(ShapleyMethod):
    """Owen values of the picture halved down to pixels, or of `regions` joined by where they lie."""

    name = "partition-shap"
    title = "Partition SHAP"
    status = "verified"
    first = True
    paper = "Owen 1977; Lundberg & Lee 2017"
    arxiv = "1705.07874"
    question = "How much does each block of the picture add to the score?"
    reading = (
        READING + "Blocks are halved again and again where they matter most, so detail is fine there and coarse "
        "elsewhere; how the picture is halved shapes the answer. " + HIDDEN
    )
    cost = "500 forwards"
    stochastic = False

    regions: str | np.ndarray = PIXELS
    fill: str | Fill = "blur"
    samples: int = 500

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self._by_pixels and isinstance(find_fill(self.fill), RegionMean):
            raise UsageError("the mean of a pixel is the pixel: partition-shap over pixels needs another fill, as blur")

    @property
    @override
    def own_regions(self) -> tuple[str, ...]:
        return (*super().own_regions, PIXELS)

    @property
    @override
    def least(self) -> int:
        return HALVED

    @property
    def _by_pixels(self) -> bool:
        return isinstance(self.regions, str) and self.regions == PIXELS

    @override
    def labels(self, pixels: np.ndarray) -> np.ndarray:
        if not self._by_pixels:
            return cut(pixels, self.regions)
        height, width = pixels.shape[:2]
        return np.arange(height * width).reshape(height, width)

    @override
    def shares(self, value_of: ValueFunction, labels: np.ndarray, generator: torch.Generator) -> Shares:
        root = Block(torch.from_numpy(labels).long()) if self._by_pixels else agglomerate(labels)
        return owen_values(value_of, root, self.samples)

"""LIME: which regions a simple linear model of the network, near this picture, finds important."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Cuts, MaskedForward, MeansOfCuts, fill_of_cuts, find_fill, in_groups
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.evidence import STRONGEST, RegionWeights
from seewhy.methods.regions import AUTO, FEWEST, OverRegions, RegionMethod, seen_pixels
from seewhy.methods.surrogate import Posterior, contrasts, fit, infer, region_found
from seewhy.methods.task import Found, Task
from seewhy.models import Target, Value

KEEPS = (9 / 10, 4 / 5, 2 / 3, 1 / 2, 1 / 3)  # shares among which `auto` chooses
MOVES = 1 / 4  # of the way from the whole picture to nothing: so far the answer has to go
TRIALS = 16  # variations at each share that is tried
STEP = 64  # variations between two looks at how settled the weights are
PRECISE, EXACT = 1 / 10, 1 / 40  # of the largest weight: its standard error then, or that of all
SMALL = 1 / 20  # of what hiding everything changes: where the largest weight is smaller, no part decides
FAINT = float(np.log(1.1))  # nor where it changes the odds by less than a tenth
HUNDREDTH = 1 / 100  # of the picture: the map tells the weight of so much
ROUNDING = 1e-5  # of the largest logit: what float32 arithmetic may change without a reason

ALPHA = 1.0

Score = Callable[[Tensor, Tensor], Tensor]  # of bool coalitions (n, pieces) and their alternatives (n,), float64 (n,)


class Lime(OverRegions):
    """A linear model of the log-odds (of "A rather than B" their difference) in which regions are hidden.

    Each variation keeps a share of about `keep` of the regions; `auto` is the largest at which the answer has gone a
    quarter of the way from the whole picture to nothing. Asking stops once the weights are settled, so that those of
    another seed are to have a rank correlation of `steady`, or at `samples` variations. Unless the `regions` are masks
    of one's own, each round of variations cuts the picture anew, into as many regions as are shown, so that the errors
    are those of sampling and of the cut. Source: Ribeiro 2016, sampling from the neighbourhood itself instead of
    weighting by a kernel (GLIME, Tan 2023); the model is Bayesian (BayLIME, Zhao 2021), and takes parts that are often
    cut together to matter alike.

    Raises:
        UsageError: `keep` is out of range, or `samples` are fewer than twice the regions.
    """

    name = "lime"
    title = "LIME"
    status = "verified"
    first = True
    paper = "Ribeiro et al. 2016"
    arxiv = "1602.04938"
    question = "Which regions does this decision hang on, when other parts are hidden too?"
    reading = (
        "Orange regions speak for the class, blue ones against it. Beside each bar stands what hiding the region does, "
        "on average over pictures of which other parts are hidden too. Regions that share a rank could not be told "
        "apart. It is a simple model of the network; R² says how well it foretells the network's answers."
    )
    cost = "a few hundred to 1,000 forwards"
    others = "each"

    regions: str | np.ndarray | Image = "slic:24"
    keep: float | Literal["auto"] = AUTO
    samples: int = 1000
    steady: float = 0.95

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.steady <= 1:
            raise UsageError(f"steady is a rank correlation, above 0 and at most 1, not {self.steady}")
        if self.keep != AUTO:
            if isinstance(self.keep, str):
                raise UsageError(f"keep is a share between 0 and 1, or auto, not '{self.keep}'")
            in_how_many(self.keep, FEWEST)
        if self.samples < 2 * FEWEST:
            raise UsageError(f"samples={self.samples} is too few for any picture; give at least {2 * FEWEST}")

    @override
    def find(self, task: Task) -> list[Found]:
        shown = self.region_map(task)
        own = not isinstance(self.regions, str)
        cuts = Cuts.of(shown) if own else Cuts.around(shown, seen_pixels(task.picture))
        if self.samples < 2 * cuts.count:
            raise UsageError(
                f"samples={self.samples} is too few for {cuts.count} regions; give at least {2 * cuts.count}, "
                "or choose fewer regions"
            )
        # What is asked hangs on the picture alone: every seed asks the same question.
        trial = cuts.draw(TRIALS, torch.Generator().manual_seed(0))
        drawn = cuts.draw(self.samples // 2, task.generator)
        fill = find_fill(self.fill)
        fill = fill if cuts.alone else fill_of_cuts(fill, torch.cat([cuts.own, trial, drawn]))
        engine = self.engine(task, cuts.pieces, fill)
        engine.expected = engine.forwards + self.samples
        keep = moving_share(engine, trial) if isinstance(self.keep, str) else self.keep
        groups, alone = in_how_many(keep, cuts.count)
        drawn = drawn[: self.samples // groups]
        coalitions = in_groups(drawn, groups, task.generator) ^ alone
        which = 1 + TRIALS + torch.arange(len(drawn)).repeat_interleave(groups)
        if not isinstance(fill, MeansOfCuts):
            which = torch.randint(engine.alternatives, which.shape, generator=task.generator)
        asked = Variations(coalitions, which, groups)
        kept = 1 / groups if alone else 1 - 1 / groups
        own = [self._about(engine, cuts, asked, target, kept) for target in task.own[0]]
        # Other classes are told from what was asked anyway.
        known = asked.first(max(rounds for _, rounds in own))
        others = [infer(*evidence(log_odds(engine, target), known), cuts.prior()) for target in task.asked[len(own) :]]
        return [*(found for found, _ in own), *(Found(painted(each, cuts)) for each in others)]

    def _about(
        self, engine: MaskedForward, cuts: Cuts, asked: Variations, target: Target, kept: float
    ) -> tuple[Found, int]:
        head, score = engine.classifier.head, log_odds(engine, target)
        found, rounds = settle(score, asked, cuts, self.steady)
        nothing = torch.zeros(TRIALS, len(cuts.areas), dtype=torch.bool)
        change = float((head.log_odds(engine.logits, target) - score(nothing, alternatives(engine, TRIALS))).mean())
        regions = found.sums(cuts.members)
        odds = head.meaning != "values" and not isinstance(target, Value)
        single, largest = alone(engine, cuts, target, regions.weights)
        least = max(SMALL * abs(change), FAINT if odds else 0.0)
        if largest >= least > float(regions.weights.abs().max()):
            least = 0.0  # small as it is in company, a part that decides alone does decide
        told = RegionWeights(
            cuts.shown,
            regions.weights.numpy(),
            regions.errors.numpy(),
            unit="log-odds" if odds else "value",
            least=least,
            company=f"variations that keep {kept:.0%} of the regions",
            alone=single,
        )
        checks = {"r2": found.r2, "keep": kept, "change": change}
        if not cuts.alone:
            checks["cuts"] = float(rounds)
        return Found(painted(found, cuts), regions=told, checks=checks), rounds


def log_odds(engine: MaskedForward, target: Target) -> Score:
    """What is explained: those of the target under coalitions."""
    return lambda coalitions, which: engine.classifier.head.log_odds(answers(engine, coalitions, which), target)


def painted(found: Posterior, cuts: Cuts) -> Tensor:
    """Float64 `(h, w)`: the weight of a hundredth of the picture at each pixel."""
    return (HUNDREDTH * found.weights / cuts.areas)[torch.from_numpy(cuts.pieces).long()]


@dataclass(frozen=True, eq=False)
class Variations:
    """What there is to ask: bool `coalitions` `(n, pieces)`, true where kept, and `which` alternative each gets `(n,)`.

    They come in rounds of `groups`, in which every region of the round's cut is hidden, or shown, once.
    """

    coalitions: Tensor
    which: Tensor
    groups: int

    def __len__(self) -> int:
        return len(self.which) // self.groups

    def first(self, rounds: int) -> Variations:
        """So many rounds, from the first on."""
        return self.rounds(0, rounds)

    def rounds(self, start: int, end: int) -> Variations:
        """Some of the rounds."""
        part = slice(start * self.groups, end * self.groups)
        return Variations(self.coalitions[part], self.which[part], self.groups)


def in_how_many(keep: float, regions: int) -> tuple[int, bool]:
    """Into how many groups to put the regions so that a share of `keep` stays, and whether one alone is shown.

    Else one alone is hidden. A group has two regions or more where there are enough, so that regions are hidden
    together too.

    Raises:
        UsageError: `keep` is not between 0 and 1.
    """
    if not 0 < keep < 1:
        raise UsageError(f"keep is the share of regions that stay visible, between 0 and 1, or auto, not {keep}")
    alone = keep < 1 / 2
    return max(2, min(round(1 / (keep if alone else 1 - keep)), regions // 2)), alone


def moving_share(engine: MaskedForward, cuts: Tensor) -> float:
    """The largest share of `KEEPS` at which the answer has gone a quarter of the way from the whole picture to nothing.

    With more kept it hardly moves, with less it has little in common with the picture. The answer is the log-odds of
    the likeliest class; each of the `cuts` `(n, pieces)` gives one variation at every share, and what is kept at one
    is kept at larger ones too.
    """
    head = engine.classifier.head
    target = Target(int(head.likeliest(engine.logits)))
    ranks = torch.rand((len(cuts), int(cuts.max()) + 1), generator=torch.Generator().manual_seed(0)).gather(1, cuts)
    which = alternatives(engine, len(cuts))

    def change(keep: float) -> float:
        shown = head.log_odds(answers(engine, ranks < keep, which), target)
        return float((shown - head.log_odds(engine.logits, target)).mean())

    most = abs(change(0.0))

    low, high = 0, len(KEEPS) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if abs(change(KEEPS[middle])) >= MOVES * most else (middle + 1, high)
    return KEEPS[low]


def alternatives(engine: MaskedForward, count: int) -> Tensor:
    """So many alternatives of the engine's fill, one after the other, int64 `(count,)`."""
    return torch.arange(1, 1 + count) % engine.alternatives


def alone(engine: MaskedForward, cuts: Cuts, target: Target, weights: Tensor) -> tuple[tuple[float | None, ...], float]:
    """What people are told of the target with nothing hidden but one of the strongest regions; None for the others.

    And by how much that changes the log-odds at most.
    """
    strongest = weights.abs().topk(min(STRONGEST, len(weights))).indices.tolist()
    kept = cuts.members[strongest] == 0
    logits = answers(engine, kept, torch.zeros(len(kept), dtype=torch.int64))
    head = engine.classifier.head
    known = dict(zip(strongest, head.probability(logits, target).tolist(), strict=True))
    moved = head.log_odds(logits, target) - head.log_odds(engine.logits, target)
    return tuple(known.get(region) for region in range(len(weights))), float(moved.abs().max())


def settle(score: Score, asked: Variations, cuts: Cuts, steady: float) -> tuple[Posterior, int]:
    """How much hiding each piece takes from the score, and of how many rounds of variations that is known."""
    prior = cuts.prior()
    step = -(-max(STEP, cuts.count) // asked.groups)
    x, y = torch.zeros(0, len(prior), dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    done = 0
    while True:
        hidden, taken = evidence(score, asked.rounds(done, done + step))
        x, y = torch.cat([x, hidden]), torch.cat([y, taken])
        done, step = min(done + step, len(asked)), max(step, done // 4)
        found = infer(x, y, prior)
        if done == len(asked) or settled(found.sums(cuts.members), steady):
            return found, done


def evidence(score: Score, asked: Variations) -> tuple[Tensor, Tensor]:
    """What was hidden, float64 `(n, pieces)`, and what that took from the score `(n,)`.

    What the variations of a round have in common says nothing of any region: their contrasts count.
    """
    within = contrasts(asked.groups)
    hidden = (~asked.coalitions).double().unflatten(0, (-1, asked.groups))
    falls = -score(asked.coalitions, asked.which).unflatten(0, (-1, asked.groups))
    falls = falls - falls[:, :1]  # so that contrasts of equal numbers are exactly zero
    return (within @ hidden).flatten(0, 1), (falls @ within.T).flatten()


def settled(found: Posterior, steady: float) -> bool:
    """Whether the order of the weights would stay with another seed, and the size of the largest is known.

    `steady` is the rank correlation with those of another seed that is to be expected; 1 is never reached. Weights that
    are equal have no order: it will do to know all of them well.
    """
    if steady == 1:
        return False
    largest, which = found.weights.abs().max(0)
    if found.errors.max() <= EXACT * largest:
        return True
    return bool(found.errors[which] <= PRECISE * largest) and found.steadiness() >= steady


def answers(engine: MaskedForward, coalitions: Tensor, which: Tensor) -> Tensor:
    """Float64 logits `(n, K)`; exactly those of the picture where hiding changes no more than rounding does."""
    whole = engine(torch.ones_like(coalitions[:1])).double()
    shown = engine(coalitions, which).double()
    unmoved = (shown - whole).abs().max() <= ROUNDING * whole.abs().max()
    return whole.expand_as(shown) if unmoved else shown


class LimeClassic(RegionMethod):
    """The lime package's numbers: a ridge model of the probability, weighted by the closeness to the picture.

    Source: marcotcr/lime, `lime_image.py` and `lime_base.py`. We cut what the network saw, not the whole picture;
    every draw comes from the seed; and we add standard errors.

    Raises:
        UsageError: fewer than two `samples`, or a `kernel_width` that is not above 0.
    """

    name = "lime-classic"
    title = "LIME, as published"
    status = "verified"
    paper = "Ribeiro et al. 2016"
    arxiv = "1602.04938"
    question = "Which regions raise the probability of this class, in pictures of which half is hidden?"
    reading = (
        "Orange regions raise the probability of the class, blue ones lower it, in a simple model of pictures that "
        "lack half of their regions. Another seed often gives another order: “LIME” is the steadier form."
    )
    cost = "1,000 forwards"
    others = "each"

    samples: int = 1000
    kernel_width: float = 0.25

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 2 or self.kernel_width <= 0:
            raise UsageError("lime-classic wants samples of at least 2 and a kernel_width above 0")

    @override
    def weigh(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        engine.expected = engine.forwards + self.samples
        coalitions = classic_coalitions(self.samples, engine.regions, generator)
        logits = answers(engine, coalitions, torch.randint(engine.alternatives, (self.samples,), generator=generator))
        importance = proximity(coalitions, self.kernel_width)
        scores = [engine.classifier.head.share(logits, target) for target in targets]
        fits = [fit(coalitions.double(), each, importance, alpha=ALPHA) for each in scores]
        return [
            region_found(
                engine,
                found.weights.numpy(),
                found.errors.numpy(),
                checks={"r2": found.r2, "local_prediction": found.intercept + float(found.weights.sum())},
            )
            for found in fits
        ]


def classic_coalitions(samples: int, regions: int, generator: torch.Generator) -> Tensor:
    """Bool `(samples, regions)`: each region kept or not by the toss of a coin; the first row keeps all."""
    coalitions = torch.rand((samples, regions), generator=generator) < 0.5
    coalitions[0] = True
    return coalitions


def proximity(coalitions: Tensor, width: float) -> Tensor:
    """√exp(−D² / width²), float64 `(n,)`, where D is the cosine distance to the whole picture."""
    distance = 1 - coalitions.double().mean(1).sqrt()
    return (-distance.square() / width**2).exp().sqrt()

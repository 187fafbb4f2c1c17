"""Anchors: regions that are enough for the model's answer, however the others are hidden."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor

import numpy as np
import torch
from typing_extensions import override

from seewhy.engines import MaskedForward, segment
from seewhy.errors import UsageError
from seewhy.methods.anchor_search import Anchor, BanditGrower, Grower, LinearGrower, Search, Variations
from seewhy.methods.evidence import Rule
from seewhy.methods.regions import RegionMethod, cut
from seewhy.methods.surrogate import region_found
from seewhy.methods.task import Found, a_decision
from seewhy.models import Categories, Target
from seewhy.models.head import Meaning

LARGEST = 10  # half of all variations lack any one region: samples of larger rules are needles in a haystack

FUZZ = 1e-9
PERCENT = "\N{NO-BREAK SPACE}%"


class AnchorMethod(RegionMethod):
    """A rule: the fewest regions that keep the class on top when each other region is hidden by the toss of a coin.

    A rule must keep it in `threshold` of the cases; what is said about it is wrong with probability `delta` at most.
    `batch` cases are asked at once; rules have `largest` regions at most, and grow no more after `budget` cases.
    `segments` is about how many regions slic cuts. For "A rather than B", A has to stay before B. A tie does not keep
    the class.
    """

    signed = False
    question = "Which parts of the picture are enough for this answer?"
    reading = (
        "While the marked regions stay, the model keeps its answer as often as the sentence says, whichever others "
        "are hidden. If nothing is marked, either no region is needed or the model does not give this answer at all; "
        "the sentence says which. It holds for this picture, these regions and this way of hiding them, not for other "
        "pictures."
    )

    regions: str | np.ndarray = "slic"
    segments: int = 20
    threshold: float = 0.95
    delta: float = 0.1
    batch: int = 100
    largest: int = 6
    budget: int = 4000

    def __post_init__(self) -> None:
        if not (0 < self.threshold <= 1 and 0 < self.delta < 1):
            raise UsageError(
                f"threshold and delta are probabilities, as 0.95 and 0.1, not {self.threshold} and {self.delta}"
            )
        if not 1 <= self.largest <= LARGEST:
            raise UsageError(f"a rule may have 1 to {LARGEST} regions (largest), not {self.largest}")
        if self.batch < 2:
            raise UsageError(f"at least 2 variations are asked at once (batch), not {self.batch}")

    @property
    @abstractmethod
    def grower(self) -> Grower:
        """How rules grow."""

    @property
    def search(self) -> Search:
        """The search for one rule."""
        return Search(
            threshold=self.threshold,
            delta=self.delta,
            batch=self.batch,
            largest=self.largest,
            budget=self.budget,
            grower=self.grower,
        )

    @override
    def labels(self, pixels: np.ndarray) -> np.ndarray:
        if isinstance(self.regions, str) and self.regions == "slic":
            return segment(pixels, "slic", n_segments=self.segments)
        return cut(pixels, self.regions)

    @override
    def weigh(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        """Every target starts from the same seed, so that it finds its variations answered already."""
        seed = int(torch.randint(2**62, (), generator=generator))
        asked = [a_decision(engine.classifier.head, target, self.name) for target in targets]
        return [self._find(engine, target, np.random.default_rng(seed)) for target in asked]

    def _find(self, engine: MaskedForward, target: Target, rng: np.random.Generator) -> Found:
        head = engine.classifier.head
        margin, rival = head.margin(engine.logits, target)
        if margin <= 0:
            sentence = nothing_to_keep(float(margin), int(rival), target, engine.classifier.categories, head.meaning)
            nothing = Rule((), 0, 0, 0, coverage=0, area=0, variations=0, threshold=self.threshold, sentence=sentence)
            return region_found(engine, np.zeros(engine.regions), rule=nothing)

        def keeps(shown: np.ndarray, which: np.ndarray) -> np.ndarray:
            ahead, _ = head.margin(engine(torch.from_numpy(shown), torch.from_numpy(which)), target)
            return (ahead > 0).numpy()

        anchor = self.search(Variations(keeps, engine.regions, rng, engine.alternatives))
        weights = np.zeros(engine.regions)
        weights[list(anchor.regions)] = 1.0
        checks = {"precision_low": anchor.low, "precision_high": anchor.high}
        return region_found(engine, weights, rule=self._rule(engine, target, anchor), checks=checks)

    def _rule(self, engine: MaskedForward, target: Target, anchor: Anchor) -> Rule:
        categories = engine.classifier.categories
        if self.search.holds(anchor):
            sentence = rule_found(anchor, engine.regions, target, categories, self.delta)
        else:
            sentence = best_found(anchor, self.threshold, target, categories, self.delta)
        return Rule(
            regions=anchor.regions,
            precision=anchor.precision,
            low=anchor.low,
            high=anchor.high,
            coverage=0.5 ** len(anchor.regions),
            area=float(np.isin(engine.label_map, anchor.regions).mean()),
            variations=anchor.asked,
            threshold=self.threshold,
            sentence=sentence,
        )


class Anchors(AnchorMethod):
    """Every region is tried at every step; the `beam` best rules go on, the best to within `tau`.

    Source: Ribeiro et al. 2018. We ask no case twice, share all answers among rules, know how many cases there are,
    and our bounds hold for the rule chosen, where the paper's hold for each rule by itself.
    """

    name = "anchors"
    title = "Anchors"
    paper = "Ribeiro et al. 2018"
    cost = "a few hundred to about 4,000 forwards"

    tau: float = 0.15
    beam: int = 1

    @property
    @override
    def grower(self) -> Grower:
        return BanditGrower(self.tau, self.beam)


class LimeAnchors(AnchorMethod):
    """Only the region that LIME finds weightiest is tried at each step: cheaper, and held to the same proof.

    LIME's linear model is fitted to `samples` cases under the rule so far: one fit for all steps finds worse rules.
    """

    name = "anchors-lime"
    title = "Anchors in LIME's order"
    paper = "Ribeiro et al. 2018 and 2016"
    arxiv = "1602.04938"
    cost = "a few hundred forwards"

    samples: int = 200

    @property
    @override
    def grower(self) -> Grower:
        return LinearGrower(self.samples)


def rule_found(anchor: Anchor, regions: int, target: Target, categories: Categories, delta: float) -> str:
    """For a rule that holds, in a picture of so many `regions`."""
    says, often = _says(target, categories), _how_often(anchor, delta)
    if not anchor.regions:
        return f"No region has to stay: whichever are hidden, {says} {often}."
    if len(anchor.regions) == regions:
        return f"Only if all of the picture stays is it sure that {says}: no smaller part was found to be enough."
    return f"If {_these(anchor)} and others are hidden at random, {says} {often}."


def best_found(anchor: Anchor, threshold: float, target: Target, categories: Categories, delta: float) -> str:
    """For the best of rules none of which holds."""
    often = _how_often(anchor, delta)
    failed = f"No rule was found under which {_says(target, categories)} in {100 * threshold:g}{PERCENT} of cases"
    if not anchor.regions:
        return f"{failed}. With no rule at all, and regions hidden at random, it does so {often}."
    return f"{failed}. The best one found: if {_these(anchor)} and others are hidden at random, it does so {often}."


def nothing_to_keep(
    margin: float, rival: int, target: Target, categories: Categories, meaning: Meaning = "classes"
) -> str:
    """For a class that the model does not put before its `rival`: it leads by a `margin` of 0 or less."""
    own, other = f"“{replace(target, against=None).label(categories)}”", f"“{categories[rival]}”"
    if target.against is None and meaning == "labels":
        return (
            f"The model does not find {other} here: it is no likelier than its threshold, so there is nothing to keep."
        )
    if margin == 0:
        return f"On this picture {own} and {other} score exactly the same: there is no decision for a rule to keep."
    if target.against is None:
        return f"The model says {other} here, not {own}, so there is nothing to keep; ask about {other}."
    return f"Here the model prefers {other} to {own}, so there is nothing to keep; ask about {other} rather than {own}."


def _says(target: Target, categories: Categories) -> str:
    own = f"“{replace(target, against=None).label(categories)}”"
    if target.against is None:
        return f"the model says {own}"
    return f"the model prefers {own} to “{categories[target.against]}”"


def _these(anchor: Anchor) -> str:
    count = len(anchor.regions)
    return "this region stays" if count == 1 else f"these {count} regions stay"


def _how_often(anchor: Anchor, delta: float) -> str:
    if anchor.asked == anchor.population:
        share = "all" if anchor.kept == anchor.asked else f"{anchor.kept:,} of the"
        return f"in {share} {anchor.asked:,} cases there are"
    low, high = floor(100 * anchor.low + FUZZ), ceil(100 * anchor.high - FUZZ)
    percents = f"{low}" if low == high else f"{low} to {high}"
    return f"in {percents}{PERCENT} of cases ({anchor.asked:,} tried, {100 * (1 - delta):g}{PERCENT} sure)"

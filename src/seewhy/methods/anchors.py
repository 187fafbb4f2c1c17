"""Anchors: regions that are enough for the model's answer, however the others are hidden."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from typing_extensions import override

from seewhy.engines import Constant, Fill, MaskedForward, find_fill, segment
from seewhy.errors import UsageError
from seewhy.methods.anchor_search import Anchor, BanditGrower, Grower, LinearGrower, Search
from seewhy.methods.anchor_variations import Variations
from seewhy.methods.anchor_words import Wording, hidden_words, nothing_to_keep
from seewhy.methods.evidence import Rule, SecondLook
from seewhy.methods.regions import RegionMethod, cut
from seewhy.methods.surrogate import region_found
from seewhy.methods.task import Found, Task, a_decision
from seewhy.models import Target

LARGEST = 10  # half of all variations lack any one region: samples of larger rules are needles in a haystack
CUTS = 9  # tries to get about as many regions as are asked for


class AnchorMethod(RegionMethod):
    """A rule: few regions that keep the class on top when each other region is hidden by the toss of a coin.

    A rule must keep it in `threshold` of the cases; what is said about it is wrong with probability `delta` at most.
    It is then tried where hidden regions show `other_fill` instead, unless that is None: a rule that surely fails there
    is called fragile.
    `batch` cases are asked at once; rules have `largest` regions at most, and grow no more after `budget` cases.
    `segments` is about how many regions slic cuts. For "A rather than B", A has to stay before B. A tie does not keep
    the class.
    """

    signed = False
    question = "Which parts of the picture are enough for this answer?"
    reading = (
        "While the marked regions stay, the model keeps its answer as often as the sentence says, when each other "
        "region is hidden at random. They are enough; whether others would do was not asked. This holds for this "
        "picture, these regions and this way of hiding them; the sentence says how it fares under another."
    )

    regions: str | np.ndarray = "slic"
    segments: int = 20
    threshold: float = 0.95
    delta: float = 0.1
    batch: int = 16
    largest: int = 6
    budget: int = 4000
    other_fill: str | Fill | None = "samples"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.threshold <= 1 and 0 < self.delta < 1):
            raise UsageError(
                f"threshold and delta are probabilities, as 0.95 and 0.1, not {self.threshold} and {self.delta}"
            )
        if not 1 <= self.largest <= LARGEST:
            raise UsageError(f"a rule may have 1 to {LARGEST} regions (largest), not {self.largest}")
        if self.batch < 2:
            raise UsageError(f"at least 2 variations are asked at once (batch), not {self.batch}")
        if self.segments < 2:
            raise UsageError(f"there is a choice among 2 regions or more (segments), not {self.segments}")
        if self.other_fill is not None:
            find_fill(self.other_fill)

    @property
    @abstractmethod
    def grower(self) -> Grower:
        """How rules grow."""

    @property
    def second_fill(self) -> Fill | None:
        """What hidden regions show at the second look: never the same as at the first."""
        if self.other_fill is None:
            return None
        other = find_fill(self.other_fill)
        return other if other != find_fill(self.fill) else Constant("black")

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
            return slic_of(pixels, self.segments)
        return cut(pixels, self.regions)

    @override
    def find(self, task: Task) -> list[Found]:
        """As every method over regions, and what hides its regions in the second way."""
        engine = self._engine(task)
        fill = self.second_fill
        if fill is None:
            return self.weigh(engine, task.asked, task.generator)
        precision = "float32" if engine.network.bits == 32 else self.precision
        other = task.masked(fill, labels=engine.label_map, precision=precision, batch_size=self.batch_size)
        return self._all(engine, other, task.asked, task.generator)

    @override
    def weigh(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        """Without the second way of hiding."""
        return self._all(engine, None, targets, generator)

    def _all(
        self, engine: MaskedForward, other: MaskedForward | None, targets: Sequence[Target], generator: torch.Generator
    ) -> list[Found]:
        """Every target starts from the same seed, so that it finds its variations answered already."""
        seed = int(torch.randint(2**62, (), generator=generator))
        asked = [a_decision(engine.classifier.head, target, self.name) for target in targets]
        return [self._find(engine, other, target, seed) for target in asked]

    def _find(self, engine: MaskedForward, other: MaskedForward | None, target: Target, seed: int) -> Found:
        head, categories = engine.classifier.head, engine.classifier.categories
        margin, rival = head.margin(engine.logits, target)
        if margin <= 0:
            sentence = nothing_to_keep(float(margin), int(rival), target, categories, head.meaning)
            nothing = Rule((), 0, 0, 0, coverage=0, area=0, variations=0, threshold=self.threshold, sentence=sentence)
            return region_found(engine, np.zeros(engine.regions), rule=nothing)
        anchor = self.search(variations_of(engine, target, seed))
        weights = np.zeros(engine.regions)
        weights[list(anchor.regions)] = 1.0
        second = self._second_look(other, target, seed, anchor)
        checks = {"precision_low": anchor.low, "precision_high": anchor.high}
        return region_found(engine, weights, rule=self._rule(engine, target, anchor, second), checks=checks)

    def _second_look(self, other: MaskedForward | None, target: Target, seed: int, anchor: Anchor) -> SecondLook | None:
        """How a rule that holds fares where `other` hides."""
        fill = self.second_fill
        if fill is None or other is None or not self.search.holds(anchor):
            return None
        found = self.search.checked(variations_of(other, target, seed), anchor.regions)
        return SecondLook(hidden_words(fill), found.precision, found.low, found.high, found.asked)

    def _rule(self, engine: MaskedForward, target: Target, anchor: Anchor, second: SecondLook | None) -> Rule:
        area = float(np.isin(engine.label_map, anchor.regions).mean())
        logits = engine(torch.from_numpy(np.isin(np.arange(engine.regions), anchor.regions))[None])[0]
        head, categories = engine.classifier.head, engine.classifier.categories
        lead, rival = head.margin(logits, target)
        wording = Wording(
            target=target,
            categories=categories,
            hidden=hidden_words(find_fill(self.fill)),
            delta=self.delta,
            threshold=self.threshold,
            regions=engine.regions,
            area=area,
            rival=categories[int(rival)],
            kept=bool(lead > 0),
        )
        holds = self.search.holds(anchor)
        rule = Rule(
            regions=anchor.regions,
            precision=anchor.precision,
            low=anchor.low,
            high=anchor.high,
            coverage=0.5 ** len(anchor.regions),
            area=area,
            variations=anchor.asked,
            threshold=self.threshold,
            sentence=wording.rule_found(anchor) if holds else wording.best_found(anchor),
            second=second,
        )
        if second is None:
            return rule
        return replace(rule, sentence=f"{rule.sentence} {wording.second_look(second, fragile=rule.fragile)}")


def variations_of(engine: MaskedForward, target: Target, seed: int) -> Variations:
    """The variations that `engine` makes, and how far each puts the target before its closest rival."""

    def lead(shown: np.ndarray, which: np.ndarray) -> np.ndarray:
        ahead, _ = engine.classifier.head.margin(engine(torch.from_numpy(shown), torch.from_numpy(which)), target)
        return ahead.double().numpy()

    return Variations(lead, engine.regions, np.random.default_rng(seed), engine.alternatives)


def slic_of(pixels: np.ndarray, segments: int) -> np.ndarray:
    """About so many regions, int32 `(h, w)`: slic joins small ones, so it is asked for more until enough are left."""
    few, many, asked = segments, 0, segments
    cuts: list[np.ndarray] = []
    while len(cuts) < CUTS and (many == 0 or few < asked < many):
        cuts.append(segment(pixels, "slic", n_segments=asked))
        few, many = (asked, many) if cuts[-1].max() + 1 < segments else (few, asked)
        asked = (few + many) // 2 if many else 3 * few // 2
    return min(cuts, key=lambda labels: abs(int(labels.max()) + 1 - segments))


class Anchors(AnchorMethod):
    """Every region is tried at every step; the `beam` best rules go on, the best to within `tau`.

    Source: Ribeiro et al. 2018. We ask no case twice, share all answers among rules, know how many cases there are,
    and our bounds hold for the rule chosen, where the paper's hold for each rule by itself.
    """

    name = "anchors"
    title = "Anchors"
    status = "verified"
    first = True
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
    status = "verified"
    paper = "Ribeiro et al. 2018 and 2016"
    arxiv = "1602.04938"
    cost = "a few hundred forwards"

    samples: int = 100

    @property
    @override
    def grower(self) -> Grower:
        return LinearGrower(self.samples)

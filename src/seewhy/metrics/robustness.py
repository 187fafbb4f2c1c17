"""Robustness and sanity: does a map stay when next to nothing has changed, and change when everything has?

What stays the same for shuffled weights, or for another class, explains neither.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.engines import Answers, Fill
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods import Method
from seewhy.metrics.context import Attribution, Context, Question, Score, is_flat, pearson, soft_mask, spearman
from seewhy.metrics.metric import Metric
from seewhy.models import Classifier, Target


def max_sensitivity(values: np.ndarray, perturbed: np.ndarray) -> float:
    """Largest ‖a(x + δ) − a(x)‖ / ‖a(x)‖ over maps `(n, h, w)`. Source: Yeh 2019, relative as in captum."""
    changes = np.linalg.norm((perturbed - values).reshape(len(perturbed), -1), axis=1)
    return float(changes.max() / np.linalg.norm(values))


def stability(maps: np.ndarray) -> float:
    """Mean rank correlation over all pairs of maps `(n, h, w)`."""
    return float(np.mean([spearman(*pair) for pair in combinations(maps, 2)]))


def layers_of_weights(classifier: Classifier) -> list[list[nn.Parameter]]:
    """Every parameter once, layer by layer, from the output to the input; those of no layer that runs come last."""
    seen: set[nn.Parameter] = set()
    found: list[list[nn.Parameter]] = []
    for name in [*(layer.name for layer in reversed(classifier.layers)), ""]:
        own = classifier.module.get_submodule(name).parameters(recurse=not name)
        found.append([each for each in own if each not in seen])
        seen.update(found[-1])
    return [each for each in found if each]


def in_stages(layers: Sequence[Sequence[nn.Parameter]], stages: int) -> list[list[nn.Parameter]]:
    """The layers' parameters in at most so many stages of as many layers as can be, in order."""
    stages = min(stages, len(layers))
    bounds = [stage * len(layers) // stages for stage in range(stages + 1)] if stages else []
    return [list(chain.from_iterable(layers[start:stop])) for start, stop in pairwise(bounds)]


@torch.no_grad()
def shuffle(parameters: Sequence[nn.Parameter], generator: torch.Generator) -> None:
    """Permute the numbers of each parameter in place."""
    for each in parameters:
        order = torch.randperm(each.numel(), generator=generator).to(each.device)
        each.copy_(each.flatten()[order].view_as(each))


@dataclass(frozen=True)
class Repeat:
    """Makes a map again, with one thing changed."""

    method: Method
    original: Attribution
    progress: Progress
    answers: Answers

    def __call__(
        self, classifier: Classifier, images: Sequence[Image], *, target: Target | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Maps `(n, h, w)` of pictures; target and seed are the original's unless given."""
        method: Any = self.method
        if self.original.layer is not None and "layers" in method.parameters:
            method = replace(method, layers=(self.original.layer,))  # it may have been asked about several
        generator = torch.Generator().manual_seed(self.original.seed or 0 if seed is None else seed)
        targets = [[target or self.original.target]] * len(images)
        found = method(classifier, images, targets, generator=generator, progress=self.progress, answers=self.answers)
        return np.stack([each.values for each in found])


class _Repeating(Metric):
    """A metric that explains again and compares, map by map."""

    family = "robustness"
    needs = ("scores", "method")

    @abstractmethod
    def compare(self, context: Context, original: Attribution, repeat: Repeat, generator: torch.Generator) -> Score:
        """The score of a map that is not flat; the generator is as fresh for each."""

    @override
    def scores(self, asked: Question) -> list[Score]:
        scores: list[Score] = []
        for done, each in enumerate(asked.maps, start=1):
            scores.append(self._score(asked, each))
            asked.progress(done, len(asked.maps), "maps")
        return scores

    def _score(self, asked: Question, each: Attribution) -> Score:
        method = asked.context.methods.get(each)
        if method is None:
            return Score.undefined("what made this map was not given, so it cannot be made again")
        if is_flat(each.values):
            return Score.undefined("the map is the same everywhere, so there is nothing to compare")
        return self.compare(
            asked.context, each, Repeat(method, each, asked.progress, asked.context.answers), asked.fresh()
        )


class MaxSensitivity(_Repeating):
    """Largest relative change of the map over `draws` disturbances, uniform up to `radius` of the range of pixels.

    The disturbed pictures are rounded to 8 bits, and each is explained with the explanation's own seed. The curve
    holds each disturbance's change. Source: Yeh 2019.
    """

    name = "max-sensitivity"
    title = "Max-sensitivity"
    paper = "Yeh et al. 2019"
    arxiv = "1901.09392"
    higher_is_better = False
    bounds = (0, np.inf)
    question = "How much does the map change when the picture is disturbed so little that nobody sees it?"
    reading = (
        "0.1 means that the worst of ten disturbances changed the map by a tenth of its own size; above 1 nothing "
        "of it is left."
    )

    draws: int = 10
    radius: float = 0.02

    def __post_init__(self) -> None:
        if self.draws < 1 or self.radius <= 0:
            raise UsageError(
                f"give one draw or more and a radius above 0, not draws={self.draws}, radius={self.radius:g}"
            )

    @override
    def compare(self, context: Context, original: Attribution, repeat: Repeat, generator: torch.Generator) -> Score:
        noise = torch.rand((self.draws, *context.pixels.shape), generator=generator) * 2 - 1
        pictures = [context.framed(context.pixels + self.radius * each) for each in noise]
        perturbed = repeat(context.classifier, pictures)
        curve = np.array([max_sensitivity(original.values, each[None]) for each in perturbed])
        return Score(float(curve.max()), curve)


class Stability(_Repeating):
    """Mean rank correlation over all pairs of the map and `runs` more with other seeds."""

    name = "stability"
    title = "Run-to-run stability"
    paper = "after Visani et al. 2022"
    arxiv = "2001.11757"
    bounds = (-1, 1)
    question = "Does the same method give the same map when it throws its dice again?"
    reading = (
        "1 means that all runs rank the pixels alike, as methods without chance always do; 0 that they have "
        "nothing in common."
    )

    runs: int = 3

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise UsageError(f"runs is how often to explain again, at least once, not {self.runs}")

    @override
    def compare(self, context: Context, original: Attribution, repeat: Repeat, generator: torch.Generator) -> Score:
        seeds = torch.randint(2**31, (self.runs,), generator=generator).tolist()
        others = [repeat(context.classifier, [context.image], seed=seed)[0] for seed in seeds]
        return Score(stability(np.stack([original.values, *others])))


class Coherency(_Repeating):
    """(Pearson(a(x), a(x ∘ a(x))) + 1) / 2. Source: Poppi 2021."""

    name = "coherency"
    title = "Coherency"
    paper = "Poppi et al. 2021"
    arxiv = "2104.10252"
    bounds = (0, 1)
    question = "Is the map the same when what it leaves dark is faded out?"
    reading = "1 means the same map, 0.5 that both have nothing in common."

    fill: str | Fill = "mean"

    @override
    def compare(self, context: Context, original: Attribution, repeat: Repeat, generator: torch.Generator) -> Score:
        mask = soft_mask(original.values)
        (other,) = repeat(context.classifier, [context.shown(mask, self.fill, generator)])
        return Score((pearson(mask, soft_mask(other)) + 1) / 2)


class ParameterRandomisation(_Repeating):
    """Rank correlation of |a| with that of the network after its weights were shuffled in `stages`, output first.

    The curve holds the correlation after each stage, the value is their mean; a map that is flat by then has nothing
    in common with the first. Source: Adebayo 2018, cascading randomisation; we permute a layer's numbers
    instead of drawing new ones, which keeps their size.
    """

    name = "parameter-randomisation"
    title = "Parameter randomisation"
    family = "sanity"
    paper = "Adebayo et al. 2018"
    arxiv = "1810.03292"
    higher_is_better = False
    bounds = (-1, 1)
    question = "Does the map change when what the network has learned is destroyed, layer by layer?"
    reading = (
        "1 means that the map stays the same whatever the network knows: it shows the picture, not the decision. "
        "Around 0 is as it should be."
    )

    stages: int = 5

    def __post_init__(self) -> None:
        if self.stages < 1:
            raise UsageError(f"stages is how often to shuffle more layers, at least once, not {self.stages}")

    @override
    def compare(self, context: Context, original: Attribution, repeat: Repeat, generator: torch.Generator) -> Score:
        classifier = _to_be_shuffled(context.classifier)
        if isinstance(classifier, Score):
            return classifier
        similar: list[float] = []
        for stage in in_stages(layers_of_weights(classifier), self.stages):
            shuffle(stage, generator)
            (other,) = repeat(classifier, [context.image])
            similar.append(spearman(np.abs(original.values), np.abs(other)))
        if not similar:
            return Score.undefined("the network has no weights to shuffle")
        return Score(float(np.mean(similar)), np.array(similar))


def _to_be_shuffled(classifier: Classifier) -> Classifier | Score:
    """A copy of the network, or why there is no score of it."""
    if "layers" not in classifier.offers:
        return Score.undefined("the classifier offers nothing but scores, so there are no weights to shuffle")
    try:
        module = copy.deepcopy(classifier.module)
    except (RuntimeError, TypeError, NotImplementedError):  # holds what cannot be copied
        return Score.undefined("the network cannot be copied, and it must not be changed itself")
    return replace(classifier, module=module)


def histogram_entropy(values: np.ndarray, bins: int = 100) -> float:
    """Entropy in nats of the histogram of a map's values, from its least to its largest. Source: Hedström 2024.

    >>> round(float(np.exp(histogram_entropy(np.arange(200)))))
    100
    """
    counts, _ = np.histogram(values.astype(np.float64), bins)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares @ np.log(shares)))


class EfficientRandomisation(_Repeating):
    """(H(â) − H(a)) / H(a): how far the map's entropy rises once all weights of the network are shuffled.

    H is the entropy of the histogram of the map in `bins`; the curve holds it before and after. Source: Hedström 2024,
    efficient MPRT; we permute each parameter's numbers instead of drawing new ones.
    """

    name = "efficient-randomisation"
    title = "Efficient parameter randomisation"
    family = "sanity"
    paper = "Hedström et al. 2024"
    arxiv = "2401.06465"
    bounds = (-1, np.inf)
    question = "Does the map become more disordered when all that the network has learned is destroyed?"
    reading = (
        "Above 0 the map of the shuffled network is the more disordered of the two, as it should be; 0 means that the "
        "map is as orderly whatever the network knows."
    )

    bins: int = 100

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise UsageError(f"bins are those of a histogram, two or more, not {self.bins}")

    @override
    def compare(self, context: Context, original: Attribution, repeat: Repeat, generator: torch.Generator) -> Score:
        classifier = _to_be_shuffled(context.classifier)
        if isinstance(classifier, Score):
            return classifier
        weights = [each for layer in layers_of_weights(classifier) for each in layer]
        if not weights:
            return Score.undefined("the network has no weights to shuffle")
        shuffle(weights, generator)
        (other,) = repeat(classifier, [context.image])
        before, after = (histogram_entropy(each, self.bins) for each in (original.values, other))
        return Score((after - before) / before, np.array([before, after]))


class RandomLogit(_Repeating):
    """Rank correlation of the map with that of a class drawn at random. Source: Sixt 2020, there with SSIM."""

    name = "random-logit"
    title = "Random logit"
    family = "sanity"
    paper = "Sixt et al. 2020"
    arxiv = "1912.09818"
    higher_is_better = False
    bounds = (-1, 1)
    question = "Is the map for another class another map?"
    reading = "1 means that it is the same map whatever the class: it does not say why the network chose this one."

    @override
    def compare(self, context: Context, original: Attribution, repeat: Repeat, generator: torch.Generator) -> Score:
        named = {original.target.index, *original.target.also, original.target.against}
        others = [index for index in range(len(context.classifier.categories)) if index not in named]
        if not others:
            return Score.undefined("there is no other class")
        drawn = others[int(torch.randint(len(others), (1,), generator=generator))]
        (other,) = repeat(context.classifier, [context.image], target=Target(drawn))
        return Score(spearman(original.values, other))

"""Sanity checks: what stays the same for shuffled weights, or for another class, explains neither."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.methods import Explanation
from seewhy.metrics.correlation import spearman
from seewhy.metrics.one_by_one import Repeat, Repeating
from seewhy.metrics.registry import register_metric
from seewhy.metrics.subject import Score, Subject
from seewhy.models import Classifier, Target


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


@register_metric(
    "parameter-randomisation",
    title="Parameter randomisation",
    family="sanity",
    higher_is_better=False,
    bounds=(-1, 1),
    paper="Adebayo et al. 2018",
    arxiv="1810.03292",
    needs=("scores", "method"),
    question="Does the map change when what the network has learned is destroyed, layer by layer?",
    reading="1 means that the map stays the same whatever the network knows: it shows the picture, not the decision. "
    "Around 0 is as it should be.",
)
@dataclass(frozen=True, kw_only=True)
class ParameterRandomisation(Repeating):
    """Rank correlation of |a| with that of the network after its weights were shuffled in `stages`, output first.

    The curve holds the correlation after each stage, the value is their mean; a map that is flat by then has nothing
    in common with the first. Source: Adebayo 2018, cascading randomisation; we permute a layer's numbers
    instead of drawing new ones, which keeps their size.
    """

    stages: int = 5

    def __post_init__(self) -> None:
        if self.stages < 1:
            raise UsageError(f"stages is how often to shuffle more layers, at least once, not {self.stages}")

    @override
    def compare(self, subject: Subject, explanation: Explanation, repeat: Repeat, generator: torch.Generator) -> Score:
        if "layers" not in subject.classifier.offers:
            return Score.undefined("the classifier offers nothing but scores, so there are no weights to shuffle")
        try:
            module = copy.deepcopy(subject.classifier.module)
        except (RuntimeError, TypeError, NotImplementedError):  # holds what cannot be copied
            return Score.undefined("the network cannot be copied, and it must not be changed itself")
        classifier = replace(subject.classifier, module=module)
        similar: list[float] = []
        for stage in in_stages(layers_of_weights(classifier), self.stages):
            shuffle(stage, generator)
            (other,) = repeat(classifier, [subject.image])
            similar.append(spearman(np.abs(explanation.values), np.abs(other)))
        if not similar:
            return Score.undefined("the network has no weights to shuffle")
        return Score(float(np.mean(similar)), np.array(similar))


@register_metric(
    "random-logit",
    title="Random logit",
    family="sanity",
    higher_is_better=False,
    bounds=(-1, 1),
    paper="Sixt et al. 2020",
    arxiv="1912.09818",
    needs=("scores", "method"),
    question="Is the map for another class another map?",
    reading="1 means that it is the same map whatever the class: it does not say why the network chose this one.",
)
@dataclass(frozen=True, kw_only=True)
class RandomLogit(Repeating):
    """Rank correlation of the map with that of a class drawn at random. Source: Sixt 2020, there with SSIM."""

    @override
    def compare(self, subject: Subject, explanation: Explanation, repeat: Repeat, generator: torch.Generator) -> Score:
        named = {explanation.target.index, explanation.target.against}
        others = [index for index in range(len(subject.classifier.categories)) if index not in named]
        if not others:
            return Score.undefined("there is no other class")
        drawn = others[int(torch.randint(len(others), (1,), generator=generator))]
        (other,) = repeat(subject.classifier, [subject.image], target=Target(drawn))
        return Score(spearman(explanation.values, other))

"""What every method over pixels shares: one exact copy of the network, one map per target, summed over colours."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from seewhy.explainers.assemble import assemble
from seewhy.explainers.differentiable import Differentiable
from seewhy.explainers.explanation import Cost, Explanation
from seewhy.explainers.fills import Fill, find_fill
from seewhy.explainers.registry import MethodInfo
from seewhy.images import Image
from seewhy.models import Classifier, Target
from seewhy.progress import Progress, silent

__all__ = ["Attribution", "PixelMethod", "completeness_gap", "references"]


@dataclass(frozen=True)
class Attribution:
    """What a method found for one target: float `(h, w)`, and how it checked itself."""

    values: Tensor
    checks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PixelMethod(ABC):
    """A number per pixel of what the network saw, from gradients with respect to its input."""

    info: ClassVar[MethodInfo]

    @abstractmethod
    def attribute(
        self,
        network: Differentiable,
        pixels: Tensor,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> list[Attribution]:
        """One attribution per target for one picture, `pixels` `(3, h, w)` in [0, 1]."""

    def __call__(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Explanation]:
        """One explanation per image × target; every image starts from the generator's seed again."""
        found: list[Explanation] = []
        for done, (image, asked) in enumerate(zip(images, targets, strict=True), start=1):
            start = time.perf_counter()
            generator.manual_seed(generator.initial_seed())
            network = Differentiable(classifier)
            pixels = classifier.preprocessing.pixels([image])[0].to(classifier.device)
            logits = network.logits(network.preprocess(pixels[None]))[0]
            attributions = self.attribute(network, pixels, asked, generator, progress)
            seconds = (time.perf_counter() - start) / max(len(asked), 1)
            cost = Cost(network.forwards, network.backwards, seconds)
            found += [
                assemble(
                    self,
                    classifier,
                    image,
                    target,
                    values=each.values.float().cpu().numpy(),
                    logits=logits,
                    cost=cost,
                    checks=each.checks,
                    generator=generator,
                )
                for target, each in zip(asked, attributions, strict=True)
            ]
            progress(done, len(images), "images")
        return found


def references(background: str | Fill, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """The pictures `(m, 3, h, w)` in [0, 1] that a background stands for: what a fill puts where all is hidden."""
    filler = find_fill(background).prepare(pixels, None, generator)
    nothing = pixels.new_zeros((filler.alternatives, *pixels.shape[1:]))
    return filler(nothing, torch.arange(filler.alternatives, device=pixels.device)).expand(len(nothing), -1, -1, -1)


def completeness_gap(values: Tensor, change: Tensor) -> float:
    """|Σ values − change of the score|, relative to the larger of |change| and Σ |values|."""
    scale = max(float(change.abs()), float(values.abs().sum()), torch.finfo(values.dtype).tiny)
    return float((values.sum() - change).abs()) / scale

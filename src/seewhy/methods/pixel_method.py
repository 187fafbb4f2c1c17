"""What every method of gradients shares: one exact copy of the network, one map per target and layer."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.engines import Differentiable, Fill, FromLayer, find_fill
from seewhy.images import Image
from seewhy.methods.assemble import assemble
from seewhy.methods.cam_method import enlarge
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.registry import MethodInfo
from seewhy.models import Classifier, Target


@dataclass(frozen=True)
class Attribution:
    """What a method found for one target: float `(h, w)`, how it checked itself, perhaps standard errors `(h, w)`."""

    values: Tensor
    checks: Mapping[str, float] = field(default_factory=dict)
    errors: Tensor | None = None


@dataclass(frozen=True)
class Query:
    """What is asked about one picture, `pixels` `(3, h, w)` in [0, 1]: why each of `targets`?"""

    network: Differentiable
    pixels: Tensor
    targets: Sequence[Target]
    generator: torch.Generator
    progress: Progress

    @cached_property
    def point(self) -> Tensor:
        """The picture as a point `(1, …)` of the network."""
        return self.network.points(self.pixels[None])

    def references(self, background: str | Fill) -> Tensor:
        """The points `(m, …)` that a background stands for: what the fill puts where all is hidden."""
        filler = find_fill(background).prepare(self.pixels, None, self.generator)
        nothing = self.pixels.new_zeros((filler.alternatives, *self.pixels.shape[1:]))
        which = torch.arange(filler.alternatives, device=self.pixels.device)
        return self.network.points(filler(nothing, which).expand(len(nothing), -1, -1, -1))

    def summed(self, values: Tensor) -> Tensor:
        """`(n, …)` that belongs to points, summed over colours or channels: `(n, h, w)`."""
        return self.network.maps(values).sum(1)

    def strongest(self, values: Tensor) -> Tensor:
        """The largest absolute value over colours or channels, `(n, h, w)`. Source: Simonyan 2013, section 3.1."""
        return self.network.maps(values).abs().amax(1)


@dataclass(frozen=True, kw_only=True)
class PixelMethod(ABC):
    """A number per pixel of what the network saw, from gradients with respect to its input.

    With `layers` the same for what each of them puts out, summed over channels and enlarged to the picture. A token
    that is no part of the picture, as a class token, takes a share that no map shows.
    """

    info: ClassVar[MethodInfo]

    layers: tuple[str, ...] = ()

    @abstractmethod
    def attribute(self, query: Query) -> list[Attribution]:
        """One attribution per target."""

    def __call__(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Explanation]:
        """One explanation per image × target × layer; each starts from the generator's seed again."""
        found: list[Explanation] = []
        for done, (image, asked) in enumerate(zip(images, targets, strict=True), start=1):
            by_layer = [
                self._explain(classifier, image, asked, layer, generator, progress) for layer in self.layers or (None,)
            ]
            found += [each for of_target in zip(*by_layer, strict=True) for each in of_target]
            progress(done, len(images), "images")
        return found

    def _explain(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        layer: str | None,
        generator: torch.Generator,
        progress: Progress,
    ) -> list[Explanation]:
        start = time.perf_counter()
        generator.manual_seed(generator.initial_seed())
        pixels = classifier.preprocessing.pixels([image])[0].to(classifier.device)
        network = FromLayer(classifier, layer, pixels) if layer else Differentiable(classifier)
        query = Query(network, pixels, targets, generator, progress)
        logits = network.logits(query.point)[0]
        attributions = self.attribute(query)
        seconds = (time.perf_counter() - start) / max(len(targets), 1)
        return [
            assemble(
                self,
                classifier,
                image,
                target,
                values=_full_size(each.values, classifier),
                errors=None if each.errors is None else _full_size(each.errors, classifier),
                logits=logits,
                layer=layer,
                cost=Cost(network.forwards, network.backwards, seconds),
                checks=each.checks,
                generator=generator,
            )
            for target, each in zip(targets, attributions, strict=True)
        ]


def completeness_gap(values: Tensor, change: Tensor) -> float:
    """|Σ values − change of the score|, relative to the larger of |change| and Σ |values|."""
    scale = max(float(change.abs()), float(values.abs().sum()), torch.finfo(values.dtype).tiny)
    return float((values.sum() - change).abs()) / scale


def _full_size(values: Tensor, classifier: Classifier) -> np.ndarray:
    whole = values if values.shape == classifier.preprocessing.size else enlarge(values[None], classifier)[0]
    return whole.float().cpu().numpy()

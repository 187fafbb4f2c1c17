"""What methods share that make one map after another of a picture, most of them by hiding soft parts of it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.engines import Fill, MaskedForward
from seewhy.images import Image
from seewhy.methods.assemble import assemble
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.registry import MethodInfo
from seewhy.models import Classifier, Target
from seewhy.models.inference import Precision

CHUNK = 256  # masks held at once


@dataclass(frozen=True)
class Heat:
    """A map `(h, w)` over what the network saw: of one target, at one layer where the method looks at one."""

    target: Target
    values: np.ndarray
    layer: str | None = None
    checks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Maps:
    """All maps of one picture, with the logits `(K,)` of it unchanged; `signed` where it differs from the method's."""

    heats: Sequence[Heat]
    logits: Tensor
    forwards: int
    checks: Mapping[str, float] = field(default_factory=dict)
    signed: bool | None = None


@dataclass(frozen=True, kw_only=True)
class MapMethod(ABC):
    """A method that takes one picture at a time."""

    info: ClassVar[MethodInfo]

    @abstractmethod
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        """The maps of every target of one picture: target by target, layer by layer."""

    def __call__(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Explanation]:
        """One explanation per image × target × layer; every image starts from the generator's seed again."""
        found: list[Explanation] = []
        for image, asked in zip(images, targets, strict=True):
            generator.manual_seed(generator.initial_seed())
            found += self._explain(classifier, image, asked, generator, progress) if asked else []
        return found

    def _explain(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> list[Explanation]:
        start = time.perf_counter()
        maps = self.find(classifier, image, targets, generator, progress)
        seconds = (time.perf_counter() - start) / max(len(maps.heats), 1)
        return [
            assemble(
                self,
                classifier,
                image,
                heat.target,
                values=heat.values,
                logits=maps.logits,
                layer=heat.layer,
                signed=maps.signed,
                checks={**maps.checks, **heat.checks},
                cost=Cost(maps.forwards, int("gradients" in self.info.needs), seconds),
                generator=generator,
            )
            for heat in maps.heats
        ]


@dataclass(frozen=True, kw_only=True)
class MaskMethod(MapMethod):
    """A method that asks the masked-forward engine.

    `fill` is what hidden parts are replaced with; `precision` and `batch_size` are the engine's.
    """

    fill: str | Fill = "mean"
    precision: Precision | Literal["auto"] = "auto"
    batch_size: int | None = None

    def engine(
        self, classifier: Classifier, image: Image, generator: torch.Generator, progress: Progress
    ) -> MaskedForward:
        """The engine that hides parts of `image`."""
        return MaskedForward(
            classifier,
            image,
            self.fill,
            generator=generator,
            precision=self.precision,
            batch_size=self.batch_size,
            progress=progress,
        )


def in_chunks(
    engine: MaskedForward, count: int, masks: Callable[[slice], Tensor]
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Chunk by chunk of `count` masks: which they are, the masks `(n, h, w)` and the logits `(n, K)` under them."""
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        shown = masks(part)
        yield part, shown, engine.maps(shown)


def probability(logits: Tensor, target: Target) -> Tensor:
    """Float64 `(...)` of logits `(..., K)`: a class's probability; of "A rather than B" A's if there were no third."""
    if target.against is None:
        return logits.double().softmax(-1)[..., target.index]
    return target.score(logits.double()).sigmoid()


def unit(maps: Tensor) -> Tensor:
    """Each map `(..., h, w)` stretched to [0, 1]; a flat one has nothing to show and is all 0."""
    low = maps.amin((-2, -1), keepdim=True)
    span = maps.amax((-2, -1), keepdim=True) - low
    return torch.where(span > 0, (maps - low) / span, 0)


def varied(maps: Tensor) -> Tensor:
    """Which of maps `(n, h, w)` are not flat."""
    return maps.amax((1, 2)) > maps.amin((1, 2))

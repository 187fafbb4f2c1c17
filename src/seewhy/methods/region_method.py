"""What every method over regions shares: cut the picture, make the engine, find weights, assemble."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.engines import Fill, MaskedForward, segment
from seewhy.images import Image
from seewhy.methods.assemble import assemble
from seewhy.methods.auto_regions import AUTO, best_engine
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.registry import MethodInfo
from seewhy.models import Classifier, Target
from seewhy.models.inference import Precision


@dataclass(frozen=True)
class Finding:
    """What a method found for one target: a weight per region with its standard error, or a rule, or both."""

    weights: np.ndarray
    errors: np.ndarray | None = None
    rule: Rule | None = None
    checks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RegionMethod(ABC):
    """A weight per region of the picture.

    `regions` names a segmentation, is `auto` for the one that explains most, or a label map `(h, w)` over what the
    network saw; `fill` is what hidden regions are replaced with; `precision` and `batch_size` are the engine's.
    """

    info: ClassVar[MethodInfo]

    regions: str | np.ndarray = "quickshift"
    fill: str | Fill = "region-mean"
    precision: Precision | Literal["auto"] = "auto"
    batch_size: int | None = None

    @abstractmethod
    def find(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Finding]:
        """One finding per target, all from the same forwards of `engine`, which hides regions of one picture."""

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
        for image, asked in zip(images, targets, strict=True):
            found += self._explain(classifier, image, asked, generator, progress)
        return found

    def labels(self, classifier: Classifier, image: Image) -> np.ndarray:
        """The region of each pixel of what the network saw, int `(h, w)`."""
        return segment(seen_pixels(classifier, image), self.regions)

    def _explain(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> list[Explanation]:
        start = time.perf_counter()
        generator.manual_seed(generator.initial_seed())
        engine = self._engine(classifier, image, generator, progress)
        whole = engine.logits
        findings = self.find(engine, targets, generator)
        seconds = (time.perf_counter() - start) / max(len(targets), 1)
        return [
            self._assembled(engine, image, target, finding, whole, Cost(engine.forwards, 0, seconds), generator)
            for target, finding in zip(targets, findings, strict=True)
        ]

    def _engine(
        self, classifier: Classifier, image: Image, generator: torch.Generator, progress: Progress
    ) -> MaskedForward:
        make = partial(
            MaskedForward,
            classifier,
            image,
            self.fill,
            generator=generator,
            precision=self.precision,
            batch_size=self.batch_size,
            progress=progress,
        )
        if isinstance(self.regions, str) and self.regions == AUTO:
            return best_engine(make, seen_pixels(classifier, image), generator)
        return make(labels=self.labels(classifier, image))

    def _assembled(
        self,
        engine: MaskedForward,
        image: Image,
        target: Target,
        finding: Finding,
        logits: Tensor,
        cost: Cost,
        generator: torch.Generator,
    ) -> Explanation:
        regions = RegionWeights(engine.label_map, finding.weights, finding.errors)
        painted = regions.painted
        return assemble(
            self,
            engine.classifier,
            image,
            target,
            values=painted,
            logits=logits,
            cost=cost,
            checks={**engine.checks, **finding.checks},
            regions=regions if engine.regions < painted.size else None,  # of single pixels the map says it all
            rule=finding.rule,
            generator=generator,
        )


def seen_pixels(classifier: Classifier, image: Image) -> np.ndarray:
    """What the network saw of the picture, float32 `(h, w, 3)` in [0, 1]."""
    return classifier.preprocessing.pixels([image])[0].permute(1, 2, 0).numpy()

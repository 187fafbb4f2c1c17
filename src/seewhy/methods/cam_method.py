"""What every CAM shares: one forward, one backward to the layers, the map enlarged to what the network saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from seewhy.core.progress import Progress, silent
from seewhy.images import Image
from seewhy.methods.assemble import assemble
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.registry import MethodInfo
from seewhy.models import Captured, Categories, Classifier, Grid, Target, capture, folded

BATCH = 16


@dataclass(frozen=True)
class CamMethod:
    """A map over `layers` (default: the one the classifier names); `signed` keeps the evidence against, too."""

    info: ClassVar[MethodInfo]
    # The map (N, h, w) of activations and gradients (N, C, h, w), before the final ReLU.
    cam: ClassVar[Callable[[Tensor, Tensor], Tensor]]

    layers: tuple[str, ...] = ()
    signed: bool = False

    def score(self, logits: Tensor, target: Target) -> Tensor:
        """The number to explain, from one row of logits `(K,)`."""
        return target.score(logits)

    def label(self, logits: Tensor, target: Target, categories: Categories) -> str:
        """What the map answers, in words."""
        return target.label(categories)

    def slopes(self, seen: Captured, score: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """What stands for the gradient g at each layer."""
        return seen.gradients(score, layers)

    def __call__(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Explanation]:
        """One explanation per image × target × layer, in that order."""
        grids = {layer: classifier.require_grid(layer) for layer in self.layers or (classifier.default_layer,)}
        found: list[Explanation] = []
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            found += self._explain(classifier, images[part], targets[part], grids, generator)
            progress(min(start + BATCH, len(images)), len(images), "images")
        return found

    def _explain(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]],
        grids: dict[str, Grid],
        generator: torch.Generator,
    ) -> list[Explanation]:
        start = time.perf_counter()
        with capture(classifier.module, list(grids), gradients=self._with_gradients) as seen:
            logits = classifier.logits(classifier.preprocess(images))
            columns = [self._maps(seen, grids, logits, column) for column in zip_longest(*targets)]
        maps = [{layer: enlarge(coarse, classifier) for layer, coarse in column.items()} for column in columns]
        logits = logits.detach()
        seconds = (time.perf_counter() - start) / max(len(grids) * sum(map(len, targets)), 1)
        return [
            assemble(
                self,
                classifier,
                image,
                target,
                values=maps[number][layer][row].cpu().numpy(),
                logits=logits[row],
                label=self.label(logits[row], target, classifier.categories),
                layer=layer,
                signed=self.signed,
                cost=Cost(1, int(self._with_gradients), seconds),
                generator=generator,
            )
            for row, image in enumerate(images)
            for number, target in enumerate(targets[row])
            for layer in grids
        ]

    @property
    def _with_gradients(self) -> bool:
        return "gradients" in self.info.needs

    def _maps(
        self, seen: Captured, grids: Mapping[str, Grid], logits: Tensor, targets: Sequence[Target | None]
    ) -> dict[str, Tensor]:
        """Layer by layer the maps `(N, h, w)` of one target per image, in the layer's own grid."""
        slopes: Mapping[str, Tensor] = seen.activations
        if self._with_gradients:
            scores = [self.score(row, target) for row, target in zip(logits, targets, strict=True) if target]
            slopes = self.slopes(seen, torch.stack(scores).sum(), list(grids))
        maps = {
            layer: self.cam(folded(grid, seen[layer]), folded(grid, slopes[layer])) for layer, grid in grids.items()
        }
        return maps if self.signed else {layer: coarse.clamp(min=0) for layer, coarse in maps.items()}


def enlarge(maps: Tensor, classifier: Classifier) -> Tensor:
    """`(N, h, w)` to the size of what the network sees, bilinearly."""
    return interpolate(maps[:, None], classifier.preprocessing.size, mode="bilinear", align_corners=False)[:, 0]

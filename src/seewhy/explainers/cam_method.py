"""What every CAM shares: one forward, one backward to the layers, the map enlarged to what the network saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from seewhy.errors import ExplainError
from seewhy.explainers.assemble import assemble
from seewhy.explainers.explanation import Cost, Explanation
from seewhy.explainers.registry import MethodInfo
from seewhy.images import Image
from seewhy.models import Categories, Classifier, Grid, Target, capture
from seewhy.progress import Progress, silent

__all__ = ["CamMethod", "enlarge", "grid_of"]

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
        grids = {layer: grid_of(classifier, layer) for layer in self.layers or (classifier.default_layer,)}
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
        with capture(classifier.module, list(grids), gradients="gradients" in self.info.needs) as seen:
            logits = classifier.logits(classifier.preprocess(images))
        activations = {layer: grid.fold(seen[layer].detach()).float() for layer, grid in grids.items()}
        maps: dict[tuple[int, int, str], Tensor] = {}
        for slot in range(max(map(len, targets), default=0)):
            asked = [row for row in range(len(images)) if slot < len(targets[row])]
            gradients: dict[str, Tensor] = {}
            if "gradients" in self.info.needs:
                score = torch.stack([self.score(logits[row], targets[row][slot]) for row in asked]).sum()
                gradients = seen.gradients(score, list(grids))
            for layer, grid in grids.items():
                slopes = grid.fold(gradients[layer]).float() if gradients else activations[layer]
                enlarged = enlarge(self._rectified(self.cam(activations[layer], slopes)), classifier)
                maps.update({(row, slot, layer): enlarged[row] for row in asked})
        each = (time.perf_counter() - start) / max(len(maps), 1)
        cost = Cost(1, int("gradients" in self.info.needs), each)
        return [
            assemble(
                self,
                classifier,
                images[row],
                targets[row][slot],
                values=maps[row, slot, layer].cpu().numpy(),
                logits=logits[row].detach(),
                label=self.label(logits[row].detach(), targets[row][slot], classifier.categories),
                layer=layer,
                signed=self.signed,
                cost=cost,
                generator=generator,
            )
            for row, slot, layer in sorted(maps, key=lambda key: (key[0], key[1], list(grids).index(key[2])))
        ]

    def _rectified(self, maps: Tensor) -> Tensor:
        return maps if self.signed else maps.clamp(min=0)


def grid_of(classifier: Classifier, layer: str) -> Grid:
    """How `layer` covers the picture.

    Raises:
        ExplainError: it does not, so there is nothing to draw.
        UnknownName: there is no such layer.
    """
    grid = classifier.grid(layer)
    if grid is None:
        raise ExplainError(
            f"layer '{layer}' keeps no grid over the picture, so there is no map to draw; "
            f"try '{classifier.default_layer}' (`seewhy list layers` shows all)"
        )
    return grid


def enlarge(maps: Tensor, classifier: Classifier) -> Tensor:
    """`(N, h, w)` to the size of what the network sees, bilinearly."""
    return interpolate(maps[:, None], classifier.preprocessing.size, mode="bilinear", align_corners=False)[:, 0]

"""Occlusion: slide a square patch over the picture and see how much the answer suffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.map_method import Heat, Maps, MaskMethod, in_chunks
from seewhy.methods.registry import register
from seewhy.models import Classifier, Target

Box = tuple[slice, slice]


def patches(height: int, width: int, size: int, stride: int) -> list[Box]:
    """Squares of `size` every `stride` pixels, the last ones flush with the edge: every pixel lies in one at least."""
    return [
        (slice(top, top + size), slice(left, left + size))
        for top, left in product(_starts(height, size, stride), _starts(width, size, stride))
    ]


def covered_mean(drops: np.ndarray, boxes: Sequence[Box], size: tuple[int, int]) -> np.ndarray:
    """For each pixel the mean of `drops` `(T, n)` over the patches that cover it, float64 `(T, h, w)`."""
    totals, counts = np.zeros((len(drops), *size)), np.zeros(size)
    for box, drop in zip(boxes, drops.T, strict=True):
        totals[:, *box] += drop[:, None, None]
        counts[box] += 1
    return totals / counts


@register(
    "occlusion",
    title="Occlusion",
    family="masks",
    paper="Zeiler & Fergus 2014",
    arxiv="1311.2901",
    needs=("scores",),
    signed=True,
    question="How much does the answer suffer when this spot is covered?",
    reading="Covering a warm spot makes the class less likely, covering a cold one makes it likelier. The patch is "
    "large, so read areas, not outlines; what the picture shows twice can stay pale, since one is enough.",
    cost="one forward per place of the patch: 324 of them on 224 × 224 pixels",
)
@dataclass(frozen=True, kw_only=True)
class Occlusion(MaskMethod):
    """How far the log-probability of the class falls, averaged over the patches that cover a pixel.

    `size` and `stride` below 1 are shares of the picture's shorter side, from 1 on pixels. Of "A rather than B" the
    difference of log-probabilities falls. Source: Zeiler & Fergus 2014, section 4.2, who draw the probability at the
    patch's centre; the logarithm tells apart what happens close to certainty.
    """

    size: float = 0.2
    stride: float = 0.05

    @override
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        height, width = classifier.preprocessing.size
        boxes = patches(height, width, *self._pixels(min(height, width)))
        engine = self.engine(classifier, image, generator, progress)
        engine.expected = engine.forwards + len(boxes)
        whole = _scores(engine.logits[None], targets)
        shown = in_chunks(engine, len(boxes), lambda part: _without(boxes[part], (height, width)))
        drops = torch.cat([whole - _scores(logits, targets) for _, _, logits in shown], 1)
        maps = covered_mean(drops.numpy(), boxes, (height, width))
        heats = [Heat(target, values) for target, values in zip(targets, maps, strict=True)]
        return Maps(heats, engine.logits, engine.forwards, engine.checks)

    def _pixels(self, side: int) -> tuple[int, int]:
        """Size and stride in pixels."""
        if not 0 < self.stride <= self.size:
            raise UsageError(
                f"a patch of size {self.size:g} every {self.stride:g} leaves pixels out; "
                "give a stride above 0 and no larger than the size"
            )
        in_pixels = [max(round(each * side if each < 1 else each), 1) for each in (self.size, self.stride)]
        size, stride = min(in_pixels[0], side), in_pixels[1]
        return size, min(stride, size)


def _starts(length: int, size: int, stride: int) -> list[int]:
    return [*range(0, length - size, stride), length - size]


def _without(boxes: Sequence[Box], size: tuple[int, int]) -> Tensor:
    masks = torch.ones((len(boxes), *size), dtype=torch.bool)
    for mask, box in zip(masks, boxes, strict=True):
        mask[box] = False
    return masks


def _scores(logits: Tensor, targets: Sequence[Target]) -> Tensor:
    """Log-probability of each target, float64 `(T, n)`."""
    logarithms = logits.double().log_softmax(-1)
    return torch.stack([target.score(logarithms) for target in targets])

"""How far explanations point at what somebody has drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seewhy.explainers import Explanation
from seewhy.images import Image
from seewhy.metrics import Score, Subject
from seewhy.metrics.localisation import EnergyInMask, IoUTopArea, PointingGame
from seewhy.models import Classifier
from seewhy.people.records import BinaryMask
from seewhy.study.scoring import seen_mask

__all__ = ["Agreed", "Agreement", "agreement"]


@dataclass(frozen=True)
class Agreed:
    """One explanation held against a mask.

    Attributes:
        iou: Of the mask, and as large an area of the map's brightest pixels.
        energy: The share of the map's brightness that lies in the mask.
        pointing: Whether the brightest spot does.
    """

    explanation: Explanation
    iou: Score
    energy: Score
    pointing: Score


@dataclass(frozen=True)
class Agreement:
    """Explanations held against a mask, best first.

    Attributes:
        share: Of what the network saw, how much the mask covers, above 0 and up to 1.
    """

    rows: tuple[Agreed, ...]
    share: float

    @property
    def chance(self) -> float:
        """About the IoU with the mask of an area of its size that lies anywhere."""
        return self.share / (2 - self.share)


def agreement(
    classifier: Classifier, image: Image, explanations: Sequence[Explanation], mask: BinaryMask, seed: int = 0
) -> Agreement | None:
    """Hold each explanation against `mask` bool `(H, W)`; None where nothing of it lies in what the network saw."""
    seen = seen_mask(classifier, mask)
    if not seen.any():
        return None
    subject, share = Subject(classifier, image, seen), float(seen.mean())
    columns = [
        metric(subject, explanations, generator=torch.Generator().manual_seed(seed))
        for metric in (IoUTopArea(area=share), EnergyInMask(), PointingGame())
    ]
    rows = [Agreed(*row) for row in zip(explanations, *columns, strict=True)]
    rows.sort(key=lambda row: -1.0 if row.iou.value is None else row.iou.value, reverse=True)
    return Agreement(tuple(rows), share)

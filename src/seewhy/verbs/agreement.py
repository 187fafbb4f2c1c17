"""Agreement of explanations with a mask that somebody drew: IoU, energy inside, pointing game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seewhy.images import Image, Mask
from seewhy.methods import Explanation
from seewhy.metrics import Context, Score
from seewhy.metrics.localisation import EnergyInMask, IoUTopArea, PointingGame
from seewhy.models import Classifier


@dataclass(frozen=True)
class MaskAgreement:
    """How far one explanation agrees with a mask.

    Each score holds what the same method's map of other classes gets, where it is known: a method that marks the object
    whatever is asked does not say why the network chose its class.

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
    """How far explanations agree with a mask, best first.

    Attributes:
        share: Of what the network saw, how much the mask covers, between 0 and 1.
        outside: Of the mask, how much lies where the network does not look, and does not count.
    """

    rows: tuple[MaskAgreement, ...]
    share: float
    outside: float

    @property
    def chance(self) -> float:
        """About the IoU with the mask of an area of its size that lies anywhere."""
        return self.share / (2 - self.share)


def nothing_to_compare(classifier: Classifier, image: Image, mask: Mask) -> str:
    """Why no explanation can agree or disagree with `mask` bool `(H, W)`; empty where it can."""
    seen = classifier.preprocessing.mask(mask)
    if not mask.any():
        return "Nothing is marked in what you saved."
    if not _looked_at(classifier, image, mask).any():
        return "The network looks at the middle of the photo alone, and what you marked lies outside of it."
    if not seen.any():
        height, width = seen.shape
        return f"What you marked is too small for the network, which sees the photo in {width} × {height} pixels."
    if seen.all():
        return "You marked all that the network sees, so every explanation would agree."
    return ""


def agreement(
    classifier: Classifier, image: Image, explanations: Sequence[Explanation], mask: Mask, seed: int = 0
) -> Agreement:
    """Compare each explanation with a mask, which covers something of what the network saw, but not all of it.

    Args:
        classifier: The one that was explained.
        image: The photo that all explanations are of.
        explanations: Of one class.
        mask: bool `(H, W)`, in the photo's own pixels.
        seed: Of all randomness.
    """
    seen = classifier.preprocessing.mask(mask)
    context, share = Context(classifier, image, seen), float(seen.mean())
    columns = [
        metric(context, explanations, generator=torch.Generator().manual_seed(seed))
        for metric in (IoUTopArea(area=share), EnergyInMask(), PointingGame())
    ]
    rows = [MaskAgreement(*row) for row in zip(explanations, *columns, strict=True)]
    rows.sort(key=lambda row: -1.0 if row.iou.value is None else row.iou.value, reverse=True)
    outside = 1 - float(_looked_at(classifier, image, mask).sum() / mask.sum())
    return Agreement(tuple(rows), share, outside)


def _looked_at(classifier: Classifier, image: Image, mask: Mask) -> Mask:
    """The part of the mask that lies where the network looks."""
    left, top, right, bottom = (max(0, round(edge)) for edge in classifier.preprocessing.view(image))
    return mask[top:bottom, left:right]

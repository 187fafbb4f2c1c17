"""What the network says where an area is hidden, and where nothing else is shown: a check on a weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress
from seewhy.engines import MaskedForward
from seewhy.images import Image
from seewhy.methods.cam import enlarge
from seewhy.methods.task import probability, unit
from seewhy.models import Classifier, Target

FILL = "mean"  # as the CAMs have that hide parts of a picture


class Effect(NamedTuple):
    """The class's probability where a cluster's area is hidden, and where nothing else is shown."""

    hidden: float
    shown: float


def effects(
    classifier: Classifier,
    image: Image,
    target: Target,
    maps: Sequence[np.ndarray],
    *,
    generator: torch.Generator,
    progress: Progress,
) -> tuple[list[Effect], int]:
    """The effect of each of maps `(h, w)` of any grid, and how many forwards that took.

    A map, enlarged and stretched to [0, 1], is the mask, and what it hides becomes grey. Source: Feng 2024
    (Cluster-CAM) shows clusters so; we hide them as well.
    """
    if not maps:
        return [], 0
    engine = MaskedForward(classifier, image, FILL, generator=generator, progress=progress)
    engine.expected = engine.forwards + 2 * len(maps)
    masks = torch.cat([_mask(each, classifier) for each in maps])
    logits = engine.maps(torch.cat([1 - masks, masks]))
    hidden, shown = probability(logits, target).view(2, -1).tolist()
    return [Effect(*pair) for pair in zip(hidden, shown, strict=True)], engine.forwards


def _mask(values: np.ndarray, classifier: Classifier) -> Tensor:
    return unit(enlarge(torch.from_numpy(values)[None], classifier))

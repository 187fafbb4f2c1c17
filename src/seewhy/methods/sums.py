"""What pixels add up to in regions: numbers of pixels are noisy, and their sums can be read."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import override

from seewhy.engines import segmenter
from seewhy.images import Image
from seewhy.methods.evidence import CONFIDENT, RegionWeights
from seewhy.methods.gradients import PixelMethod, Query
from seewhy.methods.regions import labels_of, unseen
from seewhy.methods.surrogate import score_unit
from seewhy.methods.task import Task
from seewhy.models import Classifier

# 95 % of means of so many independent numbers lie within so many standard errors.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18}


class SummedOverRegions(PixelMethod):
    """A method whose pixels add up, so that they also have a sum over each of `regions`.

    `regions` names a segmenter, also with its size as in `slic:24`, or is a mask, as for methods over regions. It
    changes no number of a pixel. Of tensors alone, without a picture, no sums are made.

    Raises:
        UnknownName: there is no such segmenter; the nearest are named.
        UsageError: the size of the regions is out of range.
    """

    regions: str | np.ndarray | Image = "slic:24"

    def __post_init__(self) -> None:
        if isinstance(self.regions, str):
            segmenter(self.regions)

    @override
    def obstacle(self, classifier: Classifier) -> str | None:
        return unseen(self.regions, classifier)

    @override
    def labels(self, task: Task) -> np.ndarray | None:
        return labels_of(task, self.regions) if task.images else None


def summed(query: Query, maps: Tensor) -> RegionWeights | None:
    """The mean of independent maps `(n, h, w)`, summed over the query's regions, with errors where they are several.

    Errors are standard errors as of many maps, so that 1.96 of them hold the truth in 95 of 100 cases.
    """
    if query.labels is None:
        return None
    sums = region_sums(maps, query.labels)
    errors = None
    if len(sums) in STUDENT:
        spread = (sums.var(0) / len(sums)).sqrt()
        errors = (spread * STUDENT[len(sums)] / CONFIDENT).numpy()
    unit = score_unit(query.network.classifier.head, query.targets[0])
    return RegionWeights(query.labels, sums.mean(0).numpy(), errors, unit)


def region_sums(maps: Tensor, labels: np.ndarray) -> Tensor:
    """What each region `(h, w)` has of each map `(n, …)`, float64 `(n, regions)`; all that a map has is in a region.

    A cell of a coarser map is shared out evenly among the pixels that it covers.
    """
    regions, flat = torch.from_numpy(labels).long().flatten(), maps.detach().cpu().double()
    if flat.shape[1:] != labels.shape:
        ones = torch.arange(flat[0].numel()).view(1, 1, *flat.shape[1:])
        cells = interpolate(ones.double(), labels.shape, mode="nearest-exact").long().flatten()
        flat = (flat.flatten(1) / cells.bincount(minlength=flat[0].numel()))[:, cells]
    else:
        flat = flat.flatten(1)
    return torch.zeros(len(flat), int(regions.max()) + 1, dtype=torch.float64).index_add_(1, regions, flat)

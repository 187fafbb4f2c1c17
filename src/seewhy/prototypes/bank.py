"""Features of the training pictures, computed once: while the trunk is at rest, nothing else is asked of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.prototypes.network import Trunk
from seewhy.train.data import Pictures, Stream
from seewhy.train.loop import Batch

BATCH = 16
KEPT_BYTES = 3 << 30


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Features of `n` pictures: as they are `(n, C, h, w)`, and halved, as epochs show them, `(copies, n, C, h, w)`.

    Called with a step, it gives the batch of `stream` for that step, with features for inputs; when all copies were
    seen, they come again.
    """

    plain: Tensor
    copies: Tensor
    stream: Stream

    @property
    def labels(self) -> Tensor:
        """The class of each picture, `(n,)`."""
        return self.stream.pictures.labels.to(self.plain.device)

    def __call__(self, step: int) -> Batch:
        """The batch of a step."""
        indices = torch.tensor(self.stream.indices(step))
        copy = step // self.stream.steps_per_epoch % len(self.copies)
        return Batch(self.copies[copy, indices].float(), self.labels[indices], indices)


def filled_bank(trunk: Trunk, stream: Stream, copies: int, progress: Progress = silent) -> FeatureBank:
    """The pictures as they are, and so many copies as `stream` shows them, fewer where memory is short.

    With no copies, the pictures as they are stand for them.
    """
    pictures = stream.pictures
    plain = features_of(trunk, pictures, progress)
    copies = min(copies, KEPT_BYTES // (plain.numel() * torch.half.itemsize))
    total = copies * len(pictures)
    shown = (stream.seen(index, copy) for copy in range(copies) for index in range(len(pictures)))
    changed = torch.cat([*_computed(trunk, pictures, shown, total, progress)]) if copies else plain
    return FeatureBank(plain, changed.half().view(-1, *plain.shape), stream)


def features_of(trunk: Trunk, pictures: Pictures, progress: Progress = silent) -> Tensor:
    """Features `(n, C, h, w)` of pictures as they are."""
    count = len(pictures)
    return torch.cat([*_computed(trunk, pictures, map(pictures.view, range(count)), count, progress)])


def _computed(
    trunk: Trunk, pictures: Pictures, shown: Iterable[Tensor], total: int, progress: Progress
) -> Iterable[Tensor]:
    """Features of uint8 pictures `(3, h, w)`, batch after batch."""
    device = next(trunk.parameters()).device
    source = iter(shown)
    for start in range(0, total, BATCH):
        progress(start, total, "features of pictures")
        batch = torch.stack([next(source) for _ in range(min(BATCH, total - start))])
        with torch.no_grad():
            found = trunk(pictures.preprocessing.normalize(batch.to(device).float().div_(255)))
        yield found

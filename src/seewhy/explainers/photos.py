"""What the classifier says of the photos that an explainer learns from: once, before anything is learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.methods.learned_head import stage_features
from seewhy.models import Classifier
from seewhy.models.stages import coarsest_stages
from seewhy.train.data import ASKED, Pictures

STAGES = 3  # the coarsest grids: 28, 14 and 7 cells a side of most networks
MOST_CLASSES = 64
LIKELY = 2  # classes of each photo that are learned about: what it is taken for, and what it might have been


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos as the classifier sees them: `features` `(n, C, g, g)` of `layers`, and `logits` `(n, K)`."""

    classifier: Classifier
    pictures: Pictures
    layers: tuple[str, ...]
    features: Tensor
    logits: Tensor

    @classmethod
    def of(cls, classifier: Classifier, pictures: Pictures, cells: int, progress: Progress = silent) -> Photos:
        """Ask the classifier about all of them, batch after batch."""
        layers = tuple(coarsest_stages(classifier, STAGES))
        rows: list[tuple[Tensor, Tensor]] = []
        for start in range(0, len(pictures), ASKED):
            progress(start, len(pictures), "what the classifier sees")
            seen = [pictures.view(index) for index in range(start, min(start + ASKED, len(pictures)))]
            x = pictures.inputs(seen, classifier.device).to(classifier.dtype)
            found = [stage_features(classifier, part, layers, cells) for part in x.split(classifier.at_once(ASKED))]
            rows += [(features.cpu(), logits.float().cpu()) for features, logits in found]
        return cls(classifier, pictures, layers, *(torch.cat(each) for each in zip(*rows, strict=True)))

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, indices: Sequence[int]) -> Photos:
        """These of them, in this order."""
        places = torch.tensor([*indices], dtype=torch.int64)
        kept = self.features[places], self.logits[places]
        return Photos(self.classifier, self.pictures.part(indices), self.layers, *kept)

    @property
    def predicted(self) -> Tensor:
        """The class that each is taken for, int64 `(n,)`."""
        return self.classifier.head.likeliest(self.logits)[:, 0]


def learned_classes(photos: Photos) -> list[int]:
    """The classes to learn about: all of a network of few, else the commonest that these photos are likely to be.

    Raises:
        UsageError: the network has no classes.
    """
    head, count = photos.classifier.head, photos.logits.shape[1]
    if head.meaning == "values":
        raise UsageError("an explainer is trained about classes, and this network gives values")
    if count <= MOST_CLASSES:
        return list(range(count))
    first = Counter(photos.predicted.tolist())
    likely = Counter(photos.logits.topk(LIKELY).indices.flatten().tolist())
    ordered = sorted(likely, key=lambda index: (-first[index], -likely[index], index))
    return sorted(ordered[:MOST_CLASSES])

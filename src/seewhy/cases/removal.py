"""The least evidence without which the decision turns: regions hidden in the order of what they add to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.engines import MaskedForward, find_fill, segment
from seewhy.methods.regions import seen_pixels

if TYPE_CHECKING:
    from seewhy.images import Image
    from seewhy.models import Box, Classifier, Prediction

REGIONS, FILL = "slic", "blur"


@dataclass(frozen=True, eq=False)
class Removal:
    """Regions `hidden` of `labels` int `(h, w)` over `view`: without them the classifier says `prediction`.

    `area` is their share of what the network saw, `fill` what they were replaced with.
    """

    labels: np.ndarray
    view: Box
    hidden: tuple[int, ...]
    area: float
    prediction: Prediction
    fill: str


def least_removal(
    classifier: Classifier,
    image: Image,
    *,
    regions: str | np.ndarray = REGIONS,
    fill: str = FILL,
    generator: torch.Generator,
    progress: Progress = silent,
) -> Removal | None:
    """Hide regions, the most important first, until the class changes; then show again what need not be hidden.

    None where the class stays with all of them hidden. A region's importance is how much the class's log-probability
    drops when it alone is hidden. What is found is a set of which no single region can be spared; a smaller one of
    other regions may exist. The last word is the classifier's own, not that of the engine's fast copy of it.
    """
    labels = segment(seen_pixels(classifier, image), regions)
    engine = MaskedForward(
        classifier, image, fill, labels=labels, generator=generator, precision="float32", progress=progress
    )
    own = int(engine.logits.argmax())
    picture = _Hidden(classifier, image, labels, fill, generator)
    order = _order(engine, own)
    shown = ~torch.tril(torch.ones((engine.regions, engine.regions), dtype=torch.bool))[:, order.argsort()]
    for coalition in shown[engine(shown).argmax(1) != own]:  # each hides one region more
        if (hidden := _pruned(engine, coalition, order, own)) and (prediction := picture.says(hidden)).index != own:
            area = float(np.isin(labels, hidden).mean())
            return Removal(labels, classifier.preprocessing.view(image), hidden, area, prediction, fill)
    return None


def _order(engine: MaskedForward, own: int) -> Tensor:
    """Regions, the most important first."""
    alone = ~torch.eye(engine.regions, dtype=torch.bool)
    return engine(alone).log_softmax(1)[:, own].argsort(stable=True)


def _pruned(engine: MaskedForward, coalition: Tensor, order: Tensor, own: int) -> tuple[int, ...]:
    """The hidden regions of `coalition` less those that can be shown again, the least important tried first."""
    kept = coalition.clone()
    for region in order.flip(0).tolist():
        if not kept[region]:
            kept[region] = True
            if int(engine(kept[None])[0].argmax()) == own:
                kept[region] = False
    return tuple((~kept).nonzero().flatten().tolist())


class _Hidden:
    """The picture as the classifier itself sees it with regions hidden."""

    def __init__(
        self, classifier: Classifier, image: Image, labels: np.ndarray, fill: str, generator: torch.Generator
    ) -> None:
        self._classifier = classifier
        self._labels = torch.from_numpy(labels.astype(np.int64)).to(classifier.device)
        self._pixels = classifier.preprocessing.pixels([image]).to(classifier.device)
        self._filler = find_fill(fill).prepare(self._pixels[0], self._labels, generator)

    def says(self, hidden: tuple[int, ...]) -> Prediction:
        """The likeliest class."""
        classifier = self._classifier
        kept = ~torch.isin(self._labels, torch.tensor(hidden, device=self._labels.device))[None]
        fill = self._filler(kept, torch.zeros(1, dtype=torch.int64, device=kept.device))
        x = classifier.preprocessing.normalize(torch.where(kept[:, None], self._pixels, fill))
        with torch.no_grad():
            return classifier.ranked(classifier.logits(x.to(classifier.dtype))[0].softmax(0), 1)[0]

"""Ask the network about a picture with parts of it hidden, for many explanations at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress
from seewhy.engines import Fill, MaskedForward
from seewhy.images import Image
from seewhy.methods import Explanation
from seewhy.methods.task import in_chunks, probability
from seewhy.metrics.ordering import Hiding, draw_ties, keep_of, pixel_ranks
from seewhy.models import Classifier

Question = tuple[Explanation | None, Hiding]  # of no explanation where it is the same for all


class Hider:
    """The masked-forward engine for one picture and fill, with the answers about pixels in order of relevance.

    `ties` `(h, w)` is the order of equal pixels. What several metrics ask, such as deletion and its difference to
    insertion, is asked of the network once.
    """

    def __init__(self, classifier: Classifier, image: Image, fill: str | Fill, seed: int, progress: Progress) -> None:
        generator = torch.Generator().manual_seed(seed)
        # What half precision rounds would count as a change of confidence.
        self.engine = MaskedForward(
            classifier, image, fill, generator=generator, precision="float32", progress=progress
        )
        self.ties = draw_ties(classifier.preprocessing.size, seed)
        self._known: dict[Question, Tensor] = {}

    def logits(self, count: int, masks: Callable[[slice], Tensor]) -> Tensor:
        """Float32 logits `(count, K)`; `masks` gives those `(n, h, w)` of a slice, 1 or true where kept."""
        self.engine.expected = self.engine.forwards + count
        rows = [logits for _, _, logits in in_chunks(self.engine, count, masks)]
        return torch.cat(rows) if rows else torch.empty((0, len(self.engine.classifier.categories)))

    def softly(self, explanations: Sequence[Explanation], mask: Callable[[Explanation], np.ndarray]) -> np.ndarray:
        """The probability of what each explains, `(n,)`, under its float mask `(h, w)`, 1 where kept."""
        logits = self.logits(len(explanations), lambda part: _stacked([mask(each) for each in explanations[part]]))
        return np.array([_probability(row, each) for row, each in zip(logits, explanations, strict=True)])

    def ranked(self, explanations: Sequence[Explanation], hidings: Sequence[Hiding]) -> np.ndarray:
        """The probability of what each explains under each hiding of its pixels, `(n, hidings)`."""
        questions = [[self._question(each, way) for way in hidings] for each in explanations]
        self._ask([each for each in dict.fromkeys(chain.from_iterable(questions)) if each not in self._known])
        found = [
            [_probability(self._known[question], each) for question in row]
            for row, each in zip(questions, explanations, strict=True)
        ]
        return np.array(found).reshape(len(explanations), len(hidings))

    def _question(self, explanation: Explanation, way: Hiding) -> Question:
        if way.pixels in {0, self.ties.size}:
            return None, way._replace(end="highest")
        return explanation, way

    def _ask(self, questions: Sequence[Question]) -> None:
        asked = dict.fromkeys(explanation for explanation, _ in questions)
        ranks = {each: self.ties if each is None else pixel_ranks(each.values, self.ties) for each in asked}
        logits = self.logits(
            len(questions), lambda part: _stacked([keep_of(ranks[each], way) for each, way in questions[part]])
        )
        self._known.update(zip(questions, logits, strict=True))


def _stacked(masks: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(masks))


def _probability(logits: Tensor, explanation: Explanation) -> float:
    return float(probability(logits, explanation.target))

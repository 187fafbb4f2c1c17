"""What metrics share that look at one explanation at a time, some of them by explaining again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from seewhy.core.progress import Progress, silent
from seewhy.images import Image
from seewhy.methods import Explanation, Method
from seewhy.metrics.correlation import is_flat
from seewhy.metrics.subject import Score, Subject
from seewhy.models import Classifier, Target


@dataclass(frozen=True, kw_only=True)
class OneByOne(ABC):
    """A metric whose scores have nothing to share."""

    @abstractmethod
    def score(
        self, subject: Subject, explanation: Explanation, generator: torch.Generator, progress: Progress
    ) -> Score:
        """The score of one explanation; the generator is as fresh for each."""

    def __call__(
        self,
        subject: Subject,
        explanations: Sequence[Explanation],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Score]:
        """See `Metric`."""
        scores: list[Score] = []
        for done, each in enumerate(explanations, start=1):
            fresh = torch.Generator().manual_seed(generator.initial_seed())
            scores.append(self.score(subject, each, fresh, progress))
            progress(done, len(explanations), "explanations")
        return scores


@dataclass(frozen=True)
class Repeat:
    """Makes an explanation again, with one thing changed."""

    method: Method
    explanation: Explanation
    progress: Progress

    def __call__(
        self, classifier: Classifier, images: Sequence[Image], *, target: Target | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Maps `(n, h, w)` of pictures; target and seed are the explanation's unless given."""
        seed = seed if seed is not None else self.explanation.seed or 0
        targets = [[target or self.explanation.target]] * len(images)
        generator = torch.Generator().manual_seed(seed)
        found = self._method(classifier, images, targets, generator=generator, progress=self.progress)
        return np.stack([each.values for each in found])

    @property
    def _method(self) -> Method:
        """For the layer that was explained, where the method was asked about several, or chose one itself."""
        if self.explanation.layer is None or "layers" not in self.method.info.parameters:
            return self.method
        method: Any = self.method
        return replace(method, layers=(self.explanation.layer,))


@dataclass(frozen=True, kw_only=True)
class Repeating(OneByOne):
    """A metric that explains again and compares."""

    @abstractmethod
    def compare(self, subject: Subject, explanation: Explanation, repeat: Repeat, generator: torch.Generator) -> Score:
        """The score of an explanation that is not flat."""

    @override
    def score(
        self, subject: Subject, explanation: Explanation, generator: torch.Generator, progress: Progress
    ) -> Score:
        method = subject.methods.get(explanation)
        if method is None:
            return Score.undefined("what made this map was not given, so it cannot be made again")
        if is_flat(explanation.values):
            return Score.undefined("the map is the same everywhere, so there is nothing to compare")
        return self.compare(subject, explanation, Repeat(method, explanation, progress), generator)

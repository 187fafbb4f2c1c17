"""What metrics are asked about: maps of one picture as one network sees it, and the network under masks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress
from seewhy.engines import Fill, MaskedForward, find_fill
from seewhy.errors import NonFinite, UsageError
from seewhy.images import Image
from seewhy.methods import Explanation, Method
from seewhy.methods.task import in_chunks, probability
from seewhy.metrics.maps import TopK, draw_ties, keep_of, pixel_ranks
from seewhy.models import Classifier, Target


@dataclass(frozen=True, eq=False)
class Score:
    """One number about one map, with the curve it was read off where there is one.

    Where the number has no meaning, `value` is None and `reason` says why, in words.
    """

    value: float | None
    curve: np.ndarray | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not np.isfinite(self.value):
            raise NonFinite(f"a metric gave {self.value}; say why there is no value instead")

    @classmethod
    def undefined(cls, reason: str) -> Score:
        """There is no such number, for this reason."""
        return cls(None, reason=reason)


@dataclass(frozen=True, eq=False)
class Map:
    """A map `(h, w)` of a target that no method made, or one made of a method's; see `Explanation`."""

    values: np.ndarray
    target: Target
    method: str = ""
    layer: str | None = None
    seed: int | None = None


Attribution: TypeAlias = Explanation | Map


@dataclass(frozen=True, eq=False)
class Context:
    """One picture as one classifier sees it, with what some metrics need besides the maps.

    Args:
        classifier: whose decision was explained.
        image: the picture.
        mask: where people see the object, bool `(h, w)` over what the network saw.
        methods: what made each map, for metrics that explain again.
    """

    classifier: Classifier
    image: Image
    mask: np.ndarray | None = None
    methods: Mapping[Attribution, Method] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = self.classifier.preprocessing.size
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.shape != size):
            raise UsageError(f"a mask is bool {size}, what the network sees, not {self.mask.dtype} {self.mask.shape}")

    @cached_property
    def pixels(self) -> Tensor:
        """What the network saw, `(3, h, w)` in [0, 1] on the CPU."""
        return self.classifier.preprocessing.pixels([self.image])[0]

    def framed(self, pixels: Tensor) -> Image:
        """A picture of which the classifier sees exactly `pixels` `(3, h, w)` in [0, 1], rounded to 8 bits."""
        levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        preprocessing = self.classifier.preprocessing
        if preprocessing.resize is None:
            return Image(levels, self.image.name)
        canvas = np.zeros((preprocessing.resize, preprocessing.resize, 3), np.uint8)
        left, top, right, bottom = map(int, preprocessing.view(Image(canvas, self.image.name)))
        canvas[top:bottom, left:right] = levels
        return Image(canvas, self.image.name)

    def shown(self, mask: np.ndarray, fill: str | Fill, generator: torch.Generator) -> Image:
        """What the network saw where `mask` float `(h, w)` is 1, and the fill where it is 0, framed."""
        weights = torch.from_numpy(mask)[None]
        filler = find_fill(fill).prepare(self.pixels, None, generator)
        hidden = filler(weights, torch.zeros(1, dtype=torch.int64))[0]
        return self.framed(hidden + weights * (self.pixels - hidden))

    def perturber(self, fill: str | Fill, generator: torch.Generator, progress: Progress) -> Perturber:
        """What asks the network about the picture with parts hidden by `fill`; made once for each seed."""
        seed = generator.initial_seed()
        for known, drawn, perturber in self._perturbers:
            if (known, drawn) == (fill, seed):
                perturber.engine.progress = progress
                return perturber
        perturber = Perturber(self.classifier, self.image, fill, seed, progress)
        self._perturbers.append((fill, seed, perturber))
        return perturber

    @cached_property
    def _perturbers(self) -> list[tuple[str | Fill, int, Perturber]]:
        return []


@dataclass(frozen=True, eq=False)
class Question:
    """What a metric is asked: maps of one picture."""

    context: Context
    maps: Sequence[Attribution]
    generator: torch.Generator
    progress: Progress

    def perturber(self, fill: str | Fill) -> Perturber:
        """What asks the network about the picture with parts hidden by `fill`."""
        return self.context.perturber(fill, self.generator, self.progress)

    def fresh(self) -> torch.Generator:
        """A generator at its seed."""
        return torch.Generator().manual_seed(self.generator.initial_seed())


Asked: TypeAlias = tuple[Attribution | None, TopK]  # of no map where it is the same for all


class Perturber:
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
        self._classes = len(classifier.categories)
        self._known: dict[Asked, Tensor] = {}

    def logits(self, count: int, masks: Callable[[slice], Tensor]) -> Tensor:
        """Float32 logits `(count, K)`; `masks` gives those `(n, h, w)` of a slice, 1 or true where kept."""
        self.engine.expected = self.engine.forwards + count
        rows = [logits for _, _, logits in in_chunks(self.engine, count, masks)]
        return torch.cat(rows) if rows else torch.empty((0, self._classes))

    def softly(self, maps: Sequence[Attribution], mask: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """The probability of each map's target, `(n,)`, under `mask` of its values, float `(h, w)`, 1 where kept."""
        logits = self.logits(len(maps), lambda part: _stacked([mask(each.values) for each in maps[part]]))
        return _probabilities(maps, logits[:, None])[:, 0]

    def ranked(self, maps: Sequence[Attribution], hidden: Sequence[TopK]) -> np.ndarray:
        """The probability of each map's target under each top-k mask of it, `(n, hidden)`."""
        questions = [[self._question(each, way) for way in hidden] for each in maps]
        self._ask([each for each in dict.fromkeys(chain.from_iterable(questions)) if each not in self._known])
        if not questions or not hidden:
            return np.empty((len(maps), len(hidden)))
        rows = [torch.stack([self._known[each] for each in row]) for row in questions]
        return _probabilities(maps, torch.stack(rows))

    def _question(self, each: Attribution, way: TopK) -> Asked:
        if way.pixels in {0, self.ties.size}:
            return None, way._replace(end="highest")
        return each, way

    def _ask(self, questions: Sequence[Asked]) -> None:
        asked = dict.fromkeys(each for each, _ in questions)
        ranks = {each: self.ties if each is None else pixel_ranks(each.values, self.ties) for each in asked}
        logits = self.logits(
            len(questions), lambda part: _stacked([keep_of(ranks[each], way) for each, way in questions[part]])
        )
        self._known.update(zip(questions, logits, strict=True))


def _stacked(masks: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(masks))


def _probabilities(maps: Sequence[Attribution], logits: Tensor) -> np.ndarray:
    """The probability of each map's target, `(n, k)`, of logits `(n, k, K)`; targets are mostly one and the same."""
    found = np.empty(logits.shape[:2])
    targets = [each.target for each in maps]
    for target in dict.fromkeys(targets):
        rows = [row for row, each in enumerate(targets) if each == target]
        found[rows] = probability(logits[rows], target).numpy()
    return found

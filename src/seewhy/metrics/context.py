"""What metrics are asked about: maps of one picture as one network sees it, and the network under masks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress
from seewhy.engines import Answers, Fill, MaskedForward, find_fill
from seewhy.errors import ExplainError, NonFinite, UsageError
from seewhy.images import Image, from_values
from seewhy.methods import Explanation, Method
from seewhy.methods.other_classes import CHECK
from seewhy.methods.task import in_chunks
from seewhy.models import Classifier, Target

End = Literal["highest", "lowest"]
OTHERS = 2  # classes that a map's method is asked about beside its own


class TopK(NamedTuple):
    """Hide this many pixels from one end of a map's order."""

    end: End
    pixels: int

    @classmethod
    def share(cls, end: End, share: float, total: int) -> TopK:
        """Hide this share of so many pixels."""
        return cls(end, round(share * total))


NOTHING = TopK("highest", 0)


def draw_ties(size: tuple[int, int], seed: int) -> np.ndarray:
    """Random order `(h, w)` in which equal pixels stand: a permutation, the same for every map."""
    order = torch.randperm(size[0] * size[1], generator=torch.Generator().manual_seed(seed))
    return order.view(size).numpy()


def pixel_ranks(values: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Rank of each pixel, int32 `(h, w)`: 0 for the least relevant, equal ones in the order of `ties`."""
    order = np.lexsort((ties.ravel(), values.ravel()))
    ranks = np.empty(values.size, np.int32)
    ranks[order] = np.arange(values.size, dtype=np.int32)
    return ranks.reshape(values.shape)


def keep_of(ranks: np.ndarray, hidden: TopK) -> np.ndarray:
    """Bool `(h, w)`, true where a pixel stays visible."""
    if hidden.end == "highest":
        return ranks < ranks.size - hidden.pixels
    return ranks >= hidden.pixels


def evidence(values: np.ndarray) -> np.ndarray:
    """What speaks for the class: negative values are 0."""
    return values.clip(min=0)


def soft_mask(values: np.ndarray) -> np.ndarray:
    """The evidence for the class stretched to [0, 1]; a flat map shows everything, an empty one nothing."""
    positive = evidence(values)
    low, high = positive.min(), positive.max()
    return (positive - low) / (high - low) if low < high else np.where(positive > 0, 1, positive)


def cell_labels(size: tuple[int, ...], cells: int) -> np.ndarray:
    """The cell of each pixel, int `(h, w)`, of `cells` × `cells`, row by row; a pixel is where its centre lies."""
    rows, columns = ((2 * np.arange(length) + 1) * cells // (2 * length) for length in size)
    return rows[:, None] * cells + columns


def cell_means(values: np.ndarray, cells: int) -> np.ndarray:
    """The mean of a map `(h, w)` in each cell, float64 `(cells²,)`; 0 where a cell holds no pixel."""
    labels = cell_labels(values.shape, cells).ravel()
    sums = np.bincount(labels, values.ravel().astype(np.float64), cells * cells)
    return sums / np.maximum(np.bincount(labels, minlength=cells * cells), 1)


def in_cells(values: np.ndarray, cells: int) -> np.ndarray:
    """Maps `(…, h, w)` with every pixel the mean of its cell: areas and single pixels are compared like with like."""
    labels = cell_labels(values.shape[-2:], cells)
    maps = values.reshape(-1, *labels.shape)
    means = np.array([cell_means(each, cells) for each in maps]).reshape(-1, cells * cells)
    return means[:, labels].reshape(values.shape)


def is_flat(values: np.ndarray) -> bool:
    """Whether all values are the same, so that there is nothing to compare."""
    return bool(values.min() == values.max())


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Linear correlation in [-1, 1]; 0 where either is flat."""
    if is_flat(one) or is_flat(other):
        return 0.0
    left, right = (_standardised(each) for each in (one, other))
    return float(np.clip(left @ right, -1, 1))


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of ranks in [-1, 1], equal values sharing their mean rank; 0 where either is flat."""
    return pearson(ranks(one.ravel()), ranks(other.ravel()))


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 along the last axis, float64; equal values share their mean rank."""
    order = values.argsort(axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    differs = ordered[..., 1:] != ordered[..., :-1]
    ends = np.ones((*values.shape[:-1], 1), bool)
    places = np.arange(1, values.shape[-1] + 1)
    first = np.maximum.accumulate(np.where(np.concatenate([ends, differs], -1), places, 0), axis=-1)
    last = np.where(np.concatenate([differs, ends], -1), places, len(places))
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty(values.shape)
    np.put_along_axis(found, order, (first + last) / 2, axis=-1)
    return found


def _standardised(values: np.ndarray) -> np.ndarray:
    """Flat, with mean 0 and length 1."""
    centred = values.ravel().astype(np.float64)
    centred = centred / np.abs(centred).max()
    centred -= centred.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > 0 else centred


@dataclass(frozen=True, eq=False)
class Score:
    """One number about one map, with the curve it was read off where there is one.

    Where the number has no meaning, `value` is None and `reason` says why, in words. `other_classes` is what the same
    method's maps of other classes score on average, where that was asked.
    """

    value: float | None
    curve: np.ndarray | None = None
    reason: str = ""
    other_classes: float | None = None

    def __post_init__(self) -> None:
        if not all(each is None or np.isfinite(each) for each in (self.value, self.other_classes)):
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
        answers: what was asked of the network about this picture already; what metrics ask is added.
    """

    classifier: Classifier
    image: Image
    mask: np.ndarray | None = None
    methods: Mapping[Attribution, Method] = field(default_factory=dict)
    answers: Answers = field(default_factory=Answers)

    def __post_init__(self) -> None:
        size = self.classifier.preprocessing.size
        if self.mask is not None and (self.mask.dtype != np.bool_ or self.mask.shape != size):
            raise UsageError(f"a mask is bool {size}, what the network sees, not {self.mask.dtype} {self.mask.shape}")

    @cached_property
    def pixels(self) -> Tensor:
        """What the network saw, `(C, h, w)` in [0, 1] on the CPU."""
        return self.classifier.preprocessing.pixels([self.image])[0]

    def framed(self, pixels: Tensor) -> Image:
        """A picture of which the classifier sees exactly `pixels` `(C, h, w)` in [0, 1], rounded to 8 bits."""
        levels = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        return from_values(self.classifier.preprocessing.framed(levels), self.image.name, alpha=False)

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
        perturber = Perturber(self, fill, seed, progress)
        self._perturbers.append((fill, seed, perturber))
        return perturber

    def of_other_classes(self, each: Attribution, seed: int, progress: Progress) -> Sequence[np.ndarray] | None:
        """What the map's method finds for `OTHERS` classes that the seed draws, each `(h, w)`; made once.

        Where what made the map is not at hand, the mean map of other likely classes stands for them, which many
        explanations hold. None where there is neither, or the method has no map of another class. The map of a method
        that no class plays a part in is that of every class.
        """
        known = self._other_classes.get((each, seed))
        if known is None:
            known = self._other_classes[each, seed] = self._explained_otherwise(each, seed, progress)
        return known or None

    def _explained_otherwise(self, each: Attribution, seed: int, progress: Progress) -> Sequence[np.ndarray]:
        method: Any = self.methods.get(each)
        if method is None:
            return self._held(each)
        target = each.target
        named = {target.index, *target.also, target.against}
        others = [index for index in range(len(self.classifier.categories)) if index not in named]
        if not others:
            return ()
        if method.class_blind or method.kind == "control":
            return (each.values,)
        if each.layer is not None and "layers" in method.parameters:
            method = replace(method, layers=(each.layer,))  # it may have been asked about several
        order = torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))[:OTHERS]
        asked = [[Target(others[int(place)]) for place in order]]
        generator = torch.Generator().manual_seed(each.seed or 0)
        try:
            found = method(
                self.classifier, [self.image], asked, generator=generator, progress=progress, answers=self.answers
            )
        except (ExplainError, UsageError):
            return ()
        return [explanation.values for explanation in found]

    def _held(self, each: Attribution) -> Sequence[np.ndarray]:
        if isinstance(each, Map):
            return ()
        if each.checks.get(CHECK) == 0:  # the same map for every class
            return (each.values,)
        return () if each.others is None else (each.others,)

    @cached_property
    def _other_classes(self) -> dict[tuple[Attribution, int], Sequence[np.ndarray]]:
        return {}

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

    def __init__(self, about: Context, fill: str | Fill, seed: int, progress: Progress) -> None:
        classifier = about.classifier
        self.engine = MaskedForward(
            classifier,
            about.image,
            fill,
            generator=torch.Generator().manual_seed(seed),
            precision="float32",  # what half precision rounds would count as a change of confidence
            progress=progress,
            answers=about.answers,
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
        return self._read(maps, logits[:, None], self.engine.classifier.head.probability)[:, 0]

    def ranked(self, maps: Sequence[Attribution], hidden: Sequence[TopK]) -> np.ndarray:
        """The probability of each map's target under each top-k mask of it, `(n, hidden)`."""
        return self._read(maps, self._under(maps, hidden), self.engine.classifier.head.probability)

    def said(self, maps: Sequence[Attribution], hidden: Sequence[TopK]) -> np.ndarray:
        """Whether the network still says each map's target under each top-k mask of it, 0 or 1 `(n, hidden)`."""
        head = self.engine.classifier.head
        return self._read(maps, self._under(maps, hidden), lambda logits, target: head.margin(logits, target)[0] > 0)

    def _under(self, maps: Sequence[Attribution], hidden: Sequence[TopK]) -> Tensor:
        """Logits `(n, hidden, K)`, of which those that are not known are asked for."""
        questions = [[self._question(each, way) for way in hidden] for each in maps]
        self._ask([each for each in dict.fromkeys(chain.from_iterable(questions)) if each not in self._known])
        if not questions or not hidden:
            return torch.empty((len(maps), len(hidden), self._classes))
        return torch.stack([torch.stack([self._known[each] for each in row]) for row in questions])

    def _read(
        self, maps: Sequence[Attribution], logits: Tensor, what: Callable[[Tensor, Target], Tensor]
    ) -> np.ndarray:
        """What of each map's target, `(n, k)`, of logits `(n, k, K)`; targets are mostly one and the same."""
        found = np.empty(logits.shape[:2])
        targets = [each.target for each in maps]
        for target in dict.fromkeys(targets):
            rows = [row for row, each in enumerate(targets) if each == target]
            found[rows] = what(logits[rows], target).numpy()
        return found

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

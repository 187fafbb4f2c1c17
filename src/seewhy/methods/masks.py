"""Methods that hide soft parts of a picture and see what becomes of the answer."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import Fill, MaskedForward
from seewhy.engines.inference import Precision
from seewhy.errors import UsageError
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task, enlarge, in_chunks, of_targets


class MaskMethod(Method):
    """A method that hides soft parts of the picture.

    `fill` is what hidden parts are replaced with; `precision` and `batch_size` are the engine's.
    """

    family = "masks"

    fill: str | Fill = "mean"
    precision: Precision | Literal["auto"] = "auto"
    batch_size: int | None = None

    def engine(self, task: Task) -> MaskedForward:
        """The engine that hides parts of the task's picture."""
        return task.masked(self.fill, precision=self.precision, batch_size=self.batch_size)


Patch = tuple[slice, slice]


def patches(height: int, width: int, size: int, stride: int) -> list[Patch]:
    """Squares of `size` every `stride` pixels, the last ones flush with the edge: every pixel lies in one at least."""
    return [
        (slice(top, top + size), slice(left, left + size))
        for top, left in product(_starts(height, size, stride), _starts(width, size, stride))
    ]


def covered_mean(drops: np.ndarray, places: Sequence[Patch], size: tuple[int, int]) -> np.ndarray:
    """For each pixel the mean of `drops` `(T, n)` over the patches that cover it, float64 `(T, h, w)`."""
    totals, counts = np.zeros((len(drops), *size)), np.zeros(size)
    for place, drop in zip(places, drops.T, strict=True):
        totals[:, *place] += drop[:, None, None]
        counts[place] += 1
    return totals / counts


class Occlusion(MaskMethod):
    """How far the log-probability of the class falls, averaged over the patches that cover a pixel.

    `size` and `stride` below 1 are shares of the picture's shorter side, from 1 on pixels. Of "A rather than B" the
    difference of log-probabilities falls. Source: Zeiler & Fergus 2014, section 4.2, who draw the probability at the
    patch's centre; the logarithm tells apart what happens close to certainty.
    """

    name = "occlusion"
    title = "Occlusion"
    status = "verified"
    first = True
    paper = "Zeiler & Fergus 2014"
    arxiv = "1311.2901"
    signed = True
    question = "How much does the answer suffer when this spot is covered?"
    reading = (
        "Covering a warm spot makes the class less likely, covering a cold one makes it likelier. The patch is "
        "large, so read areas, not outlines; what the picture shows twice can stay pale, since one is enough."
    )
    cost = "one forward per place of the patch: 324 of them on 224 × 224 pixels"
    others = "each"

    size: float = 0.2
    stride: float = 0.05

    def __post_init__(self) -> None:
        self._pixels(1)

    @override
    def find(self, task: Task) -> list[Found]:
        height, width = task.size
        places = patches(height, width, *self._pixels(min(height, width)))
        engine = self.engine(task)
        engine.expected = engine.forwards + len(places)
        score = task.classifier.head.log_probability
        whole = of_targets(score, task.logits.cpu(), task.asked)
        shown = in_chunks(engine, len(places), lambda part: _without(places[part], (height, width)))
        drops = torch.cat([whole - of_targets(score, logits, task.asked) for _, _, logits in shown], 1)
        return [Found(values) for values in covered_mean(drops.numpy(), places, (height, width))]

    def _pixels(self, side: int) -> tuple[int, int]:
        """Size and stride in pixels."""
        if not 0 < self.stride <= self.size:
            raise UsageError(
                f"a patch of size {self.size:g} every {self.stride:g} leaves pixels out; "
                "give a stride above 0 and no larger than the size"
            )
        in_pixels = [max(round(each * side if each < 1 else each), 1) for each in (self.size, self.stride)]
        size, stride = min(in_pixels[0], side), in_pixels[1]
        return size, min(stride, size)


def _starts(length: int, size: int, stride: int) -> list[int]:
    return [*range(0, length - size, stride), length - size]


def _without(places: Sequence[Patch], size: tuple[int, int]) -> Tensor:
    masks = torch.ones((len(places), *size), dtype=torch.bool)
    for mask, place in zip(masks, places, strict=True):
        mask[place] = False
    return masks


def random_masks(count: int, size: tuple[int, int], cells: int, keep: float, generator: torch.Generator) -> Tensor:
    """Masks `(count, h, w)` in [0, 1] with mean `keep` at every pixel.

    `cells` × `cells` random cells, enlarged bilinearly and moved by a random part of one.
    Source: Petsiuk 2018, section 3.2.
    """
    grids = (torch.rand((count, cells, cells), generator=generator) < keep).float()
    steps = [-(-side // cells) for side in size]
    moves = torch.stack([torch.randint(step, (count,), generator=generator) for step in steps], 1).tolist()
    large = enlarge(grids, ((cells + 1) * steps[0], (cells + 1) * steps[1]))
    height, width = size
    return torch.stack(
        [each[top : top + height, left : left + width] for each, (top, left) in zip(large, moves, strict=True)]
    )


class Sums(NamedTuple):
    """What is added up over the masks, float64: S is a score, D how much more than on average a pixel was visible."""

    drawn: Tensor
    scores: Tensor  # S, (T,)
    shown: Tensor  # D, (h, w)
    shown_squared: Tensor  # D², (h, w)
    together: Tensor  # S D, (T, h, w)
    mixed: Tensor  # S D², (T, h, w)
    squared: Tensor  # S² D², (T, h, w)

    @classmethod
    def of(cls, scores: Tensor, masks: Tensor, keep: float) -> Sums:
        """Of scores `(T, n)` under masks `(n, h, w)`."""
        shown = masks - keep
        squares = shown.square()

        def weighed(weights: Tensor, masks: Tensor) -> Tensor:
            return torch.einsum("tn,nhw->thw", weights.to(masks), masks).double()

        return cls(
            torch.tensor(len(masks)),
            scores.sum(1),
            shown.sum(0).double(),
            squares.sum(0).double(),
            weighed(scores, shown),
            weighed(scores, squares),
            weighed(scores.square(), squares),
        )

    def plus(self, other: Sums) -> Sums:
        """Of both."""
        return Sums._make(map(operator.add, self, other))

    def covariance(self) -> Tensor:
        """Of score and visibility, unbiased, `(T, h, w)`."""
        return (self.together - self._mean() * self.shown) / (self.drawn - 1)

    def error(self) -> Tensor:
        """The standard error of `covariance`, `(T, h, w)`."""
        mean = self._mean()
        squares = self.squared - 2 * mean * self.mixed + mean.square() * self.shown_squared
        variance = squares / self.drawn - self.covariance().square()
        return (variance.clamp(min=0) / self.drawn).sqrt()

    def _mean(self) -> Tensor:
        return (self.scores / self.drawn)[:, None, None]


class RISE(MaskMethod):
    """The mean probability of the class when a pixel is visible, less its mean over all masks.

    `masks` random masks of `cells` × `cells` cells, each visible with probability `keep`. The check `standard_error`
    is the map's, averaged over pixels; `noise` is the share of the map's variation that chance explains;
    `mean_score` added to the map gives the paper's. Source: Petsiuk 2018, section 3.1. What is there a plain sum,
    E[S M] / E[M], is here estimated as E[S] + Cov(S, M) / E[M] with E[M] = `keep`: the same number expected, with
    far less noise for the same masks.
    """

    name = "rise"
    title = "RISE"
    status = "verified"
    first = True
    stochastic = True
    paper = "Petsiuk et al. 2018"
    arxiv = "1806.07421"
    signed = True
    question = "Which pixels were visible when the class stayed likely, though half of the picture was hidden?"
    reading = (
        "Seeing a warm area made the class likelier than it was on average under random masks, seeing a cold one "
        "made it less likely. The map comes from chance: small blotches far from any object are noise, and more masks "
        "make them fainter."
    )
    cost = "2000 forwards, however many classes are asked about"
    others = "each"

    masks: int = 2000
    cells: int = 7
    keep: float = 0.5

    def __post_init__(self) -> None:
        if self.masks < 2 or self.cells < 1 or not 0 < self.keep < 1:
            raise UsageError(
                f"rise wants 2 masks or more, 1 cell or more and keep between 0 and 1, not masks={self.masks}, "
                f"cells={self.cells}, keep={self.keep:g}"
            )

    @override
    def find(self, task: Task) -> list[Found]:
        engine = self.engine(task)
        engine.expected = engine.forwards + self.masks

        def draw(part: slice) -> Tensor:
            count = part.stop - part.start
            return random_masks(count, task.size, self.cells, self.keep, task.generator)

        score = task.classifier.head.probability
        whole = of_targets(score, task.logits.cpu(), task.asked)
        sums: Sums | None = None
        for _, masks, logits in in_chunks(engine, self.masks, draw):
            # What all scores have in common changes nothing, and would cost digits.
            more = Sums.of(of_targets(score, logits, task.asked) - whole, masks, self.keep)
            sums = sums.plus(more) if sums else more
        return _found(sums, whole, self.keep) if sums else []


def _found(sums: Sums, whole: Tensor, keep: float) -> list[Found]:
    means = sums.scores / sums.drawn + whole[:, 0]
    maps, errors = sums.covariance() / keep, sums.error() / keep
    return [
        Found(values, errors=error, checks={**_checks(values, error), "mean_score": float(mean)})
        for values, error, mean in zip(maps, errors, means, strict=True)
    ]


def _checks(values: Tensor, error: Tensor) -> dict[str, float]:
    spread = float(values.var())
    noise = float(error.square().mean())
    return {"standard_error": float(error.mean()), "noise": min(noise / spread, 1.0) if spread else 0.0}

"""RISE: hide random soft halves of the picture, and see which pixels were visible when the answer held."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.map_method import Heat, Maps, MaskMethod, in_chunks, probability
from seewhy.methods.registry import register
from seewhy.models import Classifier, Target


def random_masks(count: int, size: tuple[int, int], cells: int, keep: float, generator: torch.Generator) -> Tensor:
    """Masks `(count, h, w)` in [0, 1] with mean `keep` at every pixel.

    `cells` × `cells` random cells, enlarged bilinearly and moved by a random part of one.
    Source: Petsiuk 2018, section 3.2.
    """
    grids = (torch.rand((count, 1, cells, cells), generator=generator) < keep).float()
    steps = [-(-side // cells) for side in size]
    moves = torch.stack([torch.randint(step, (count,), generator=generator) for step in steps], 1).tolist()
    large = interpolate(grids, [(cells + 1) * step for step in steps], mode="bilinear", align_corners=False)[:, 0]
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


@register(
    "rise",
    title="RISE",
    family="masks",
    paper="Petsiuk et al. 2018",
    arxiv="1806.07421",
    needs=("scores",),
    signed=True,
    question="Which pixels were visible when the class stayed likely, though half of the picture was hidden?",
    reading="Seeing a warm area made the class likelier than it was on average under random masks, seeing a cold one "
    "made it less likely. The map comes from chance: small blotches far from any object are noise, and more masks "
    "make them fainter.",
    cost="2000 forwards, however many classes are asked about",
)
@dataclass(frozen=True, kw_only=True)
class RISE(MaskMethod):
    """The mean probability of the class when a pixel is visible, less its mean over all masks.

    `masks` random masks of `cells` × `cells` cells, each visible with probability `keep`. The check `standard_error`
    is the map's, averaged over pixels; `noise` is the share of the map's variation that chance explains;
    `mean_score` added to the map gives the paper's. Source: Petsiuk 2018, section 3.1. What is there a plain sum,
    E[S M] / E[M], is here estimated as E[S] + Cov(S, M) / E[M] with E[M] = `keep`: the same number expected, with
    far less noise for the same masks.
    """

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
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        engine = self.engine(classifier, image, generator, progress)
        engine.expected = engine.forwards + self.masks

        def draw(part: slice) -> Tensor:
            count = part.stop - part.start
            return random_masks(count, classifier.preprocessing.size, self.cells, self.keep, generator)

        whole = _scores(engine.logits[None], targets)
        sums: Sums | None = None
        for _, masks, logits in in_chunks(engine, self.masks, draw):
            # What all scores have in common is of no account, and would cost digits.
            more = Sums.of(_scores(logits, targets) - whole, masks, self.keep)
            sums = sums.plus(more) if sums else more
        heats = _heats(targets, whole, sums, self.keep) if sums else []
        return Maps(heats, engine.logits, engine.forwards, engine.checks)


def _heats(targets: Sequence[Target], whole: Tensor, sums: Sums, keep: float) -> list[Heat]:
    means = sums.scores / sums.drawn + whole[:, 0]
    maps, errors = sums.covariance() / keep, sums.error() / keep
    return [
        Heat(target, values.numpy(), checks={**_checks(values, error), "mean_score": float(mean)})
        for target, values, error, mean in zip(targets, maps, errors, means, strict=True)
    ]


def _checks(values: Tensor, error: Tensor) -> dict[str, float]:
    spread = float(values.var())
    noise = float(error.square().mean())
    return {"standard_error": float(error.mean()), "noise": min(noise / spread, 1.0) if spread else 0.0}


def _scores(logits: Tensor, targets: Sequence[Target]) -> Tensor:
    """Probability of each target, float64 `(T, n)`."""
    return torch.stack([probability(logits, target) for target in targets])

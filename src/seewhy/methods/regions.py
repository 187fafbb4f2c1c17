"""What methods over regions share: cut the picture, hide regions together, fit a linear model to the answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import SEGMENTERS, Fill, MaskedForward, segment
from seewhy.engines.inference import Precision
from seewhy.errors import UsageError
from seewhy.methods.evidence import RegionWeights, Rule
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task
from seewhy.models import Target

AUTO = "auto"
KEEP = 0.9
ASKED = 160  # coalitions of each segmentation
TINY = 1e-6  # ridge: just enough for regions that were always hidden together
FEWEST, MOST = 10, ASKED // 2  # regions: coarser ones explain nothing to people, finer ones cannot be judged


class RegionMethod(Method):
    """A weight per region of the picture.

    `regions` names a segmentation, is `auto` for the one that explains most, or a label map `(h, w)` over what the
    network saw; `fill` is what hidden regions are replaced with; `precision` and `batch_size` are the engine's.
    """

    family = "regions"
    signed = True
    stochastic = True

    regions: str | np.ndarray = "quickshift"
    fill: str | Fill = "region-mean"
    precision: Precision | Literal["auto"] = "auto"
    batch_size: int | None = None

    @abstractmethod
    def weigh(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        """One answer per target, all from the same forwards of `engine`, which hides regions of one picture."""

    def labels(self, pixels: np.ndarray) -> np.ndarray:
        """The region of each pixel of what the network saw, `(h, w, 3)` in [0, 1]; int `(h, w)`."""
        return segment(pixels, self.regions)

    @override
    def find(self, task: Task) -> list[Found]:
        return self.weigh(self._engine(task), task.asked, task.generator)

    def _engine(self, task: Task) -> MaskedForward:
        def make(labels: np.ndarray) -> MaskedForward:
            return task.masked(self.fill, labels=labels, precision=self.precision, batch_size=self.batch_size)

        pixels = seen_pixels(task.picture)
        if isinstance(self.regions, str) and self.regions == AUTO:
            return best_engine(make, pixels, task.generator)
        return make(self.labels(pixels))


def region_found(
    engine: MaskedForward,
    weights: np.ndarray,
    errors: np.ndarray | None = None,
    *,
    rule: Rule | None = None,
    checks: Mapping[str, float] | None = None,
) -> Found:
    """What was found about the regions of `engine`: a weight for each with its standard error, or a rule, or both."""
    regions = RegionWeights(engine.label_map, weights, errors)
    painted = regions.painted
    # Of single pixels the map says it all.
    return Found(painted, regions=regions if engine.regions < painted.size else None, rule=rule, checks=checks or {})


def best_engine(
    make: Callable[[np.ndarray], MaskedForward], pixels: np.ndarray, generator: torch.Generator
) -> MaskedForward:
    """The engine over that segmentation of `pixels` `(h, w, 3)` whose regions the network's answers follow most.

    The candidates are all segmenters that give 10 to 80 regions; quickshift where none does. What each explains is
    among the checks of the engine, as `r2_…`. `make` makes the engine for the regions `(h, w)`.
    """
    cuts = {name: segment(pixels, name) for name in SEGMENTERS}
    engines = {name: make(labels) for name, labels in cuts.items() if FEWEST <= labels.max() + 1 <= MOST}
    if not engines:
        return make(segment(pixels))
    state = generator.get_state()
    scores = {name: explained(engine, generator.set_state(state)) for name, engine in engines.items()}
    best = engines[max(scores, key=lambda name: scores[name])]
    for engine in engines.values():
        if engine is not best:
            engine.checks.clear()  # they are not about the answer
    best.checks.update({f"r2_{name}": score for name, score in scores.items()})
    return best


def explained(engine: MaskedForward, generator: torch.Generator) -> float:
    """How much of the likeliest class's log-probability a linear model of the regions predicts: R² of left-out ones.

    From 160 coalitions, of which each is predicted by a model of the others.
    """
    groups = group_count(engine.regions, KEEP)
    coalitions = partitions(engine.regions, groups, ASKED // groups, generator)
    target = int(engine.logits.argmax())
    whole, *shown = engine(torch.cat([torch.ones_like(coalitions[:1]), coalitions])).double().log_softmax(1)[:, target]
    return fit((~coalitions).double(), whole - torch.stack(shown), intercept=False).r2_unseen


def seen_pixels(picture: Tensor) -> np.ndarray:
    """What the network saw, `(C, h, w)`, as a picture to cut: float32 `(h, w, 3)` in [0, 1].

    Values outside [0, 1] are stretched to it; of one channel all three colours are made, of others the first three.
    """
    pixels = picture.detach().float().cpu()
    low, high = pixels.min(), pixels.max()
    if low < 0 or high > 1:
        pixels = (pixels - low) / (high - low)
    channels = [0, 0, 0] if len(pixels) == 1 else [0, 1, min(2, len(pixels) - 1)]
    return pixels[channels].permute(1, 2, 0).contiguous().numpy()


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A linear model of d features: float64 `weights` `(d,)` with their standard `errors` `(d,)`, and `intercept`.

    The errors are of sampling: how far the weights would move with other samples, not what a large ridge takes away.
    `r2` is the share of the variance that it explains, `r2_unseen` that of samples left out of the fit one by one;
    both are zero where nothing varies.
    """

    weights: Tensor
    errors: Tensor
    intercept: float
    r2: float
    r2_unseen: float


def group_count(regions: int, keep: float) -> int:
    """Into how many groups to partition the regions so that hiding one group keeps a share of about `keep`.

    A group has two regions or more where there are enough, so that regions are hidden together too.

    Raises:
        UsageError: `keep` is not in [0.5, 1).
    """
    if not 0.5 <= keep < 1:
        raise UsageError(f"keep is the share of regions that stay visible, from 0.5 to below 1, not {keep}")
    return max(2, min(round(1 / (1 - keep)), regions // 2))


def partitions(regions: int, groups: int, rounds: int, generator: torch.Generator) -> Tensor:
    """Bool coalitions `(rounds · groups, regions)`, true where a region is kept.

    Each round partitions the regions at random into groups whose sizes differ by one at most, and hides one group after
    the other: every region is hidden once a round, always about as many at a time. Two groups are complementary pairs.
    """
    group = torch.rand((rounds, regions), generator=generator).argsort(1) % groups
    return (group[:, None] != torch.arange(groups)[:, None]).flatten(0, 1)


def fit(
    x: Tensor, y: Tensor, importance: Tensor | None = None, *, alpha: float = TINY, intercept: bool = True
) -> Surrogate:
    """Ridge regression of float64 `y` `(n,)` on `x` `(n, d)`, each sample weighted by its `importance` `(n,)`.

    The intercept is not penalised; without one the model passes through the origin. Standard errors take the
    residuals for independent noise of one size, the same for every sample.
    """
    importance = torch.ones_like(y) if importance is None else importance
    share = importance / importance.sum()
    mean = y[0] + share @ (y - y[0])  # in this form that of equal numbers is exact
    x_mean, y_mean = (share @ x, mean) if intercept else (torch.zeros_like(x[0]), torch.zeros_like(mean))
    x, centred = x - x_mean, y - y_mean
    gram = (x.T * importance) @ x + alpha * torch.eye(x.shape[1]).to(x)
    solver = torch.linalg.solve(gram, x.T * importance)  # (d, n): weights = solver @ y
    weights = solver @ centred
    residuals = centred - x @ weights
    leverage = (x * solver.T).sum(1) + share * intercept
    noise = (share * residuals.square()).sum() * len(y) / (len(y) - leverage.sum()).clamp(min=1)
    spread = (share * (y - mean).square()).sum()
    unseen = residuals / (1 - leverage).clamp(min=TINY)
    return Surrogate(
        weights=weights,
        errors=noise.sqrt() * solver.square().sum(1).sqrt(),
        intercept=float(y_mean - x_mean @ weights),
        r2=_explained(share, residuals, spread),
        r2_unseen=_explained(share, unseen, spread),
    )


def _explained(share: Tensor, residuals: Tensor, spread: Tensor) -> float:
    return 1 - float((share * residuals.square()).sum() / spread) if spread > 0 else 0.0

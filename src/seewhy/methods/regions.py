"""What methods over regions share: cut the picture, and ask the masked-forward engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import SEGMENTERS, Fill, MaskedForward, segment
from seewhy.engines.inference import Precision
from seewhy.methods.method import Method
from seewhy.methods.surrogate import fit, group_count, partitions
from seewhy.methods.task import Found, Task
from seewhy.models import Target

AUTO = "auto"
KEEP = 0.9
ASKED = 160  # coalitions of each segmentation
KERNELS = (3, 2, 1)  # of quickshift, where its usual one of 4 pixels finds next to nothing
CELLS = 7
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
        return cut(pixels, self.regions)

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


def cut(pixels: np.ndarray, regions: str | np.ndarray) -> np.ndarray:
    """The region of each pixel of `(h, w, 3)`, int32 `(h, w)`: ten regions at least, but for a label map of one's own.

    What leaves a small or plain picture in fewer pieces is given a smaller kernel, where it has one, or else becomes
    a grid: of one region every method can but say the same number everywhere.
    """
    labels = segment(pixels, regions)
    if not isinstance(regions, str) or labels.max() + 1 >= FEWEST:
        return labels
    for kernel in KERNELS if regions == "quickshift" else ():
        if (finer := segment(pixels, regions, kernel_size=kernel)).max() + 1 >= FEWEST:
            return finer
    return segment(pixels, "grid", cells=min(CELLS, *pixels.shape[:2]))


def best_engine(
    make: Callable[[np.ndarray], MaskedForward], pixels: np.ndarray, generator: torch.Generator
) -> MaskedForward:
    """The engine over that segmentation of `pixels` `(h, w, 3)` whose regions the network's answers follow most.

    The candidates are all segmenters that give 10 to 80 regions; quickshift made finer where none does. What each
    explains is among the checks of the engine, as `r2_…`. `make` makes the engine for the regions `(h, w)`.
    """
    cuts = {name: segment(pixels, name) for name in SEGMENTERS}
    engines = {name: make(labels) for name, labels in cuts.items() if FEWEST <= labels.max() + 1 <= MOST}
    if not engines:
        return make(cut(pixels, "quickshift"))
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
    head = engine.classifier.head
    target = Target(int(head.likeliest(engine.logits)))
    logits = engine(torch.cat([torch.ones_like(coalitions[:1]), coalitions]))
    whole, *shown = head.log_probability(logits, target)
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

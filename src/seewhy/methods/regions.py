"""What methods over regions share: cut the picture, and ask the masked-forward engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import isqrt
from typing import Literal

import numpy as np
import torch
from typing_extensions import override

from seewhy.engines import SEGMENTERS, Cuts, Fill, MaskedForward, find_fill, in_groups, segment, segmenter
from seewhy.engines.inference import Precision
from seewhy.engines.network_regions import OTHERS, network_regions
from seewhy.engines.regions import NETWORK, numbered, of_network, seen_pixels
from seewhy.errors import UsageError
from seewhy.images import Box, Image
from seewhy.methods.method import Method
from seewhy.methods.surrogate import fit
from seewhy.methods.task import Found, Task
from seewhy.models import Classifier, Target

AUTO = "auto"
ASKED = 160  # variations of each segmentation
KERNELS = (3, 2, 1)  # of quickshift, where its usual one of 4 pixels finds next to nothing
CELLS = 7
FEWEST, MOST = 10, ASKED // 2  # regions: coarser ones explain nothing to people, finer ones cannot be judged
COLOURS = 256  # that a mask may have, one for each region


class OverRegions(Method):
    """What every method over regions takes.

    `regions` names a segmenter, also with its size as in `slic:80`; `network` puts together what the network sees
    alike, and `auto` takes the segmenter that explains most. Or it is a mask, in which each number or colour is a
    region: a label map over what the network saw or over the photo, or a picture of the photo's size. `fill` is what
    hidden regions are replaced with; `precision` and `batch_size` are the engine's.

    Raises:
        UnknownName: there is no such segmenter or fill; the nearest are named.
        UsageError: the size of the regions is out of range.
    """

    family = "regions"
    signed = True
    stochastic = True

    regions: str | np.ndarray | Image = "quickshift"
    fill: str | Fill = "region-mean"
    precision: Precision | Literal["auto"] = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        find_fill(self.fill)
        if isinstance(self.regions, str) and self.regions not in self.own_regions:
            segmenter(self.regions)

    @override
    def obstacle(self, classifier: Classifier) -> str | None:
        return unseen(self.regions, classifier)

    @property
    def own_regions(self) -> tuple[str, ...]:
        """Names that `regions` may have beside those of segmenters."""
        return (AUTO,)

    def labels(self, pixels: np.ndarray) -> np.ndarray:
        """The region of each pixel of what the network saw, `(h, w, 3)` in [0, 1]; int `(h, w)`."""
        if isinstance(self.regions, Image):
            raise UsageError("a mask is of a photo: ask about the photo, or give a label map of what the network sees")
        return cut(pixels, self.regions)

    def region_map(self, task: Task) -> np.ndarray:
        """The regions of the task's picture, int32 `(h, w)`."""
        if isinstance(self.regions, str) and self.regions == AUTO:
            return self._best_engine(task).label_map
        return self._labels(task)

    def engine(self, task: Task, labels: np.ndarray, fill: str | Fill | None = None) -> MaskedForward:
        """The engine that hides regions `(h, w)` of the task's picture, by another fill where one is given."""
        return task.masked(
            self.fill if fill is None else fill, labels=labels, precision=self.precision, batch_size=self.batch_size
        )

    def _best_engine(self, task: Task) -> MaskedForward:
        more: dict[str, np.ndarray] = {}
        if "layers" in task.classifier.offers:
            with suppress(UsageError):  # of a network without layers that cover the picture
                more[NETWORK] = labels_of(task, NETWORK)
        return best_engine(lambda labels: self.engine(task, labels), seen_pixels(task.picture), task.generator, more)

    def _labels(self, task: Task) -> np.ndarray:
        return labels_of(task, self.regions, lambda pixels, _: self.labels(pixels))


class RegionMethod(OverRegions):
    """A weight per region of the picture, all from one cut."""

    @abstractmethod
    def weigh(self, engine: MaskedForward, targets: Sequence[Target], generator: torch.Generator) -> list[Found]:
        """One answer per target, all from the same forwards of `engine`, which hides regions of one picture."""

    @override
    def find(self, task: Task) -> list[Found]:
        engine, own, state = self._engine(task), len(task.own[0]), task.generator.get_state()
        found = self.weigh(engine, task.asked[:own], task.generator)
        if others := task.asked[own:]:
            found += self.of_answers(engine).weigh(engine, others, task.generator.set_state(state))
        return found

    def of_answers(self, engine: MaskedForward) -> RegionMethod:
        """The method for other classes: it asks `engine` no more than it was asked."""
        return self

    def _engine(self, task: Task) -> MaskedForward:
        """The engine over the regions of the task's picture."""
        auto = isinstance(self.regions, str) and self.regions == AUTO
        return self._best_engine(task) if auto else self.engine(task, self._labels(task))


def cut(pixels: np.ndarray, regions: str | np.ndarray) -> np.ndarray:
    """The region of each pixel of `(h, w, 3)`, int32 `(h, w)`: ten at least, or half of the number that was asked for.

    What leaves a small or plain picture in fewer pieces is given a smaller kernel, where it has one, or else becomes
    a grid: of one region every method can but say the same number everywhere.
    """
    labels = segment(pixels, regions)
    if not isinstance(regions, str):
        return labels
    name, size = segmenter(regions)
    if size is None:
        least, cells = FEWEST, CELLS
    else:  # of what counts no regions, there are as many as that makes
        least, cells = min(FEWEST, size // 2) * SEGMENTERS[name].counts, isqrt(size)
    if labels.max() + 1 >= least:
        return labels
    for kernel in KERNELS if regions == "quickshift" else ():
        if (finer := segment(pixels, regions, kernel_size=kernel)).max() + 1 >= FEWEST:
            return finer
    return segment(pixels, "grid", cells=min(cells, *pixels.shape[:2]))


def labels_of(
    task: Task,
    regions: str | np.ndarray | Image,
    by_colour: Callable[[np.ndarray, str | np.ndarray], np.ndarray] = cut,
) -> np.ndarray:
    """The regions of the task's picture, int32 `(h, w)`: by the network, `by_colour`, or a mask of people."""
    if groups := of_network(regions):
        task.spend(forwards=1)
        return network_regions(task.classifier, task.picture, groups)
    size = task.size
    if isinstance(regions, str) or (isinstance(regions, np.ndarray) and (regions.shape == size or not task.images)):
        return by_colour(seen_pixels(task.picture), regions)
    return seen_labels(regions, task.images[0], task.classifier.preprocessing.view(task.images[0]), size)


def unseen(regions: object, classifier: Classifier) -> str | None:
    """Why the classifier cannot say what it sees alike, and the cure, where such regions are asked for."""
    if of_network(regions) is None or "layers" in classifier.offers:
        return None
    return f"{classifier.name} shows none of its layers, so nobody knows what it sees alike; {OTHERS}"


def seen_labels(mask: np.ndarray | Image, photo: Image, view: Box, size: tuple[int, int]) -> np.ndarray:
    """The regions of a mask of the whole photo in what the network saw of it, `view`; int32 of `size` (h, w).

    Beyond the photo's edge its outermost regions go on.

    Raises:
        UsageError: the mask has another size than the photo, or more colours than there can be regions.
    """
    labels = colour_labels(mask) if isinstance(mask, Image) else mask
    tall, wide = photo.pixels.shape[:2]
    if labels.shape != (tall, wide) or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(
            f"a mask holds integers, or colours, of the size of the photo, {tall} × {wide} pixels, or of what the "
            f"network sees, {size[0]} × {size[1]}; this one is {labels.dtype} {' × '.join(map(str, labels.shape))}"
        )
    rows = _nearest(view.top, view.bottom, size[0], tall)
    columns = _nearest(view.left, view.right, size[1], wide)
    return numbered(labels[rows[:, None], columns])


def _nearest(start: float, stop: float, count: int, size: int) -> np.ndarray:
    """The pixel of `size` in which each of `count` even steps from `start` to `stop` has its middle."""
    middles = start + (np.arange(count) + 0.5) * (stop - start) / count
    return np.floor(middles).astype(int).clip(0, size - 1)


def colour_labels(mask: Image) -> np.ndarray:
    """A number for each colour of a picture, int32 `(H, W)`.

    Raises:
        UsageError: it has more colours than a mask has, as photos and smoothed or JPEG-compressed masks do.
    """
    red, green, blue = np.moveaxis(mask.pixels.astype(np.int64), 2, 0)
    labels = numbered(red << 16 | green << 8 | blue)
    if (count := int(labels.max()) + 1) > COLOURS:
        raise UsageError(
            f"{mask.name} has {count:,} colours; a mask has one for each region, {COLOURS} at most: save it as PNG, "
            "without smoothing"
        )
    return labels


def best_engine(
    make: Callable[[np.ndarray], MaskedForward],
    pixels: np.ndarray,
    generator: torch.Generator,
    more: Mapping[str, np.ndarray] | None = None,
) -> MaskedForward:
    """The engine over that segmentation of `pixels` `(h, w, 3)` whose regions the network's answers follow most.

    The candidates are all segmenters of pixels that give 10 to 80 regions, and those of `more`; quickshift made finer
    where there are none. All are tried with as many variations. What each explains of them is among the checks of the
    engine, as `r2_…`, and what the trial took, as `trial_forwards`. `make` makes the engine for the regions `(h, w)`.
    """
    cuts = {name: segment(pixels, name) for name, each in SEGMENTERS.items() if each.cut} | {**(more or {})}
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
    best.checks["trial_forwards"] = float(sum(engine.forwards for engine in engines.values()))
    return best


def explained(engine: MaskedForward, generator: torch.Generator) -> float:
    """How much of the likeliest class's log-odds a linear model of the regions predicts: R² of left-out pairs.

    From 160 variations in complementary pairs, of which each is predicted by a model of the others.
    """
    coalitions = in_groups(Cuts.of(engine.label_map).draw(ASKED // 2, generator), 2, generator)
    head = engine.classifier.head
    target = Target(int(head.likeliest(engine.logits)))
    first, second = head.log_odds(engine(coalitions), target).unflatten(0, (-1, 2)).unbind(1)
    return fit(coalitions[::2].double() - 0.5, (first - second) / 2, intercept=False).r2_unseen

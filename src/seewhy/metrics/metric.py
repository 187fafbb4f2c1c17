"""Every metric, known by what it declares about itself, and what all of them answer.

A metric is a class of its settings: class attributes declare it, annotated ones are its parameters. Tables, studies,
the command line and the conformance tests are generated from here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.core.registry import Declared, Registry
from seewhy.errors import UsageError
from seewhy.images import Image, open_image
from seewhy.methods import Method
from seewhy.metrics.context import Attribution, Context, Map, Question, Score
from seewhy.models import Classifier, Target


class Metric(Declared):
    """Called with maps of one picture; one score for each, in order.

    `family` is for people: `faithfulness`, `localisation`, `robustness`, `complexity`, `sanity` or another word. What
    is done with a metric follows from the other attributes:

    Attributes:
        needs: a subset of `scores`, `mask` (where the object is) and `method` (what made the map).
        higher_is_better: which way is better.
        bounds: the least and the largest value there can be.
        ranked: methods are put in order by it.
        counts_as: metrics of the same word ask one question in several ways, so that they count once together.
        asks_network: the network is asked about parts that the map names, so maps are first made alike, as means over
            cells.
        stochastic: another seed gives another score.
        settled: it does so by so little that nobody needs to ask again.
        mirrored: a map turned upside down scores the opposite, but for the order of equal pixels.
    """

    registry: ClassVar[Registry[Any]] = Registry("metric", "seewhy.metrics")
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    ranked: ClassVar[bool] = False
    counts_as: ClassVar[str] = ""
    asks_network: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False
    settled: ClassVar[bool] = False
    mirrored: ClassVar[bool] = False

    def __call__(
        self,
        context: Context,
        maps: Sequence[Attribution],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Score]:
        """Score every map of the context's picture; raise `Cancelled` from `progress` to stop.

        All that is random starts from the generator's seed, and does not hang on which maps are asked about.
        """
        return self.scores(Question(context, maps, generator, progress))

    @abstractmethod
    def scores(self, asked: Question) -> list[Score]:
        """A score for each map: what a metric writes."""

    def for_chance(self) -> Metric:
        """The metric that random maps are scored by, and methods beside them: itself, or a cheaper one like it.

        What a cheaper one asks should be a part of what this one asks, so that of methods nothing more is asked.
        """
        return self

    @classmethod
    def tells_chance(cls) -> bool:
        """Whether random maps get scores that mean something: they lie on the picture, but no method made them."""
        return (cls.asks_network or "mask" in cls.needs) and "method" not in cls.needs


def list_metrics() -> list[type[Metric]]:
    """Every metric, built in or added by an installed package, by family and name."""
    return Metric.registry.all()


def metric_info(name: str) -> type[Metric]:
    """The metric called `name`, with what it declares about itself.

    Raises:
        UnknownName: no such metric; the nearest names are listed.
    """
    return Metric.registry[name]


def find_metric(name: str, **parameters: Any) -> Metric:
    """The metric called `name` with these settings.

    >>> find_metric("insertion", steps=7).steps
    7

    Raises:
        UnknownName: no such metric; the nearest names are listed.
        UsageError: the metric has no such setting, or wants another one.
    """
    return Metric.registry.build(Metric.registry[name], parameters)


def score_maps(
    metric: str | Metric,
    classifier: Classifier,
    image: Any,
    maps: ArrayLike | Tensor,
    target: int | str | Target | None = None,
    *,
    mask: ArrayLike | None = None,
    method: Method | None = None,
    seed: int = 0,
) -> float | np.ndarray:
    """What a metric says of maps from anywhere: one number, or `(m,)` for `m` maps; NaN where it is undefined.

    Args:
        metric: its name, or a metric with settings.
        classifier: whose decision the maps explain.
        image: the picture, as `open_image` takes it.
        maps: float `(h, w)` or `(m, h, w)` over what the network sees, array or tensor; larger speaks for the target.
        target: class index, name or "A vs B"; by default the class that the classifier finds likeliest.
        mask: where the object is, bool `(h, w)` over what the network sees, for metrics of localisation.
        method: what made the maps, for metrics that explain again.
        seed: of all randomness.

    Raises:
        UsageError: a map or the mask has another size than what the network sees, or holds NaN.

    >>> from seewhy.models import black_box
    >>> bright = black_box(lambda pixels: pixels.mean((1, 2)) / 255, size=(8, 8), gives="logits")
    >>> score_maps("sparseness", bright, np.full((8, 8, 3), 90, np.uint8), np.eye(8), target=0)
    0.875
    """
    opened = open_image(image)
    values = np.asarray(maps.detach().cpu() if isinstance(maps, Tensor) else maps, np.float32)
    size = classifier.preprocessing.size
    if values.ndim not in {2, 3} or values.shape[-2:] != size or not np.isfinite(values).all():
        raise UsageError(f"maps are finite numbers (h, w) or (m, h, w) over the {size} pixels that the network sees")
    asked = _target(classifier, opened, target)
    found = [Map(each, asked, seed=seed) for each in values.reshape(-1, *size)]
    context = Context(
        classifier,
        opened,
        None if mask is None else np.asarray(mask, np.bool_),
        dict.fromkeys(found, method) if method else {},
    )
    made = find_metric(metric) if isinstance(metric, str) else metric
    scores = made(context, found, generator=torch.Generator().manual_seed(seed))
    numbers = np.array([np.nan if each.value is None else each.value for each in scores])
    return float(numbers[0]) if values.ndim == 2 else numbers


def _target(classifier: Classifier, image: Image, target: int | str | Target | None) -> Target:
    if target is None:
        return Target(classifier.predict(image, 1)[0].index, chosen="predicted")
    return target if isinstance(target, Target) else classifier.target(target)

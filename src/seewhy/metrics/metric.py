"""Every metric, known by what it declares about itself, and what all of them answer.

A metric is a class of its settings: class attributes declare it, annotated ones are its parameters. Tables, studies,
the command line and the conformance tests are generated from here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.core.registry import Declared, Registry
from seewhy.engines import Fill, MaskedForward, find_fill
from seewhy.errors import NonFinite, UsageError
from seewhy.images import Image, open_image
from seewhy.methods import Explanation, Method
from seewhy.methods.task import in_chunks, probability
from seewhy.metrics.maps import TopK, draw_ties, keep_of, pixel_ranks
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
        asks_network: the network is asked about parts that the map names, so maps are first made alike, as means over
            cells.
        stochastic: another seed gives another score.
    """

    registry: ClassVar[Registry[Any]] = Registry("metric", "seewhy.metrics")
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    ranked: ClassVar[bool] = False
    asks_network: ClassVar[bool] = False
    stochastic: ClassVar[bool] = False

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

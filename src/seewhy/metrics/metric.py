"""Every metric, known by what it declares about itself, and what all of them answer.

A metric is a class of its settings: class attributes declare it, annotated ones are its parameters. Tables, studies,
the command line and the conformance tests are generated from here.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seewhy.core.progress import Progress, silent
from seewhy.core.registry import Declared, Registry
from seewhy.errors import NonFinite

if TYPE_CHECKING:
    import torch

    from seewhy.engines import Fill
    from seewhy.metrics.context import Attribution, Context, Perturber


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
        import torch

        return torch.Generator().manual_seed(self.generator.initial_seed())


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

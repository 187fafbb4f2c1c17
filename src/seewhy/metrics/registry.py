"""Every metric, known by what it declares about itself.

A metric is a frozen dataclass of its settings, registered where it is written. Tables, studies, the command line and
the conformance tests are generated from here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

from seewhy.core.catalogue import Catalogue, Entry
from seewhy.core.progress import Progress, silent

if TYPE_CHECKING:
    import torch

    from seewhy.methods import Explanation
    from seewhy.metrics.subject import Score, Subject


@dataclass(frozen=True, kw_only=True)
class MetricInfo(Entry):
    """What a metric declares: enough to list it, call it, rank by it and read it.

    `family` is `faithfulness`, `localisation` (how plausible a map looks to people, which is another matter),
    `robustness`, `complexity` or `sanity`; `needs` a subset of `scores`, `mask`, `method`; `bounds` are the least and
    the largest value there can be; `drawn` says that another seed gives another score.
    """

    higher_is_better: bool
    bounds: tuple[float, float]
    drawn: bool
    make: type[Metric]


@runtime_checkable
class Metric(Protocol):
    """Called with explanations of one picture; one score for each, in order."""

    info: ClassVar[MetricInfo]

    def __call__(
        self,
        subject: Subject,
        explanations: Sequence[Explanation],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Score]:
        """Score every explanation of the subject's picture; raise `Cancelled` from `progress` to stop.

        All that is random starts from the generator's seed, and does not hang on which explanations are asked about.
        """
        ...


M = TypeVar("M", bound=type)
METRICS: Catalogue[MetricInfo] = Catalogue("metric", "seewhy.metrics")


def register_metric(
    name: str,
    *,
    title: str,
    family: str,
    higher_is_better: bool,
    bounds: tuple[float, float],
    paper: str,
    arxiv: str | None,
    question: str,
    reading: str,
    needs: Sequence[str] = (),
    drawn: bool = False,
) -> Callable[[M], M]:
    """Class decorator that makes a metric known under `name` (lower case, words joined by hyphens)."""

    def enter(metric: M) -> M:
        info = MetricInfo(
            name=name,
            title=title,
            family=family,
            higher_is_better=higher_is_better,
            bounds=bounds,
            drawn=drawn,
            paper=paper,
            arxiv=arxiv,
            needs=frozenset(needs),
            question=question,
            reading=reading.strip(),
            make=metric,
        )
        metric.info = info  # pyright: ignore[reportAttributeAccessIssue]
        METRICS.add(info)
        return metric

    return enter


def list_metrics() -> list[MetricInfo]:
    """Every metric, built in or added by an installed package, by family and name."""
    return METRICS.all()


def metric_info(name: str) -> MetricInfo:
    """What the metric called `name` declares about itself.

    Raises:
        UnknownName: no such metric; the nearest names are listed.
    """
    return METRICS.find(name)


def find_metric(name: str, **parameters: Any) -> Metric:
    """The metric called `name` with these settings.

    Raises:
        UnknownName: no such metric; the nearest names are listed.
        UsageError: the metric has no such setting, or wants another one.
    """
    return METRICS.make(name, parameters)

"""What the table of a study says: means with intervals, ranks, tests against chance, and who agrees with whom.

Pure functions of a model's scores. Where methods or metrics are held against each other, only pictures count on which
all of them have a score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy.images import Folder
from seewhy.metrics import MetricInfo, metric_info
from seewhy.study.plan import Plan
from seewhy.study.statistics import (
    Array,
    bootstrap_interval,
    holm,
    kendall_w,
    mean_ranks,
    pairwise_wilcoxon,
    rank_agreement,
    wilcoxon,
)
from seewhy.study.work import Result

if TYPE_CHECKING:
    import polars as pl

CHANCE = "control:random"
LEVEL = 0.05


class Mean(NamedTuple):
    """The mean over so many `pictures`, and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float
    pictures: int


UNDEFINED = {**dict.fromkeys(Mean._fields), "pictures": 0}


@dataclass(frozen=True)
class ModelScores:
    """One model's scores by (metric, method) and picture; those that are not defined are missing.

    `methods` has controls, too.
    """

    model: str
    methods: tuple[str, ...]
    metrics: tuple[MetricInfo, ...]
    values: Mapping[tuple[str, str], Mapping[str, float]]

    @property
    def rivals(self) -> tuple[str, ...]:
        """The methods that are no controls."""
        return tuple(method for method in self.methods if not method.startswith("control:"))

    @property
    def tests(self) -> tuple[MetricInfo, ...]:
        """The metrics of faithfulness, which ranks are made of."""
        return tuple(metric for metric in self.metrics if metric.family == "faithfulness")

    def of(self, metric: str, method: str) -> Mapping[str, float]:
        """The scores by picture."""
        return self.values.get((metric, method), {})

    def paired(self, metrics: Sequence[str], methods: Sequence[str]) -> Array:
        """Scores `(pictures, metrics, methods)` of the pictures that have all of them, sorted."""
        cells = [[self.of(metric, method) for method in methods] for metric in metrics]
        known = [set(cell) for row in cells for cell in row]
        shared = sorted(set.intersection(*known)) if known else []
        found = [[[cell[image] for cell in row] for row in cells] for image in shared]
        return np.array(found, float).reshape(len(shared), len(metrics), len(methods))


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A finished study: what was asked, a row for each unit and metric, what failed, and the pictures."""

    plan: Plan
    table: pl.DataFrame
    failures: tuple[Result, ...]
    folder: Folder

    @cached_property
    def scores(self) -> list[ModelScores]:
        """The scores of each model."""
        return scores_of(self.table, self.plan)

    @property
    def metrics(self) -> tuple[MetricInfo, ...]:
        """What scored every explanation."""
        return tuple(map(metric_info, self.plan.metrics))

    @cached_property
    def means(self) -> dict[tuple[str, str, str], Mean]:
        """The mean of each model, metric and method that has any scores."""
        return {
            (each.model, metric.name, method): mean
            for each in self.scores
            for metric in each.metrics
            for method, mean in means_of(each, metric.name, self.plan.seed).items()
        }

    @cached_property
    def beats_chance(self) -> dict[tuple[str, str, str], bool]:
        """Whether each model, metric and method beats the random map, where that could be tested."""
        return {
            (each.model, metric.name, method): better
            for each in self.scores
            for metric in each.metrics
            for method, better in beats_chance(each, metric).items()
        }

    @cached_property
    def ranks(self) -> dict[str, dict[str, float]]:
        """The mean rank of each method that is no control, by model, best first."""
        return {each.model: mean_rank(each) for each in self.scores}

    def rows(self) -> list[dict[str, Any]]:
        """One row for each model, method and metric, as plain JSON values; without a score they are None."""
        return [
            {
                "model": model,
                "method": method,
                "metric": metric.name,
                "family": metric.family,
                "higher_is_better": metric.higher_is_better,
                "mean_rank": ranks.get(method),
                "beats_chance": self.beats_chance.get((model, metric.name, method)),
                **(mean._asdict() if (mean := self.means.get((model, metric.name, method))) else UNDEFINED),
            }
            for model, ranks in self.ranks.items()
            for method in self.plan.methods
            for metric in self.metrics
        ]


def scores_of(table: pl.DataFrame, plan: Plan) -> list[ModelScores]:
    """The scores of each model of `plan` out of a study's table."""
    values: defaultdict[str, defaultdict[tuple[str, str], dict[str, float]]]
    values = defaultdict(lambda: defaultdict(dict))
    for row in table.iter_rows(named=True):
        if row["value"] is not None:
            values[row["model"]][row["metric"], row["method"]][row["image"]] = row["value"]
    metrics = tuple(map(metric_info, plan.metrics))
    return [ModelScores(model, tuple(plan.methods), metrics, values[model]) for model in plan.models]


def means_of(scores: ModelScores, metric: str, seed: int = 0) -> dict[str, Mean]:
    """The mean of each method over pictures with its bootstrap interval; methods without any score are left out."""
    by_pictures: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for method in scores.methods:
        by_pictures[tuple(sorted(scores.of(metric, method)))].append(method)
    found: dict[str, Mean] = {}
    for pictures, methods in by_pictures.items():
        if pictures:  # those scored on the same ones are drawn together, which is quicker
            drawn = bootstrap_interval(scores.paired([metric], methods)[:, 0], np.random.default_rng(seed))
            for method, *bounds in zip(methods, *map(np.ndarray.tolist, drawn), strict=True):
                found[method] = Mean(*bounds, pictures=len(pictures))
    return found


def mean_rank(scores: ModelScores) -> dict[str, float]:
    """The mean rank of each method that is no control, over pictures and metrics of faithfulness, best first."""
    rows = [
        scores.paired([metric.name], scores.rivals)[:, 0] * (1 if metric.higher_is_better else -1)
        for metric in scores.tests
    ]
    if not scores.rivals or not sum(map(len, rows)):
        return {}
    means = mean_ranks(np.concatenate(rows), higher_is_better=True)
    return dict(sorted(zip(scores.rivals, map(float, means), strict=True), key=lambda item: item[1]))


def beats_chance(scores: ModelScores, metric: MetricInfo) -> dict[str, bool]:
    """Whether each method beats the random map on the pictures where both have a score, at 5 % after Holm's correction.

    By Wilcoxon's signed-rank test; methods that share too few pictures with the random map to tell are left out.
    """
    others = [method for method in scores.methods if method != CHANCE]
    pairs = {method: scores.paired([metric.name], [method, CHANCE])[:, 0] for method in others}
    tested = {method: pair for method, pair in pairs.items() if 0.5 ** len(pair) * len(others) <= LEVEL}
    better = "greater" if metric.higher_is_better else "less"
    p_values = holm([wilcoxon(pair[:, 0], pair[:, 1], better) for pair in tested.values()])
    return {method: bool(p <= LEVEL) for method, p in zip(tested, p_values, strict=True)}


def pairwise(scores: ModelScores, metric: str) -> tuple[tuple[str, ...], Array] | None:
    """The methods that have scores, controls among them, and the p-values `(m, m)` that two of them score alike.

    None where there is nothing to test.
    """
    methods = tuple(method for method in scores.methods if scores.of(metric, method))
    table = scores.paired([metric], methods)[:, 0] if methods else np.empty((0, 0))
    return (methods, pairwise_wilcoxon(table)) if len(table) and len(methods) > 1 else None


def metric_agreement(scores: ModelScores, metrics: Sequence[MetricInfo]) -> Array | None:
    """Kendall's tau `(k, k)` between the orders in which metrics put the methods, mean over pictures."""
    table = scores.paired([metric.name for metric in metrics], scores.rivals)
    if not len(table) or len(scores.rivals) < 2:
        return None
    signs = [metric.higher_is_better for metric in metrics]
    return np.mean([rank_agreement(picture, signs) for picture in table], axis=0)


def metric_concordance(scores: ModelScores, metrics: Sequence[MetricInfo]) -> float | None:
    """Kendall's W: how far metrics agree on the order of the methods by their means; 1 fully, 0 not at all."""
    table = scores.paired([metric.name for metric in metrics], scores.rivals)
    if not len(table) or len(scores.rivals) < 2:
        return None
    signs = np.array([[1.0 if metric.higher_is_better else -1.0] for metric in metrics])
    return kendall_w(table.mean(axis=0) * signs)


def photo_concordance(scores: ModelScores, metric: str) -> float | None:
    """Kendall's W: how far pictures agree on the order of the methods by one metric."""
    table = scores.paired([metric], scores.rivals)[:, 0]
    return kendall_w(table) if len(table) > 1 and len(scores.rivals) > 1 else None

"""One model's scores by metric, method and picture, their means, and the ranks that follow from the pairs there are."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isnan, nan
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from seewhy.methods import Method
from seewhy.metrics import Metric
from seewhy.metrics.context import ranks
from seewhy.study.plan import Plan, Row
from seewhy.study.statistics import Array, mean_interval

Cell: TypeAlias = tuple[str, str]  # metric and method


class Mean(NamedTuple):
    """The mean over so many `pictures`, and the bounds of its 95 % interval; of one picture, of its draws.

    The bounds are NaN where so few scores have no interval that holds.
    """

    value: float
    low: float
    high: float
    pictures: int

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval, where there is one."""
        return None if isnan(self.low) else (self.low, self.high)

    def plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        low, high = self.bounds or (None, None)
        return {"value": self.value, "low": low, "high": high, "pictures": self.pictures}


UNDEFINED: dict[str, Any] = {**dict.fromkeys(Mean._fields), "pictures": 0}


@dataclass(frozen=True)
class ModelScores:
    """One model's scores by (metric, method) and picture; those that are not defined are missing.

    Attributes:
        model: its name.
        methods: methods and controls.
        metrics: what scored every map.
        values: the mean over the draws of each score.
        draws: the draws of stochastic metrics, first the one that random maps faced, too.
        chance: what maps drawn by chance score, by metric and picture.
        beside: the score to hold against them, where it is not the first draw.
        others: what the same method's maps of other classes score, where that was asked.
    """

    model: str
    methods: tuple[str, ...]
    metrics: tuple[type[Metric], ...]
    values: Mapping[Cell, Mapping[str, float]]
    draws: Mapping[Cell, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    chance: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    beside: Mapping[Cell, Mapping[str, float]] = field(default_factory=dict)
    others: Mapping[Cell, Mapping[str, float]] = field(default_factory=dict)

    @cached_property
    def rivals(self) -> tuple[str, ...]:
        """The methods that are no controls."""
        controls = {each.name for each in Method.registry.all() if each.kind == "control"}
        return tuple(method for method in self.methods if method not in controls)

    @cached_property
    def controls(self) -> tuple[str, ...]:
        """The methods that are controls."""
        return tuple(method for method in self.methods if method not in self.rivals)

    @cached_property
    def tests(self) -> tuple[type[Metric], ...]:
        """The metrics that methods are ranked by."""
        return tuple(metric for metric in self.metrics if metric.ranked)

    @cached_property
    def weights(self) -> Array:
        """What each of the tests counts, `(tests,)`: those that ask one question count as one."""
        asked = [metric.counts_as or metric.name for metric in self.tests]
        return np.array([1 / asked.count(each) for each in asked])

    @property
    def questions(self) -> int:
        """How many different questions the tests ask."""
        return round(float(self.weights.sum()))

    @cached_property
    def scored(self) -> tuple[str, ...]:
        """The rivals that have a score by any of the tests."""
        return tuple(each for each in self.rivals if any(self.of(metric.name, each) for metric in self.tests))

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """The pictures that have a score by any of the tests, sorted."""
        tests = {metric.name for metric in self.tests}
        return tuple(sorted({image for (metric, _), cell in self.values.items() if metric in tests for image in cell}))

    @cached_property
    def ranks(self) -> dict[str, float]:
        """See `mean_rank`."""
        return mean_rank(self)

    @cached_property
    def ordered(self) -> tuple[str, ...]:
        """Methods best first, those without ranks as they came, then controls."""
        return (*self.best_first, *self.controls)

    @property
    def best_first(self) -> tuple[str, ...]:
        """The methods that are no controls, best first; those without ranks come last, as they came."""
        return (*self.ranks, *(method for method in self.rivals if method not in self.ranks))

    def of(self, metric: str, method: str) -> Mapping[str, float]:
        """The scores by picture."""
        return self.values.get((metric, method), {})

    def only(self, pictures: Sequence[str]) -> ModelScores:
        """The scores of these pictures alone."""
        cut = {
            name: {key: {image: row[image] for image in pictures if image in row} for key, row in cells.items()}
            for name in ("values", "draws", "chance", "beside", "others")
            for cells in (getattr(self, name),)
        }
        return replace(self, **cut)

    def table(self, metric: str, methods: Sequence[str]) -> Array:
        """Scores `(pictures, methods)` of the pictures that have any, by their names; NaN where there is none."""
        cells = [self.of(metric, method) for method in methods]
        known = sorted(set[str]().union(*cells))
        return np.array([[cell.get(image, nan) for cell in cells] for image in known]).reshape(-1, len(methods))

    @cached_property
    def worths(self) -> Array:
        """Scores by the tests, turned so that more is better: `(tests, pictures, methods)`, NaN where there is none."""
        found = np.full((len(self.tests), len(self.pictures), len(self.methods)), nan)
        places = {image: place for place, image in enumerate(self.pictures)}
        for row, metric in enumerate(self.tests):
            for column, method in enumerate(self.methods):
                for image, value in self.of(metric.name, method).items():
                    found[row, places[image], column] = value if metric.higher_is_better else -value
        return found

    @cached_property
    def places(self) -> Array:
        """Where each method stands among all that have a score there: `(tests, pictures, methods)`, 0 best, 1 last."""
        known = np.isfinite(self.worths)
        order = ranks(np.where(known, -self.worths, np.inf))
        return np.where(known, (order - 1) / np.maximum(known.sum(axis=-1, keepdims=True) - 1, 1), nan)

    def ahead(self, first: str, second: str) -> Array:
        """By picture that scores both: how far the first stands before the second, `(n,)`, mean over the questions."""
        one, other = (self.places[..., self.methods.index(each)] for each in (first, second))
        gaps = other - one
        weights = np.where(np.isfinite(gaps), self.weights[:, np.newaxis], 0)
        total = weights.sum(axis=0)
        means = (np.nan_to_num(gaps) * weights).sum(axis=0)[total > 0] / total[total > 0]
        return np.round(means, 9)  # what rounding alone tells apart is equal


def scores_of(rows: Iterable[Row], plan: Plan, metrics: tuple[type[Metric], ...] | None = None) -> list[ModelScores]:
    """The scores of each model of `plan` out of rows of a table."""
    values: Any = defaultdict(lambda: defaultdict(dict))
    draws: Any = defaultdict(lambda: defaultdict(dict))
    chance: Any = defaultdict(lambda: defaultdict(dict))
    beside: Any = defaultdict(lambda: defaultdict(dict))
    others: Any = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        model, metric, method, image = row["model"], row["metric"], row["method"], row["image"]
        if row["value"] is not None:
            values[model][metric, method][image] = row["value"]
        if drawn := row.get("draws"):
            draws[model][metric, method][image] = json.loads(str(drawn))
        if (faced := row.get("beside_chance")) is not None:
            beside[model][metric, method][image] = faced
        if (elsewhere := row.get("other_classes")) is not None:
            others[model][metric, method][image] = elsewhere
        if random := row.get("chance"):
            chance[model][metric][image] = json.loads(str(random))
    known = tuple(Metric.registry[name] for name in plan.metrics) if metrics is None else metrics
    return [
        ModelScores(
            model, tuple(plan.methods), known, values[model], draws[model], chance[model], beside[model], others[model]
        )
        for model in plan.models
    ]


def means_of(scores: ModelScores, metric: str) -> dict[str, Mean]:
    """The mean of each method over pictures with its interval; methods without any score are left out.

    Where there is a single picture, the interval is that of its draws.
    """
    found: dict[str, Mean] = {}
    alone = len(set[str]().union(*(scores.of(metric, method) for method in scores.methods))) == 1
    for method in scores.methods:
        values = scores.of(metric, method)
        drawn = scores.draws.get((metric, method), {})
        if values and alone:
            ((image, value),) = values.items()
            known = drawn.get(image, [value])
            found[method] = Mean(value, min(known), max(known), 1)
        elif values:
            found[method] = Mean(*mean_interval([*values.values()]), pictures=len(values))
    return found


def mean_rank(scores: ModelScores) -> dict[str, float]:
    """The mean rank of each method that is no control, best first; those without any score have none.

    Two methods meet wherever one test of one picture scores both, and a rank is 1 and, for each rival, the share of the
    meetings that it won, a tie for a half. Where nothing is missing that is the mean of the ranks over pictures and
    tests; a method that fails takes nothing from the others.
    """
    columns = [scores.methods.index(method) for method in scores.scored]
    worths = scores.worths[..., columns]
    found = np.ones(len(columns))
    for place in range(len(columns)):
        gaps = worths - worths[..., place, np.newaxis]
        weights = np.where(np.isfinite(gaps), scores.weights[:, np.newaxis, np.newaxis], 0)
        won = ((np.sign(np.nan_to_num(gaps)) + 1) / 2 * weights).sum(axis=(0, 1))
        met = weights.sum(axis=(0, 1))
        shares = np.where(met > 0, won / np.maximum(met, 1e-12), 0.5)
        found[place] += shares.sum() - 0.5  # it has met itself
    named = zip(scores.scored, map(float, np.round(found, 9)), strict=True)
    return dict(sorted(named, key=lambda item: item[1]))

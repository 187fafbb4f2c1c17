"""What a truth test says: who marks what turned the answer, and more so than for another class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from seewhy.core.statistics import Share, wilson
from seewhy.metrics.context import spearman
from seewhy.study.plan import Plan, Result, Row
from seewhy.study.scores import Mean
from seewhy.study.statistics import Array, better_than, mean_interval
from seewhy.study.truth import DELETION, EVIDENCE, SPOT


class MethodTruth(NamedTuple):
    """One method on the photos that turned.

    Attributes:
        method: its name.
        photos: how many it explained.
        failed: on how many it failed.
        inside: the share of its evidence in the overlay's place, for the class that the photos turned to.
        control: the same for the control class.
        difference: of the two.
        asks: whether the difference is above 0 (signed-rank test, Holm over the methods); None of too few photos.
        spot: on which share of the photos its brightest spot lies there, and `spot_control` for the control class.
        deleted: the share of the class's probability that goes with the map's top area.
    """

    method: str
    photos: int
    failed: int
    inside: Mean
    control: Mean
    difference: Mean
    asks: bool | None
    spot: Share
    spot_control: Share
    deleted: Mean

    def plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        means = {name: getattr(self, name).plain() for name in ("inside", "control", "difference", "deleted")}
        shares = {name: getattr(self, name)._asdict() for name in ("spot", "spot_control")}
        told = {"method": self.method, "photos": self.photos, "failed": self.failed, "asks_for_class": self.asks}
        return {**told, **means, **shares}


@dataclass(frozen=True)
class ModelTruth:
    """One model: how many photos it answered, how many turned, to which class mostly, and each method's figures.

    Methods count on the photos that turned to `turned_to`, and come in the order of their differences. `was` and `now`
    are the mean probabilities of that class over all photos that turned to it, without the overlay and with it.
    """

    model: str
    photos: int
    turned: int
    turned_to: str | None
    counted: int
    was: float
    now: float
    rows: tuple[MethodTruth, ...]

    @cached_property
    def agreement(self) -> float | None:
        """Spearman's correlation between the methods' differences and their deletions; None of fewer than three."""
        if len(self.rows) < 3:
            return None
        columns = [[each.difference.value for each in self.rows], [each.deleted.value for each in self.rows]]
        return spearman(*map(np.array, columns))

    def plain(self) -> dict[str, Any]:
        """As plain JSON values."""
        names = ("model", "photos", "turned", "turned_to", "counted", "was", "now")
        told = {name: getattr(self, name) for name in names}
        return {**told, "order_agrees_with_deletion": self.agreement, "methods": [each.plain() for each in self.rows]}


def truth_of(rows: Iterable[Row], plan: Plan, failures: Sequence[Result]) -> list[ModelTruth]:
    """The truth of each model of `plan` out of rows of the table."""
    by_model: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_model[str(row["model"])].append(row)
    return [_of_model(model, by_model[model], plan, failures) for model in plan.models]


def _of_model(model: str, rows: Sequence[Row], plan: Plan, failures: Sequence[Result]) -> ModelTruth:
    photos = {str(row["image"]): row for row in rows}
    turned = {image: row for image, row in photos.items() if row["before"] != row["turned_to"]}
    commonest = Counter(str(row["turned_to"]) for row in turned.values()).most_common(1)
    name = commonest[0][0] if commonest else None
    mine = {image: row for image, row in turned.items() if row["turned_to"] == name}
    values: defaultdict[str, dict[tuple[str, str], tuple[float, float]]] = defaultdict(dict)
    for row in rows:
        if row["image"] in mine and row["value"] is not None:
            beside = float(row["other_classes"]) if row["other_classes"] is not None else np.nan
            values[str(row["method"])][str(row["metric"]), str(row["image"])] = (float(row["value"]), beside)
    failed = Counter(each.unit.method for each in failures if each.unit.model == model)
    return ModelTruth(
        model,
        len(photos),
        len(turned),
        name,
        len(mine),
        _mean_of(mine.values(), "without_overlay"),
        _mean_of(mine.values(), "with_overlay"),
        _methods({method: values[method] for method in plan.methods if values.get(method)}, failed),
    )


def _mean_of(rows: Iterable[Row], column: str) -> float:
    """The mean of a column of numbers; 0 of no rows."""
    return float(np.mean([float(str(row[column])) for row in rows] or [0.0]))


def _methods(
    values: Mapping[str, Mapping[tuple[str, str], tuple[float, float]]], failed: Mapping[str, int]
) -> tuple[MethodTruth, ...]:
    tables: dict[str, dict[str, Array]] = {
        method: {
            metric: np.array([found for (name, _), found in sorted(scores.items()) if name == metric])
            for metric in (EVIDENCE, SPOT, DELETION)
        }
        for method, scores in values.items()
    }
    gaps = {method: each[EVIDENCE][:, 0] - each[EVIDENCE][:, 1] for method, each in tables.items()}
    asks = dict(zip(gaps, better_than([gap.round(9) for gap in gaps.values()]), strict=True))
    found = [
        MethodTruth(
            method,
            len(each[EVIDENCE]),
            failed.get(method, 0),
            _mean(each[EVIDENCE][:, 0]),
            _mean(each[EVIDENCE][:, 1]),
            _mean(gaps[method]),
            asks[method],
            _share(each[SPOT][:, 0]),
            _share(each[SPOT][:, 1]),
            _mean(each[DELETION][:, 0]),
        )
        for method, each in tables.items()
    ]
    return tuple(sorted(found, key=_place))


def _place(truth: MethodTruth) -> tuple[float, bool, str]:
    """The more for the class the further in front; of equals controls come last."""
    return -round(truth.difference.value, 9), truth.method.startswith("control:"), truth.method


def _mean(values: np.ndarray) -> Mean:
    return Mean(*mean_interval(values), pictures=len(values))


def _share(values: np.ndarray) -> Share:
    """Of the brightest spots that lie inside; one of several largest ones counts by its share."""
    return wilson(round(float(values.sum())), len(values))

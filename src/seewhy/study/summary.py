"""A finished study, and what its table of scores says: means, verdicts, who differs, and who agrees with whom.

Pure functions of one model's scores, the same for two photos and for thousands.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.errors import SeewhyError
from seewhy.images import Entry, Folder, Image
from seewhy.metrics import Metric
from seewhy.metrics.context import cell_means, spearman
from seewhy.study.plan import Plan, Result
from seewhy.study.results import read_maps
from seewhy.study.score import CELLS, Scored
from seewhy.study.scores import UNDEFINED, Mean, ModelScores, means_of, scores_of
from seewhy.study.statistics import Array, better_than, complete_block, kendall_w, pairwise_wilcoxon, rank_agreement
from seewhy.study.verdict import Verdict, beats_chance, verdict_of

if TYPE_CHECKING:
    import polars as pl

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A finished study: what was asked, a row for each unit and metric, what failed, and the pictures.

    `explained` holds maps by picture, where they are at hand; else `folder` opens the pictures, and the maps that were
    kept lie in the folder `stored`.
    """

    plan: Plan
    table: pl.DataFrame
    failures: tuple[Result, ...]
    folder: Folder | None = None
    explained: Mapping[str, Scored] = field(default_factory=dict)
    stored: Path | None = field(default=None, kw_only=True)

    @cached_property
    def scores(self) -> list[ModelScores]:
        """The scores of each model."""
        return scores_of(self.table.iter_rows(named=True), self.plan, self.metrics)

    @cached_property
    def metrics(self) -> tuple[type[Metric], ...]:
        """What scored every map."""
        return tuple(Metric.registry[name] for name in self.plan.metrics)

    @cached_property
    def means(self) -> dict[tuple[str, str, str], Mean]:
        """The mean of each model, metric and method that has any scores."""
        return self._of_each(lambda scores, metric: means_of(scores, metric.name))

    @cached_property
    def beats_chance(self) -> dict[tuple[str, str, str], bool]:
        """Whether each model, metric and method beats chance, where that could be told."""
        return self._of_each(beats_chance)

    @cached_property
    def ranks(self) -> dict[str, dict[str, float]]:
        """The mean rank of each method that is no control, by model, best first."""
        return {each.model: each.ranks for each in self.scores}

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        """Which methods to believe, by model."""
        return {each.model: verdict_of(each) for each in self.scores}

    def _of_each(
        self, find: Callable[[ModelScores, type[Metric]], Mapping[str, Found]]
    ) -> dict[tuple[str, str, str], Found]:
        """What `find` finds for methods, by model, metric and method."""
        return {
            (each.model, metric.name, method): found
            for each in self.scores
            for metric in each.metrics
            for method, found in find(each, metric).items()
        }

    def photo_verdicts(self, images: Iterable[str]) -> dict[tuple[str, str], Verdict]:
        """The verdict on each of these pictures alone, by picture and model, where it has scores."""
        alone = {(image, each.model): verdict_of(each.only([image])) for image in images for each in self.scores}
        return {key: verdict for key, verdict in alone.items() if verdict.order}

    @cached_property
    def other_classes(self) -> dict[tuple[str, str, str], OtherClasses]:
        """What maps of other classes score, by model, metric and method, where that was asked."""
        return self._of_each(of_other_classes)

    @cached_property
    def failed(self) -> dict[tuple[str, str], tuple[int, str]]:
        """Of each model and method that failed on pictures: on how many, and the commonest reason."""
        reasons: dict[tuple[str, str], Counter[str]] = {}
        for each in self.failures:
            if each.failure:
                reasons.setdefault((each.unit.model, each.unit.method), Counter())[each.failure.message] += 1
        return {key: (found.total(), found.most_common(1)[0][0]) for key, found in reasons.items()}

    def reason(self, model: str, method: str) -> str:
        """Why a method has no score, by the first of its rows that says so; nothing where none does."""
        told = (row for row in self.table.iter_rows(named=True) if (row["model"], row["method"]) == (model, method))
        return next((str(row["reason"]) for row in told if row.get("reason")), "").rstrip(".")

    def _beside(self, model: str, metric: str, method: str) -> dict[str, Any]:
        other = self.other_classes.get((model, metric, method))
        return {"other_classes": other and other.value, "better_than_other_classes": other and other.better}

    @property
    def noted(self) -> list[tuple[str, list[str]]]:
        """What has to be known of explanations, in sentences, each with its picture's name."""
        if "notes" not in self.table.columns:  # of a study that was made before there were notes
            return []
        known = self.table.select("image", "notes").unique(maintain_order=True)
        return [(image, json.loads(notes or "[]")) for image, notes in known.iter_rows()]

    @property
    def problems(self) -> list[Outcome[Any]]:
        """What failed, each reason once for a picture."""
        told = {(each.unit.image, each.failure.message): each for each in self.failures if each.failure}
        return [Outcome(image, error=SeewhyError(message)) for image, message in told]

    def maps(self, images: Sequence[str]) -> dict[tuple[str, str, str], np.ndarray]:
        """The maps that were kept of these pictures, by model, method and picture.

        Raises:
            BadFile: they are damaged.
        """
        return read_maps(self.stored, images) if self.stored else {}

    def picture(self, name: str) -> Image:
        """The picture of this name.

        Raises:
            BadImage: it cannot be opened any more.
        """
        if self.folder is None:
            return self.explained[name].image
        return self.folder.image(Entry(name))

    def rows(self) -> list[dict[str, Any]]:
        """A row for each model, method and metric, best first, as plain JSON values; without a score they are None."""
        return [
            {
                "model": scores.model,
                "method": method,
                "metric": metric.name,
                "family": metric.family,
                "higher_is_better": metric.higher_is_better,
                "mean_rank": scores.ranks.get(method),
                "beats_chance": self.beats_chance.get((scores.model, metric.name, method)),
                "failed": self.failed.get((scores.model, method), (0, ""))[0],
                **self._beside(scores.model, metric.name, method),
                **(mean.plain() if (mean := self.means.get((scores.model, metric.name, method))) else UNDEFINED),
            }
            for scores in self.scores
            for method in scores.ordered
            for metric in scores.metrics
        ]


def plain_verdicts(result: StudyResult, images: Iterable[str]) -> list[dict[str, Any]]:
    """The verdict on each of these pictures alone, as plain JSON values."""
    found = result.photo_verdicts(images)
    return [{"image": image, "model": model, **verdict.plain()} for (image, model), verdict in found.items()]


class OtherClasses(NamedTuple):
    """The mean score of maps of other classes, and whether those of the class asked about score better.

    None where so few pictures cannot tell.
    """

    value: float
    better: bool | None


def of_other_classes(scores: ModelScores, metric: type[Metric]) -> dict[str, OtherClasses]:
    """By method, with a paired signed-rank test over pictures, at 5 % after Holm's correction over the methods."""
    sign = 1 if metric.higher_is_better else -1
    known = {method: scores.others.get((metric.name, method), {}) for method in scores.rivals}
    gaps = {
        method: np.array([sign * (scores.of(metric.name, method)[image] - other) for image, other in found.items()])
        for method, found in known.items()
        if found
    }
    told = zip(gaps, better_than([*gaps.values()]), strict=True)
    return {
        method: OtherClasses(float(np.mean([*known[method].values()])), better if gaps[method].any() else False)
        for method, better in told
    }


def pairwise(scores: ModelScores, metric: str) -> tuple[tuple[str, ...], Array] | None:
    """The methods that have scores, controls among them, and the p-values `(m, m)` that two of them score alike.

    Two are compared on the pictures that both have. None where there is nothing to test.
    """
    methods = tuple(method for method in scores.methods if scores.of(metric, method))
    return (methods, pairwise_wilcoxon(scores.table(metric, methods))) if len(methods) > 1 else None


def metric_agreement(scores: ModelScores, metrics: Sequence[type[Metric]]) -> Array | None:
    """Kendall's tau `(k, k)` between the orders in which metrics put the methods, mean over pictures.

    Two metrics are compared by the methods that both score.
    """
    pictures = sorted({image for metric in metrics for each in scores.rivals for image in scores.of(metric.name, each)})
    signs = [metric.higher_is_better for metric in metrics]
    taus = np.array([
        rank_agreement(
            [[scores.of(metric.name, each).get(image, np.nan) for each in scores.rivals] for metric in metrics], signs
        )
        for image in pictures
    ]).reshape(-1, len(metrics), len(metrics))  # fmt: skip
    known = np.isfinite(taus).sum(axis=0)
    return np.nansum(taus, axis=0) / np.maximum(known, 1) if known.any() else None


def metric_concordance(scores: ModelScores, metrics: Sequence[type[Metric]]) -> float | None:
    """Kendall's W: how far metrics agree on the order of the methods by their means; 1 fully, 0 not at all.

    Methods that lack a score by any of them do not count.
    """
    known = [each for each in scores.rivals if all(scores.of(metric.name, each) for metric in metrics)]
    if len(known) < 2:
        return None
    means = [
        [(1 if metric.higher_is_better else -1) * np.mean([*scores.of(metric.name, each).values()]) for each in known]
        for metric in metrics
    ]
    return kendall_w(means)


def photo_concordance(scores: ModelScores, metric: str) -> float | None:
    """Kendall's W: how far pictures agree on the order of the methods by one metric, over those that have all scores.

    Methods that fail so often that more is lost with them than without them do not count.
    """
    table = scores.table(metric, scores.rivals)
    if not table.size:
        return None
    block = complete_block(table)
    return kendall_w(block) if block.shape[0] > 1 and block.shape[1] > 1 else None


def map_agreement(pictures: Iterable[Scored], methods: Sequence[str]) -> Array:
    """How alike the methods' maps are: Spearman `(m, m)` of their cells, mean over the pictures that have both."""
    total, known = np.eye(len(methods)), np.eye(len(methods))
    for scored in pictures:
        cells = {
            place: cell_means(scored.explanations[method].values, CELLS)
            for place, method in enumerate(methods)
            if method in scored.explanations
        }
        for i, j in combinations(cells, 2):
            total[[i, j], [j, i]] += spearman(cells[i], cells[j])
            known[[i, j], [j, i]] += 1
    return total / np.maximum(known, 1)

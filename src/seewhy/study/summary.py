"""What a table of scores says: means with intervals, ranks, who beats chance, and who agrees with whom.

Pure functions of one model's scores, the same for two photos and for thousands. Whether a method beats chance is told
by its place among maps drawn by chance where their scores are at hand, as they are for few photos, and else by a
paired test against the random control over the photos.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.errors import SeewhyError
from seewhy.images import Entry, Folder, Image
from seewhy.methods import Method
from seewhy.metrics import Metric
from seewhy.metrics.context import cell_means, spearman
from seewhy.study.ledger import Plan, Result, Row
from seewhy.study.score import CELLS, CHANCE, Scored
from seewhy.study.statistics import (
    LEVEL,
    Array,
    bootstrap_interval,
    holm,
    kendall_w,
    mean_ranks,
    pairwise_wilcoxon,
    rank_agreement,
    stands_out,
    wilcoxon,
)

if TYPE_CHECKING:
    import polars as pl

WORST = -1e300  # of a score that there is not


class Mean(NamedTuple):
    """The mean over so many `pictures`, and the bounds of its 95 % interval; of one picture, of its draws."""

    value: float
    low: float
    high: float
    pictures: int


UNDEFINED = {**dict.fromkeys(Mean._fields), "pictures": 0}


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
        seed: of the bootstrap.
    """

    model: str
    methods: tuple[str, ...]
    metrics: tuple[type[Metric], ...]
    values: Mapping[tuple[str, str], Mapping[str, float]]
    draws: Mapping[tuple[str, str], Mapping[str, Sequence[float]]] = field(default_factory=dict)
    chance: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    beside: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    seed: int = 0

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
    def ranks(self) -> dict[str, float]:
        """See `mean_rank`."""
        return mean_rank(self)

    @property
    def best(self) -> str | None:
        """The method of the best mean rank; None where no metric ranks, or nothing has a score."""
        return next(iter(self.ranks), None)

    @cached_property
    def ordered(self) -> tuple[str, ...]:
        """Methods best first, as they came where there are no ranks, then controls."""
        return (*self.best_first, *self.controls)

    @property
    def best_first(self) -> tuple[str, ...]:
        """The methods that are no controls, best first, as they came where there are no ranks."""
        return tuple(self.ranks or self.rivals)

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

    def worths(self, metric: type[Metric], methods: Sequence[str]) -> dict[str, list[float]]:
        """By picture that has any score: of each method, more is better, a score that is missing is worst."""
        columns = [self.of(metric.name, method) for method in methods]
        sign = 1 if metric.higher_is_better else -1
        known = sorted(set[str]().union(*columns))
        return {image: [sign * each[image] if image in each else WORST for each in columns] for image in known}


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A finished study: what was asked, a row for each unit and metric, what failed, and the pictures.

    `explained` holds maps by picture, where they are at hand; `folder` opens the pictures otherwise.
    """

    plan: Plan
    table: pl.DataFrame
    failures: tuple[Result, ...]
    folder: Folder | None = None
    explained: Mapping[str, Scored] = field(default_factory=dict)

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
        return {
            (each.model, metric.name, method): mean
            for each in self.scores
            for metric in each.metrics
            for method, mean in means_of(each, metric.name).items()
        }

    @cached_property
    def beats_chance(self) -> dict[tuple[str, str, str], bool]:
        """Whether each model, metric and method beats chance, where that could be told."""
        return {
            (each.model, metric.name, method): better
            for each in self.scores
            for metric in each.metrics
            for method, better in beats_chance(each, metric).items()
        }

    @cached_property
    def ranks(self) -> dict[str, dict[str, float]]:
        """The mean rank of each method that is no control, by model, best first."""
        return {each.model: each.ranks for each in self.scores}

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
                **(mean._asdict() if (mean := self.means.get((scores.model, metric.name, method))) else UNDEFINED),
            }
            for scores in self.scores
            for method in scores.ordered
            for metric in scores.metrics
        ]


def scores_of(rows: Iterable[Row], plan: Plan, metrics: tuple[type[Metric], ...] | None = None) -> list[ModelScores]:
    """The scores of each model of `plan` out of rows of a table."""
    values: Any = defaultdict(lambda: defaultdict(dict))
    draws: Any = defaultdict(lambda: defaultdict(dict))
    chance: Any = defaultdict(lambda: defaultdict(dict))
    beside: Any = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        model, metric, method, image = row["model"], row["metric"], row["method"], row["image"]
        if row["value"] is not None:
            values[model][metric, method][image] = row["value"]
        if drawn := row.get("draws"):
            draws[model][metric, method][image] = json.loads(str(drawn))
        if (faced := row.get("beside_chance")) is not None:
            beside[model][metric, method][image] = faced
        if random := row.get("chance"):
            chance[model][metric][image] = json.loads(str(random))
    known = tuple(Metric.registry[name] for name in plan.metrics) if metrics is None else metrics
    return [
        ModelScores(
            model,
            tuple(plan.methods),
            known,
            values[model],
            draws[model],
            chance[model],
            beside[model],
            plan.seed,
        )
        for model in plan.models
    ]


def means_of(scores: ModelScores, metric: str) -> dict[str, Mean]:
    """The mean of each method over pictures with its bootstrap interval; methods without any score are left out.

    The interval of a single picture is that of its draws.
    """
    by_pictures: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for method in scores.methods:
        by_pictures[tuple(sorted(scores.of(metric, method)))].append(method)
    found: dict[str, Mean] = {}
    for pictures, methods in by_pictures.items():
        if len(pictures) == 1:
            for method in methods:
                value = scores.of(metric, method)[pictures[0]]
                drawn = scores.draws.get((metric, method), {}).get(pictures[0], [value])
                found[method] = Mean(value, min(drawn), max(drawn), 1)
        elif pictures:  # those scored on the same ones are drawn together, which is quicker
            drawn = bootstrap_interval(scores.paired([metric], methods)[:, 0], np.random.default_rng(scores.seed))
            for method, *bounds in zip(methods, *map(np.ndarray.tolist, drawn), strict=True):
                found[method] = Mean(*bounds, pictures=len(pictures))
    return found


def mean_rank(scores: ModelScores) -> dict[str, float]:
    """The mean rank of each method that is no control, over pictures and the metrics that rank, best first.

    A score that is missing, since the method failed or the metric has no answer, is the last.
    """
    rows = [row for metric in scores.tests for row in scores.worths(metric, scores.rivals).values()]
    if not rows:
        return {}
    means = mean_ranks(rows, higher_is_better=True)
    return dict(sorted(zip(scores.rivals, map(float, means), strict=True), key=lambda item: item[1]))


# --- Chance -------------------------------------------------------------------------------------------------------


def beats_chance(scores: ModelScores, metric: type[Metric]) -> dict[str, bool]:
    """Whether each method beats chance by one metric; methods of which it cannot be told are left out.

    Among random maps: whether at most one in twenty, itself counted, scores as well, by means over the same pictures.
    Without their scores: by Wilcoxon's signed-rank test against the random control on the pictures where both have a
    score, at 5 % after Holm's correction.
    """
    if scores.chance.get(metric.name):
        places = {method: among_random_maps(scores, metric, method) for method in scores.methods}
        return {method: stands_out(worths) for method, worths in places.items() if worths is not None}
    pairs = {
        method: scores.paired([metric.name], [method, CHANCE])[:, 0] for method in scores.methods if method != CHANCE
    }
    sign = 1 if metric.higher_is_better else -1
    return _tested({method: sign * pair for method, pair in pairs.items()})


def no_better_than_chance(scores: ModelScores) -> list[str]:
    """Methods and controls that chance does as well as, over all metrics that rank.

    One question for all metrics: asked one by one, chance would pass one of many. It is about the mean rank, among
    random maps or, over the pictures, against the random control.
    """
    if any(scores.chance.get(metric.name) for metric in scores.tests):
        return [method for method in scores.methods if not _beats_random_maps(scores, method)]
    rows = [scores.worths(metric, scores.methods) for metric in scores.tests]
    if CHANCE not in scores.methods:
        return []
    ranks: dict[str, Array] = {
        image: mean_ranks([each[image] for each in rows if image in each], higher_is_better=True)
        for image in dict.fromkeys(image for each in rows for image in each)
    }
    place = scores.methods.index(CHANCE)
    pairs = {
        method: -np.array([[each[column], each[place]] for each in ranks.values()]).reshape(-1, 2)
        for column, method in enumerate(scores.methods)
        if column != place
    }
    return [method for method, better in _tested(pairs).items() if not better]


def among_random_maps(scores: ModelScores, metric: type[Metric], method: str) -> Array | None:
    """Its worth and that of random maps, `(1 + n,)`, means over the same pictures; None where nothing is known."""
    # Another seed asks other questions, some of them easier: only the first draw is held against chance.
    drawn, beside = scores.draws.get((metric.name, method), {}), scores.beside.get((metric.name, method), {})
    firsts = {
        image: beside[image] if image in beside else drawn.get(image, [value])[0]
        for image, value in scores.of(metric.name, method).items()
    }
    random = scores.chance.get(metric.name, {})
    rows = [[value, *random[image]] for image, value in firsts.items() if random.get(image)]
    if not rows:
        return None
    means = np.mean([row[: min(map(len, rows))] for row in rows], axis=0)
    return means if metric.higher_is_better else -means


def _beats_random_maps(scores: ModelScores, method: str) -> bool:
    found = [among_random_maps(scores, metric, method) for metric in scores.tests]
    rows = [worths for worths in found if worths is not None]
    if not rows:
        return False
    return stands_out(-mean_ranks([row[: min(map(len, rows))] for row in rows], higher_is_better=True))


def _tested(pairs: Mapping[str, Array]) -> dict[str, bool]:
    """Whether the first of each pair `(pictures, 2)` is higher, of those that have the pictures to tell."""
    tested = {method: pair for method, pair in pairs.items() if 0.5 ** len(pair) * len(pairs) <= LEVEL}
    p_values = holm([wilcoxon(pair[:, 0], pair[:, 1], "greater") for pair in tested.values()])
    return {method: bool(p <= LEVEL) for method, p in zip(tested, p_values, strict=True)}


# --- Who differs, who agrees --------------------------------------------------------------------------------------


def pairwise(scores: ModelScores, metric: str) -> tuple[tuple[str, ...], Array] | None:
    """The methods that have scores, controls among them, and the p-values `(m, m)` that two of them score alike.

    None where there is nothing to test.
    """
    methods = tuple(method for method in scores.methods if scores.of(metric, method))
    table = scores.paired([metric], methods)[:, 0] if methods else np.empty((0, 0))
    return (methods, pairwise_wilcoxon(table)) if len(table) and len(methods) > 1 else None


def metric_agreement(scores: ModelScores, metrics: Sequence[type[Metric]]) -> Array | None:
    """Kendall's tau `(k, k)` between the orders in which metrics put the methods, mean over pictures."""
    table = scores.paired([metric.name for metric in metrics], scores.rivals)
    if not len(table) or len(scores.rivals) < 2:
        return None
    signs = [metric.higher_is_better for metric in metrics]
    return np.mean([rank_agreement(picture, signs) for picture in table], axis=0)


def metric_concordance(scores: ModelScores, metrics: Sequence[type[Metric]]) -> float | None:
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

"""Which explanation to believe: scores of several methods on the same pictures, held against maps drawn by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from seewhy.methods import Explanation, Outcome
from seewhy.metrics import MetricInfo, Score
from seewhy.metrics.maps import cell_means
from seewhy.study.statistics import bootstrap_interval, mean_ranks

LEVEL = 0.05
CELLS = 14  # maps are alike in these cells, whatever their own grain


@dataclass(frozen=True)
class Trial:
    """One picture: what each method found, and what each metric says of it.

    `draws` holds, by metric and method, a score for each time the metric was asked with another seed; `chance` the
    scores of random maps, by metric, asked with the first of those seeds. What is not defined is left out.
    """

    explanations: Mapping[str, Explanation]
    draws: Mapping[str, Mapping[str, Sequence[Score]]]
    chance: Mapping[str, Sequence[float]]

    def value(self, metric: str, method: str) -> float | None:
        """The mean over draws; None where the score is not defined."""
        values = [score.value for score in self.draws[metric][method]]
        return None if None in values else float(np.mean([value for value in values if value is not None]))


@dataclass(frozen=True)
class Cell:
    """A method's score by one metric, its 95 % interval, and whether it beats chance; None where nothing says so."""

    value: float
    low: float
    high: float
    beats_chance: bool | None


@dataclass(frozen=True)
class Comparison:
    """Methods and controls, metrics, and a trial for each picture; `failures` are pictures that have none."""

    methods: tuple[str, ...]
    controls: tuple[str, ...]
    metrics: tuple[MetricInfo, ...]
    trials: tuple[Trial, ...]
    seed: int = 0
    failures: tuple[Outcome, ...] = ()

    def cell(self, metric: MetricInfo, method: str) -> Cell | None:
        """The mean over pictures; its interval from the pictures, or from the draws where there is but one."""
        values = [trial.value(metric.name, method) for trial in self.trials]
        known = [value for value in values if value is not None]
        if not known:
            return None
        if len(known) > 1:
            mean, low, high = (float(each[0]) for each in bootstrap_interval(known, np.random.default_rng(self.seed)))
        else:
            scored = (trial for trial in self.trials if trial.value(metric.name, method) is not None)
            draws = [score.value or 0.0 for trial in scored for score in trial.draws[metric.name][method]]
            mean, low, high = known[0], min(draws), max(draws)
        worths = self._among_chance(metric, method)
        return Cell(mean, low, high, None if worths is None else _stands_out(worths))

    def _among_chance(self, metric: MetricInfo, method: str) -> np.ndarray | None:
        """Its worth and that of random maps, `(1 + n,)`, means over the same pictures; None where nothing is known."""
        # Another seed asks other questions, some of them easier: only the first draw is held against chance.
        firsts = [(trial.draws[metric.name][method][0].value, trial.chance.get(metric.name)) for trial in self.trials]
        rows = [[value, *scores] for value, scores in firsts if value is not None and scores]
        if not rows:
            return None
        means = np.mean([row[: min(map(len, rows))] for row in rows], axis=0)
        return means if metric.higher_is_better else -means

    @property
    def ranked_by(self) -> tuple[MetricInfo, ...]:
        """The metrics of faithfulness: whether a map looks right to people, or is tidy, is another matter."""
        return tuple(metric for metric in self.metrics if metric.family == "faithfulness")

    @cached_property
    def ranks(self) -> dict[str, float]:
        """The mean rank of each method over pictures and metrics of faithfulness, best first; 1 is best."""
        rows = [
            [self._worth(metric, trial.value(metric.name, method)) for method in self.methods]
            for trial in self.trials
            for metric in self.ranked_by
        ]
        means = mean_ranks(rows, higher_is_better=True) if rows else np.ones(len(self.methods))
        found = dict(zip(self.methods, map(float, means), strict=True))
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def mean_rank(self, method: str) -> float | None:
        """None for controls, and where nothing was asked for faithfulness."""
        return self.ranks.get(method) if self.best else None

    @property
    def best(self) -> str | None:
        """The method of the best mean rank; None where no metric asks for faithfulness, or there are no trials."""
        return next(iter(self.ranks)) if self.ranked_by and self.trials else None

    @property
    def no_better_than_chance(self) -> list[str]:
        """Methods and controls whose mean rank among random maps, over the tests of faithfulness, chance may get.

        One question for all tests: asked test by test, chance would pass one of many.
        """
        if not any(trial.chance.get(metric.name) for metric in self.ranked_by for trial in self.trials):
            return []
        return [method for method in (*self.methods, *self.controls) if not self._beats_chance(method)]

    def _beats_chance(self, method: str) -> bool:
        found = [self._among_chance(metric, method) for metric in self.ranked_by]
        rows = [worths for worths in found if worths is not None]
        if not rows:
            return False
        return _stands_out(-mean_ranks([row[: min(map(len, rows))] for row in rows], higher_is_better=True))

    @staticmethod
    def _worth(metric: MetricInfo, value: float | None) -> float:
        """More is better; a score that is not defined is worst."""
        if value is None:
            return -1e300
        return value if metric.higher_is_better else -value


def _stands_out(worths: np.ndarray) -> bool:
    """Whether at most one in twenty of them, itself counted, is worth as much as the first."""
    return bool((worths >= worths[0]).mean() <= LEVEL)


def agreement(comparison: Comparison) -> np.ndarray:
    """How alike the methods' maps are: Spearman `(m, m)` of their cells, mean over pictures; 0 with a flat map."""
    from scipy.stats import rankdata

    count = len(comparison.methods)
    total = np.eye(count)
    for trial in comparison.trials:
        ranks = [rankdata(cell_means(trial.explanations[method].values, CELLS)) for method in comparison.methods]
        for i, j in combinations(range(count), 2):
            flat = np.ptp(ranks[i]) == 0 or np.ptp(ranks[j]) == 0
            value = 0.0 if flat else float(np.corrcoef(ranks[i], ranks[j])[0, 1])
            total[i, j] += value / len(comparison.trials)
            total[j, i] = total[i, j]
    return total

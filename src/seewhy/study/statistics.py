"""What scores of many images allow to say: intervals, paired tests, ranks and agreement.

Scores are float `(n, m)` without NaN: a row for each image, a column for each method. Rank 1 is best.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seewhy.errors import UsageError
from seewhy.metrics.context import ranks

Array: TypeAlias = NDArray[np.float64]
Alternative: TypeAlias = Literal["two-sided", "greater", "less"]

LEVEL = 0.05  # of a test
EXACT = 50  # pairs; beyond, the normal approximation is as good
DRAWS = 10_000
BLOCK = 1 << 22  # numbers held at once


class Interval(NamedTuple):
    """A mean and the bounds that hold it, each `(m,)`."""

    mean: Array
    low: Array
    high: Array


def bootstrap_interval(
    scores: ArrayLike, generator: np.random.Generator, *, level: float = 0.95, draws: int = DRAWS
) -> Interval:
    """The mean of each column with its percentile bootstrap interval; rows are drawn whole, so columns stay paired.

    Source: Efron 1979. Below some twenty rows the interval is too narrow.

    Raises:
        UsageError: there are no scores, or some are not finite.
    """
    table = _table(scores)
    n = len(table)
    step = max(1, BLOCK // n)
    sizes = [min(step, draws - start) for start in range(0, draws, step)]
    means = np.concatenate([generator.multinomial(n, np.full(n, 1 / n), size) @ table / n for size in sizes])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(table.mean(axis=0), low, high)


def wilcoxon(first: ArrayLike, second: ArrayLike, alternative: Alternative = "two-sided") -> float:
    """p-value of the paired signed-rank test that two `(n,)` score alike; 1 where they are equal throughout.

    `greater` asks whether the first scores higher. Exact up to `EXACT` pairs, also with ties, as scores of 0 and 1
    have. Source: Wilcoxon 1945; equal pairs are left out.

    >>> wilcoxon([1, 1, 1, 1], [0, 0, 0, 0])
    0.125
    """
    differences = np.asarray(first, float) - np.asarray(second, float)
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    if len(differences) > EXACT:
        from scipy import stats

        tested: Any = stats.wilcoxon(differences, alternative=alternative)
        return float(tested.pvalue)
    doubled = np.rint(2 * ranks(np.abs(differences))).astype(int)  # whole numbers, also of ties
    chances = np.zeros(int(doubled.sum()) + 1)  # of each sum of the ranks of those that are higher
    chances[0] = 1
    for rank in doubled:
        chances = (chances + np.roll(chances, rank)) / 2  # nothing comes round: the sum is as long as all ranks
    found = int(doubled[differences > 0].sum())
    above, below = float(chances[found:].sum()), float(chances[: found + 1].sum())
    p_values = {"greater": above, "less": below, "two-sided": 2 * min(above, below)}
    return min(p_values[alternative], 1.0)


def holm(p_values: ArrayLike) -> Array:
    """p-values `(k,)` corrected for being `k` questions asked at once. Source: Holm 1979."""
    p = np.asarray(p_values, float)
    order = p.argsort()
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return corrected


def pairwise_wilcoxon(scores: ArrayLike) -> Array:
    """p-values `(m, m)` of every pair of columns, after Holm's correction over the pairs; 1 on the diagonal."""
    table = _table(scores)
    m = table.shape[1]
    pairs = list(combinations(range(m), 2))
    result = np.ones((m, m))
    for (i, j), p in zip(pairs, holm([wilcoxon(table[:, i], table[:, j]) for i, j in pairs]), strict=True):
        result[i, j] = result[j, i] = p
    return result


def stands_out(worths: ArrayLike) -> bool:
    """Whether at most one in twenty of them, itself counted, is worth as much as the first."""
    found = np.asarray(worths, float)
    return bool((found >= found[0]).mean() <= LEVEL)


def mean_ranks(scores: ArrayLike, *, higher_is_better: bool) -> Array:
    """The mean over rows of the rank `(m,)` of each column, 1 best; equal scores share the mean of their ranks."""
    return ranks(_table(scores) * (-1 if higher_is_better else 1)).mean(axis=0)


def kendall_w(scores: ArrayLike) -> float:
    """How far the rows agree on the order of the columns: 0 not at all, 1 fully; 0 where no row prefers any.

    Source: Kendall & Babington Smith 1939, corrected for ties.
    """
    ranked = ranks(_table(scores))
    n, m = ranked.shape
    spread = float(((ranked.sum(axis=0) - n * (m + 1) / 2) ** 2).sum())
    # Within a row ranks vary by (m³ − m) / 12 without ties, and by less with them.
    most = n * float(((ranked - (m + 1) / 2) ** 2).sum())
    return spread / most if most else 0.0


def rank_agreement(scores: ArrayLike, higher_is_better: Sequence[bool]) -> Array:
    """Kendall's tau-b `(k, k)` between metrics, a row of `scores` `(k, m)` for each; 0 for one that prefers no column.

    Each metric is turned so that more is better. Source: Kendall 1945.
    """
    table = _table(scores) * np.where(higher_is_better, 1, -1)[:, np.newaxis]
    signs = np.sign(table[:, :, np.newaxis] - table[:, np.newaxis, :]).reshape(len(table), -1)
    lengths = np.sqrt((signs**2).sum(axis=1))
    agreement = signs @ signs.T / np.maximum(np.outer(lengths, lengths), 1)
    np.fill_diagonal(agreement, 1)
    return agreement


def _table(scores: ArrayLike) -> Array:
    table: NDArray[Any] = np.asarray(scores, float)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise UsageError(
            f"scores are finite numbers, a row for each image; not {table.shape} with NaN or nothing in it"
        )
    return table

"""What scores of many images allow to say: intervals, exact paired tests, ranks and agreement.

Scores are float `(n, m)`, a row for each image, a column for each method; NaN where there is none. Rank 1 is best.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import nan, sqrt
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seewhy.core.statistics import LEVEL, holm, wilson
from seewhy.errors import UsageError
from seewhy.metrics.context import ranks

Array: TypeAlias = NDArray[np.float64]
Alternative: TypeAlias = Literal["two-sided", "greater", "less"]

EXACT = 50  # pairs; beyond, the normal approximation is as good
FEWEST = 12  # scores, below which no interval of a mean holds as often as it says
SKEW = 0.5  # of Hall's correction: without it skewed scores escape too often, with all of it U-shaped ones too seldom


class Interval(NamedTuple):
    """A mean and the bounds that hold it in 95 of 100 cases; NaN where there are none that do."""

    mean: float
    low: float
    high: float


def mean_interval(scores: ArrayLike) -> Interval:
    """The mean of `(n,)` scores with its 95 % interval.

    Of scores that are all 0 or 1 it is Wilson's. Of others it is Student's, moved by half of Hall's correction for
    skewness; it has none below `FEWEST` scores, nor of scores that are all the same. From there on it holds the
    truth in 93 to 97 of 100 cases, for normal, uniform, U-shaped and skewed scores between two bounds.
    `tests/study/test_coverage.py` measures that. Source: Hall 1992.

    >>> mean_interval([1, 1, 1]).low > 0.4
    True

    Raises:
        UsageError: there are no scores, or some are not finite.
    """
    values = np.asarray(scores, float)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise UsageError(f"scores are finite numbers, one for each image; not {values.shape} with NaN or nothing in it")
    count, mean = len(values), float(values.mean())
    if ((values == 0) | (values == 1)).all():
        return Interval(*wilson(int(values.sum()), count))
    spread = float(values.std())
    if count < FEWEST or spread <= 1e-12 * max(1.0, abs(mean)):
        return Interval(mean, nan, nan)
    from scipy import stats

    quantile = float(stats.t.ppf(0.975, count - 1))
    bend = SKEW * float(((values - mean) ** 3).mean()) / spread**3 / sqrt(count)
    low, high = (mean - spread / sqrt(count - 1) * _straightened(each, bend) for each in (quantile, -quantile))
    return Interval(mean, low, high)


def _straightened(quantile: float, bend: float) -> float:
    """The quantile of t of scores so skewed, from that of t: Hall's transformation, inverted."""
    if abs(bend) < 1e-9:
        return quantile
    return float((np.cbrt(1 + bend * (quantile - bend / 6)) - 1) * 3 / bend)


def wilcoxon(first: ArrayLike, second: ArrayLike, alternative: Alternative = "two-sided") -> float:
    """p-value of the paired signed-rank test that two `(n,)` score alike; 1 where they are equal throughout.

    `greater` asks whether the first scores higher. Exact up to `EXACT` pairs, with ties as well; where all differences
    are of one size, as those of scores of 0 and 1, it is the sign test (McNemar's) and exact for any number. Source:
    Wilcoxon 1945; equal pairs are left out.

    >>> wilcoxon([1, 1, 1, 1], [0, 0, 0, 0])
    0.125
    """
    differences = np.asarray(first, float) - np.asarray(second, float)
    differences = differences[differences != 0]
    sizes = np.abs(differences)
    if not len(differences):
        return 1.0
    if len(differences) > EXACT:
        from scipy import stats

        if np.ptp(sizes) <= 1e-12 * sizes.max():
            return float(stats.binomtest(int((differences > 0).sum()), len(sizes), alternative=alternative).pvalue)
        tested: Any = stats.wilcoxon(differences, alternative=alternative)
        return float(tested.pvalue)
    doubled = np.rint(2 * ranks(sizes)).astype(int)  # whole numbers, also of ties
    chances = np.zeros(int(doubled.sum()) + 1)  # of each sum of the ranks of those that are higher
    chances[0] = 1
    for rank in doubled:
        chances = (chances + np.roll(chances, rank)) / 2  # nothing comes round: the sum is as long as all ranks
    found = int(doubled[differences > 0].sum())
    above, below = float(chances[found:].sum()), float(chances[: found + 1].sum())
    p_values = {"greater": above, "less": below, "two-sided": 2 * min(above, below)}
    return min(p_values[alternative], 1.0)


def can_tell(pairs: int, questions: int = 1) -> bool:
    """Whether a one-sided test of so many pairs, one of so many questions, can find anything at all."""
    return 0.5**pairs * questions <= LEVEL


def needed(questions: int) -> int:
    """So many pairs can.

    >>> needed(1)
    5
    """
    return next(pairs for pairs in range(1, 100) if can_tell(pairs, questions))


def better_than(pairs: Sequence[Array]) -> list[bool | None]:
    """Whether the differences `(n,)` of each question are above 0, at 5 % after Holm's correction.

    None where so few pairs cannot tell.
    """
    p_values = holm([wilcoxon(each, np.zeros(len(each)), "greater") for each in pairs])
    return [p <= LEVEL if can_tell(len(each), len(pairs)) else None for p, each in zip(p_values, pairs, strict=True)]


def pairwise_wilcoxon(scores: ArrayLike) -> Array:
    """p-values `(m, m)` of every pair of columns over the rows that both have, after Holm's correction over the pairs.

    1 on the diagonal, and where no row has both.
    """
    table = np.asarray(scores, float)
    pairs = list(combinations(range(table.shape[1]), 2))
    found = np.ones((table.shape[1], table.shape[1]))
    both = [table[np.isfinite(table[:, [i, j]]).all(axis=1)][:, [i, j]] for i, j in pairs]
    for (i, j), p in zip(pairs, holm([wilcoxon(*each.T) for each in both]), strict=True):
        found[i, j] = found[j, i] = p
    return found


def stands_out(worths: ArrayLike) -> bool:
    """Whether at most one in twenty of them, itself counted, is worth as much as the first."""
    found = np.asarray(worths, float)
    return bool((found >= found[0]).mean() <= LEVEL)


def complete_block(scores: Array) -> Array:
    """The largest part of a table `(n, m)` without NaN that some of its rows and columns make, by its numbers."""
    known = np.isfinite(scores)
    order = np.argsort(-known.sum(axis=0), kind="stable")
    blocks = [(known[:, order[:count]].all(axis=1), np.sort(order[:count])) for count in range(1, len(order) + 1)]
    rows, columns = max(blocks, key=lambda each: (min(len(each[1]), 2), each[0].sum() * len(each[1])))
    return scores[rows][:, columns]


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

    Each metric is turned so that more is better; two metrics are compared by the columns that both have, and NaN where
    these are fewer than two. Source: Kendall 1945.
    """
    table = np.asarray(scores, float) * np.where(higher_is_better, 1, -1)[:, np.newaxis]
    differences = (table[:, :, np.newaxis] - table[:, np.newaxis, :]).reshape(len(table), -1)
    known, signs = np.isfinite(differences).astype(float), np.nan_to_num(np.sign(differences))
    asked = (signs**2) @ known.T  # pairs that the row tells apart, of those that the column has, too
    agreement = signs @ signs.T / np.maximum(np.sqrt(asked * asked.T), 1)
    np.fill_diagonal(agreement, 1)
    scored = np.isfinite(table).astype(float)
    return np.where(scored @ scored.T < 2, nan, agreement)


def _table(scores: ArrayLike) -> Array:
    table: NDArray[Any] = np.asarray(scores, float)
    table = table[:, np.newaxis] if table.ndim == 1 else table
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise UsageError(
            f"scores are finite numbers, a row for each image; not {table.shape} with NaN or nothing in it"
        )
    return table

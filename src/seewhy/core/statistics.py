"""Statistics that several rooms need: a share with its interval, and many questions asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seewhy.errors import UsageError

LEVEL = 0.05  # of a test
Z95 = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations


class Share(NamedTuple):
    """A share and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(right: int, count: int) -> Share:
    """The share `right` of `count` with its 95 % interval.

    Averaged over all shares it holds the truth in 95 to 96 %, from two counts on; of a share next to 0 or 1 in 83 % at
    worst. Source: Wilson 1927, the score interval without continuity correction.

    >>> wilson(9, 10).low > 0.55
    True

    Raises:
        UsageError: there is nothing to take a share of.
    """
    if not 0 <= right <= count or count < 1:
        raise UsageError(f"{right} of {count} is no share")
    share = right / count
    centre = (share + Z95**2 / (2 * count)) / (1 + Z95**2 / count)
    half = Z95 / (1 + Z95**2 / count) * (share * (1 - share) / count + Z95**2 / (4 * count**2)) ** 0.5
    return Share(share, max(0.0, centre - half), min(1.0, centre + half))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being so many questions asked at once. Source: Holm 1979.

    >>> holm([0.04, 0.01])
    [0.04, 0.02]
    """
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for left, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(p_values[place] * (len(p_values) - left), 1.0))
        corrected[place] = largest
    return corrected

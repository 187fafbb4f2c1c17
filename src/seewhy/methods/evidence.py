"""What a method may find beside a map: regions with weights, and rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONFIDENT = 1.96  # standard errors: 95 %


@dataclass(frozen=True, eq=False)
class RegionWeights:
    """The regions of a picture and the weight of each.

    `labels` is int32 `(h, w)` over the view, from 0 on; `weights` and their standard `errors` are float64 `(d,)`.
    """

    labels: np.ndarray
    weights: np.ndarray
    errors: np.ndarray | None = None

    @property
    def painted(self) -> np.ndarray:
        """Float32 `(h, w)`: each pixel with the weight of its region."""
        return self.weights[self.labels].astype(np.float32)

    def tied(self, first: int, second: int) -> bool:
        """Whether the standard errors cannot tell two regions apart (at 95 %)."""
        if self.errors is None:
            return False
        spread = float(np.hypot(self.errors[first], self.errors[second]))
        return abs(float(self.weights[first] - self.weights[second])) < CONFIDENT * spread


@dataclass(frozen=True)
class Rule:
    """An anchor: while `regions` stay, the class stays, whatever happens to the rest.

    `precision` is the share of variations that kept the class, with its confidence bounds `low` and `high`;
    `coverage` the share of random variations that the rule speaks about; `area` the share of the picture it keeps.
    """

    regions: tuple[int, ...]
    precision: float
    low: float
    high: float
    coverage: float
    area: float
    variations: int
    threshold: float
    sentence: str

    @property
    def holds(self) -> bool:
        """Whether the precision asked for was reached."""
        return self.precision >= self.threshold

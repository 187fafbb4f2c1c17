"""A network that takes its time."""

from __future__ import annotations

import time

from torch import Tensor

import planted
from seewhy.models import Classifier, Preprocessing

SECONDS = 2


class Slow(planted.ColourFinder):
    """Sleeps before every forward."""

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(SECONDS)
        return super().forward(x)


def classifier() -> Classifier:
    preprocessing = Preprocessing((planted.SIZE, planted.SIZE), mean=(0, 0, 0), std=(1, 1, 1))
    return Classifier.from_module(Slow().eval(), preprocessing, ["red", "green", "blue"], "slow colours")

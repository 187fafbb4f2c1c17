"""Views to draw, made without a network."""

from __future__ import annotations

import numpy as np

from seewhy.images import Image
from seewhy.methods import Cost
from seewhy.models import Box, Grid, Prediction, Target
from seewhy.network import Cluster, Effect, LayerView, Link, NetworkView

NASTY = 'cat <b>"&'


def blob(row: int, column: int, side: int = 7) -> np.ndarray:
    """A map that is highest in one cell."""
    rows, columns = np.mgrid[:side, :side]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 3).astype(np.float32)


def cluster(index: int, weight: float, values: np.ndarray, hidden: float | None = 0.2) -> Cluster:
    """With no more maps than its number says."""
    effect = None if hidden is None else Effect(hidden, 0.5, 0.6)
    return Cluster(index, weight, tuple(range(index + 1)), values, effect)


def layer(name: str, *clusters: Cluster, outcome: str | None = None) -> LayerView:
    """Of 64 maps."""
    kept = min(sum(abs(each.weight) for each in clusters) + 5, 100)
    return LayerView(name, Grid("channels first", 64, 7, 7), kept, clusters, outcome)


def view(layers: tuple[LayerView, ...] | None = None, box: Box | None = None) -> NetworkView:
    """Two blobs that go on from the first layer to the second, a dead layer, and one that turns against the class."""
    image = Image(np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8), NASTY)
    layers = layers or (
        layer("early", cluster(0, 40, blob(1, 1)), cluster(1, 20, blob(5, 5), hidden=0.79)),
        layer("middle", cluster(0, 30, blob(5, 5)), cluster(1, 25, blob(1, 1), hidden=None)),
        layer("dead <x>", outcome="no positive evidence in this layer"),
        layer("late", cluster(0, -60, blob(3, 3), hidden=1.0)),
    )
    links = (Link(0, 0, 1, 1, 0.9), Link(0, 1, 1, 0, 0.5), Link(0, 0, 1, 0, 0.1), Link(1, 0, 3, 0, 0.8))
    classes = (Prediction(3, "tiger <cat>", 0.8), Prediction(1, "tabby", 0.0002))
    return NetworkView(
        image,
        box or Box(15, 0, 75, 60),
        Target(3),
        "tiger <cat>",
        classes,
        0.8,
        layers,
        "toy & co",
        "f" * 64,
        "ward",
        False,
        0,
        Cost(9, 1, 0.5),
        links=links if len(layers) > 3 else (),
    )


WORDS = {("early", 0): [("<wheel>", 3.0), ("rim", 1.5)], ("late", 0): [("a very long label indeed that goes on", 1.0)]}

"""`NetworkView`: layer by layer, which groups of feature maps a network found in a picture, and what each weighs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.engines.clustering import FEWEST_TO_SPLIT, Clustering, WardClustering, stability
from seewhy.errors import NonFinite, UsageError
from seewhy.images import Image
from seewhy.methods import Cost
from seewhy.models import Box, Classifier, Grid, Prediction, Target, capture, folded
from seewhy.models.head import Meaning, told
from seewhy.models.state import undisturbed
from seewhy.network.checks import Effect, Link, without_areas, without_groups
from seewhy.network.layers import default_layers
from seewhy.network.reach import reach
from seewhy.network.weights import guided_weights, heavy, merged_map, signed_weights, threshold

# What people call a cluster: by layer and index its labels with their scores, best first.
Words: TypeAlias = Mapping[tuple[str, int], Sequence[tuple[str, float]]]

SHOWN = 5  # likeliest classes
DEAD = "no positive evidence in this layer"
SILENT = "the class does not depend on this layer"
SINGLE = "the layer has one map, so there is nothing to group"
FEW = "fewer than four maps carry weight, so they stay one group"
SPREAD = "no map weighs enough to stand out"


@dataclass(frozen=True, eq=False)
class Cluster:
    """A group of maps that respond in the same places.

    `index` is its place in the layer from 0 on, heaviest first; `weight` its per cent of the layer's weight, negative
    only in a signed view. `maps` are channel numbers; `map` is their weighted mean, float32 `(h, w)` on the layer's
    grid, in the network's own units.
    """

    index: int
    weight: float
    maps: tuple[int, ...]
    map: np.ndarray
    effect: Effect | None = None


@dataclass(frozen=True, eq=False)
class LayerView:
    """One layer: its clusters, heaviest first, or in `outcome` the words why there are none, or only one.

    `weight_kept` is the per cent of the layer's weight that the maps which passed the filter carry, before small
    clusters are left out. `stability` says how far the clusters hang on single maps, 1 not at all; None where there is
    one cluster. `reach` is the share of the picture's side that a cell sees; None where that was not measured.
    """

    name: str
    grid: Grid
    weight_kept: float
    clusters: tuple[Cluster, ...] = ()
    outcome: str | None = None
    stability: float | None = None
    reach: float | None = None


@dataclass(frozen=True, eq=False)
class NetworkView:
    """What each layer of a network found in a picture that spoke for the target, first layer to last.

    `probability` is the target's on the whole picture; of "A rather than B" it is A's if there were no third.
    `predictions` are the likeliest classes, and those that the target names where they are none of them. `links` say
    of every pair of groups in different layers what the later one loses when the earlier one is taken out.
    """

    image: Image
    view: Box
    target: Target
    target_label: str
    predictions: tuple[Prediction, ...]
    probability: float
    layers: tuple[LayerView, ...]
    classifier: str
    fingerprint: str
    clustering: str
    signed: bool
    seed: int
    cost: Cost
    meaning: Meaning = "classes"
    links: tuple[Link, ...] = ()

    def told(self, number: float) -> str:
        """A probability in per cent, or a value."""
        return told(number, self.meaning)

    def layer(self, name: str) -> LayerView:
        """The layer called `name`.

        Raises:
            UsageError: it is not in the view.
        """
        found = next((each for each in self.layers if each.name == name), None)
        if found is None:
            raise UsageError(f"the view has no layer '{name}'; it has {', '.join(each.name for each in self.layers)}")
        return found


@undisturbed()
def look(
    classifier: Classifier,
    image: Image,
    target: Target | str | int | None = None,
    *,
    layers: Sequence[str] = (),
    clustering: Clustering | None = None,
    signed: bool = False,
    filtered: bool = True,
    checked: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> NetworkView:
    """Look into a network while it decides about one picture: one forward and one backward for all layers.

    Args:
        classifier: it must offer layers and gradients.
        image: the picture.
        target: a class, or "A vs B"; without it the class that the classifier predicts.
        layers: which of them; without any, see `default_layers`. They are shown in the order they run.
        clustering: how maps are grouped, by default `WardClustering()`.
        signed: weigh maps by their mean gradient, as Grad-CAM does, and keep what speaks against the class; without,
            by the guided gradient, and of maps with negative values the positive part counts, as in the gradient.
        filtered: leave out maps and clusters of little weight.
        checked: take each cluster's maps out of their layer and run the rest of the network again; and hide its area.
        seed: of all randomness.
        progress: told of every layer, and of the variations that are asked.

    Raises:
        ExplainError: a layer has no grid, or gradients do not reach it.
        UsageError: the classifier answers scores only, or a name is unknown.

    Source: Bianchi 2024 (arXiv 2405.03301). The checks are ours.
    """
    start = time.perf_counter()
    if lacking := {"layers", "gradients"} - classifier.offers:
        raise UsageError(f"{classifier.name} does not offer {', '.join(sorted(lacking))}, so no layer can be shown")
    place = {layer.name: number for number, layer in enumerate(classifier.layers)}
    # As they run; of a layer that runs several times the last run is captured.
    names = sorted(dict.fromkeys(layers or default_layers(classifier)), key=lambda name: place.get(name, -1))
    grids = {name: classifier.require_grid(name) for name in names}
    head, given = classifier.head, None if target is None else classifier.target(target)
    x = classifier.preprocess([image])
    with capture(classifier.module, names) as seen:
        logits = classifier.logits(x)[0]
        asked = given or Target(int(head.likeliest(logits)), chosen="predicted")
        gradients = seen.gradients(asked.score(logits), names)
    logits = logits.detach().float().cpu()
    grouping = _Grouping(clustering or WardClustering(), signed, filtered, seed)
    found: list[LayerView] = []
    for done, (name, grid) in enumerate(grids.items()):
        progress(done, len(names), name)
        found.append(grouping.layer(name, grid, folded(grid, seen[name])[0], folded(grid, gradients[name])[0]))
    forwards, links = 1, list[Link]()
    if checked:
        groups = {each.name: [cluster.maps for cluster in each.clusters] for each in found}
        without, links, runs = without_groups(classifier, x, asked, groups, signed=signed, progress=progress)
        maps = [cluster.map for each in found for cluster in each.clusters]
        generator = torch.Generator().manual_seed(seed)
        areas, asks = without_areas(classifier, image, asked, maps, generator=generator, progress=progress)
        rest, forwards = iter(areas), forwards + runs + asks
        found = [_checked(each, falls, rest) for each, falls in zip(found, without, strict=True)]
        sees = reach(classifier, names)
        found = [replace(each, reach=sees.get(each.name)) for each in found]
    return NetworkView(
        image,
        classifier.preprocessing.view(image),
        asked,
        asked.label(classifier.categories),
        tuple(classifier.ranked(head.probabilities(logits), SHOWN, asked)),
        float(head.probability(logits, asked)),
        tuple(found),
        classifier.name,
        classifier.fingerprint,
        grouping.clustering.name,
        signed,
        seed,
        Cost(forwards, 1, time.perf_counter() - start),
        head.meaning,
        tuple(links),
    )


def _checked(layer: LayerView, without: Sequence[float], areas: Iterator[tuple[float, float]]) -> LayerView:
    effects = [Effect(each, *next(areas)) for each in without]
    clusters = (replace(each, effect=effect) for each, effect in zip(layer.clusters, effects, strict=True))
    return replace(layer, clusters=tuple(clusters))


@dataclass(frozen=True)
class _Grouping:
    """From one layer's activations and gradients to its clusters."""

    clustering: Clustering
    signed: bool
    filtered: bool
    seed: int

    def layer(self, name: str, grid: Grid, activations: Tensor, gradients: Tensor) -> LayerView:
        """Of maps and gradients `(C, h, w)`."""
        weights = (signed_weights if self.signed else guided_weights)(activations, gradients)
        if not bool(torch.isfinite(weights).all()):
            raise NonFinite(f"the gradients at layer '{name}' hold NaN or infinity; load the network in float32")
        if not bool(weights.any()):
            return LayerView(name, grid, 0.0, outcome=SILENT if self.signed else DEAD)
        kept = weights.abs() > (threshold(len(weights)) if self.filtered else 0)
        channels = kept.nonzero()[:, 0]
        if not len(channels):
            return LayerView(name, grid, 0.0, outcome=SPREAD)
        maps = (activations if self.signed else activations.clamp(min=0))[channels]
        weights = weights[channels]
        rows = maps.flatten(1).float().cpu().numpy()
        labels = self.clustering(rows, self.seed)
        agreement = stability(self.clustering, rows, labels, self.seed) if labels.any() else None
        clusters = self._clusters(maps, weights, channels, labels)
        remark = SINGLE if grid.channels == 1 else FEW if len(channels) < FEWEST_TO_SPLIT else None
        return LayerView(name, grid, float(weights.abs().sum()), clusters, remark, agreement)

    def _clusters(self, maps: Tensor, weights: Tensor, channels: Tensor, labels: np.ndarray) -> tuple[Cluster, ...]:
        members = [torch.from_numpy(np.flatnonzero(labels == label)) for label in np.unique(labels)]
        totals = [float(weights[part].sum()) for part in members]
        shown = heavy(totals) if self.filtered else [True] * len(totals)
        order = sorted((place for place in range(len(totals)) if shown[place]), key=lambda place: -abs(totals[place]))
        return tuple(
            Cluster(
                index,
                totals[place],
                tuple(channels[members[place]].tolist()),
                merged_map(maps[members[place]], weights[members[place]]).float().cpu().numpy(),
            )
            for index, place in enumerate(order)
        )

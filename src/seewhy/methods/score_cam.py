"""CAMs without gradients: a layer's maps, weighted by what becomes of the answer when each is shown or taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.engines import MaskedForward
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.cam_method import enlarge
from seewhy.methods.map_method import Heat, MapMethod, Maps, MaskMethod, in_chunks, probability, unit, varied
from seewhy.methods.registry import register
from seewhy.models import Classifier, Grid, Target, capture, folded
from seewhy.models.inference import BatchSize, in_batches
from seewhy.models.tail import Tail, tail

WHERE = "Bright areas are where the layer's useful maps respond; dark areas did not matter or spoke against the class. "
COARSE = "The map is as coarse as the layer's grid, so read areas, not outlines."


@register(
    "score-cam",
    title="Score-CAM",
    family="cam",
    paper="Wang et al. 2020",
    arxiv="1910.01279",
    needs=("layers",),
    question="Which areas, shown alone, make the network sure of this class?",
    reading=WHERE + COARSE,
    cost="one forward per map of the layer: up to 1280 for the default model, 2048 for a ResNet-50",
)
@dataclass(frozen=True, kw_only=True)
class ScoreCAM(MaskMethod):
    """Every feature map weighted by how much showing only what it covers raises the class.

    A map, stretched to [0, 1], is the mask. With `weighting="increase"` its weight is the increase of the class's
    probability over a picture that is all hidden (Wang 2020, definitions 2 and 3); with "softmax" the softmax of the
    logits over the maps (the paper's algorithm 1, and pytorch-grad-cam). A softmax of probabilities would make all
    weights alike. Flat maps hide nothing in particular and have no part in it. `signed` keeps the evidence against.
    """

    layers: tuple[str, ...] = ()
    weighting: Literal["increase", "softmax"] = "increase"
    signed: bool = False

    def __post_init__(self) -> None:
        if self.weighting not in ("increase", "softmax"):
            raise UsageError(f"weighting is 'increase' or 'softmax', not {self.weighting!r}")

    def parts(self, maps: Tensor) -> Tensor:
        """The maps `(n, h, w)` to weigh, of a layer's maps `(C, h, w)` of which none is flat."""
        return maps

    @override
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        names = self.layers or (classifier.default_layer,)
        grids = {layer: classifier.require_grid(layer) for layer in names}
        engine = self.engine(classifier, image, generator, progress)
        with capture(classifier.module, names, gradients=False) as seen:
            classifier.logits(classifier.preprocess([image]))
        maps = {layer: folded(grid, seen[layer])[0] for layer, grid in grids.items()}
        parts = {layer: self.parts(each[varied(each)]) for layer, each in maps.items()}
        engine.expected = engine.forwards + sum(1 + len(each) for each in parts.values())
        cams = {layer: self._cams(engine, each, targets) for layer, each in parts.items()}
        return Maps(
            _heats(targets, cams, classifier, signed=self.signed),
            engine.logits,
            engine.forwards + 1,  # for the layer's maps
            engine.checks,
            self.signed,
        )

    def _cams(self, engine: MaskedForward, parts: Tensor, targets: Sequence[Target]) -> Tensor:
        """`(T, h, w)` in the layer's own grid."""
        hidden = engine.maps(torch.zeros((1, *engine.classifier.preprocessing.size)))
        masks = in_chunks(engine, len(parts), lambda chunk: unit(enlarge(parts[chunk], engine.classifier)))
        logits = torch.cat([hidden, *(logits for _, _, logits in masks)])
        weights = torch.stack([self._weights(logits, target) for target in targets])
        return torch.einsum("tn,nhw->thw", weights.to(parts), parts)

    def _weights(self, logits: Tensor, target: Target) -> Tensor:
        """The weight of each part, `(n,)`, from logits `(1 + n, K)` of which the first are of nothing shown."""
        if self.weighting == "softmax":
            return target.score(logits[1:]).softmax(0)
        sureness = probability(logits, target)
        return sureness[1:] - sureness[0]


@register(
    "cluster-cam",
    title="Cluster-CAM",
    family="cam",
    paper="Feng et al. 2024",
    arxiv="2302.01642",
    needs=("layers",),
    question="Which groups of areas, shown alone, make the network sure of this class?",
    reading=WHERE + "Maps that respond in the same places are weighed together. " + COARSE,
    cost="one forward per cluster: 12 or so",
)
@dataclass(frozen=True, kw_only=True)
class ClusterCAM(ScoreCAM):
    """Score-CAM of a few clusters of maps instead of every map; with as many clusters as maps it is Score-CAM.

    Clusters are k-means' on the maps stretched to [0, 1], so that it is places that are alike, not strengths. It
    starts from Ward's clusters: nothing is left to chance. Source: Feng 2024, who go on to merge the best clusters
    and cut out the worst; we weigh each by its increase, as Score-CAM does.
    """

    clusters: int = 10

    @override
    def parts(self, maps: Tensor) -> Tensor:
        return cluster_sums(maps, self.clusters)


@register(
    "ablation-cam",
    title="Ablation-CAM",
    family="cam",
    paper="Desai & Ramaswamy 2020",
    arxiv=None,
    needs=("layers",),
    question="Which areas hold the features that the score of this class cannot do without?",
    reading=WHERE + COARSE,
    cost="one forward, and the end of the network once per map of the layer",
)
@dataclass(frozen=True, kw_only=True)
class AblationCAM(MapMethod):
    """Every feature map weighted by how far the class's logit falls when the map is set to zero.

    Only what follows the layer is run again. Source: Desai & Ramaswamy 2020, without the division by the
    logit, which would only turn the map round where the logit is negative; pytorch-grad-cam divides, and takes a huge
    negative number instead of zero where the layer has negative values. `signed` keeps the evidence against;
    `batch_size` is how many maps are set to zero at once, found by trial without it.
    """

    layers: tuple[str, ...] = ()
    signed: bool = False
    batch_size: int | None = None

    @override
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        names = self.layers or (classifier.default_layer,)
        grids = {layer: classifier.require_grid(layer) for layer in names}
        size = BatchSize(classifier.device, self.batch_size)
        x = classifier.preprocess([image])
        ends = {layer: tail(classifier.module, layer, classifier.logits, x) for layer in names}
        maps = {layer: _ablated(ends[layer], grid, targets, size, progress) for layer, grid in grids.items()}
        logits = ends[names[0]].logits[0].float().cpu()
        forwards = sum(1 + grid.channels for grid in grids.values())
        return Maps(_heats(targets, maps, classifier, signed=self.signed), logits, forwards, signed=self.signed)


def without_channels(activation: Tensor, grid: Grid, channels: Sequence[int]) -> Tensor:
    """`activation` `(1, …)` once for each of `channels`, with that one zero over the grid; other tokens keep theirs."""
    copies = activation.repeat(len(channels), *(1 for _ in activation.shape[1:]))
    maps = copies if grid.layout == "channels first" else copies[:, grid.prefix :].movedim(-1, 1)
    maps[torch.arange(len(channels)), list(channels)] = 0
    return copies


def cluster_sums(maps: Tensor, clusters: int) -> Tensor:
    """The sum of each cluster's maps, `(n, h, w)`, of maps `(C, h, w)`; n is `clusters`, or C where that is less."""
    from sklearn.cluster import AgglomerativeClustering, KMeans

    rows = unit(maps).flatten(1).cpu().numpy()
    count = min(clusters, len(np.unique(rows.round(3), axis=0)))
    if count in (0, len(maps)):
        return maps
    ward = _one_hot(AgglomerativeClustering(count).fit_predict(rows), count)
    centres = ward @ rows / ward.sum(1, keepdims=True)
    labels = KMeans(count, init=centres, random_state=0).fit_predict(rows)
    members = torch.from_numpy(_one_hot(labels, count)).to(maps)
    return torch.einsum("nc,chw->nhw", members, maps)


def _one_hot(labels: np.ndarray, count: int) -> np.ndarray:
    return np.equal.outer(np.arange(count), labels).astype(np.float32)


def _ablated(end: Tail, grid: Grid, targets: Sequence[Target], size: BatchSize, progress: Progress) -> Tensor:
    """`(T, h, w)` in the layer's own grid."""
    maps = folded(grid, end.activation)[0]
    alive = maps.flatten(1).any(1)  # to set to zero what is zero changes nothing
    channels: list[int] = alive.nonzero()[:, 0].tolist()

    def ask(part: slice) -> Tensor:
        logits = end(without_channels(end.activation, grid, channels[part]))
        progress(part.stop, len(channels), "maps")
        return logits.float().cpu()

    batches = in_batches(len(channels), ask, size)
    logits = torch.cat([end.logits.float().cpu(), *batches])
    scores = torch.stack([target.score(logits) for target in targets])
    drops = scores[:, :1] - scores[:, 1:]
    return torch.einsum("tn,nhw->thw", drops.to(maps), maps[alive])


def _heats(
    targets: Sequence[Target], maps: Mapping[str, Tensor], classifier: Classifier, *, signed: bool
) -> list[Heat]:
    """Of maps `(T, h, w)` by layer, enlarged to what the network saw."""
    large = {
        layer: enlarge(coarse if signed else coarse.clamp(min=0), classifier).cpu().numpy()
        for layer, coarse in maps.items()
    }
    return [Heat(target, large[layer][row], layer) for row, target in enumerate(targets) for layer in maps]

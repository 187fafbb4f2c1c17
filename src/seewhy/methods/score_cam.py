"""CAMs without gradients: a layer's maps, weighted by what becomes of the answer when each is shown or taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines import MaskedForward
from seewhy.engines.batches import BatchSize, batches
from seewhy.engines.tail import Tail, watched
from seewhy.errors import UsageError
from seewhy.methods.cam import COARSE
from seewhy.methods.masks import MaskMethod
from seewhy.methods.method import Method
from seewhy.methods.task import Found, Task, enlarge, in_chunks, of_targets, unit, varied
from seewhy.models import Classifier, Grid, Head, Layer, Target, capture, folded
from seewhy.models.layers import makers

WHERE = "Bright areas are where the layer's useful maps respond; dark areas did not matter or spoke against the class. "


class ScoreCAM(MaskMethod):
    """Every feature map weighted by how much showing only what it covers raises the class.

    A map, stretched to [0, 1], is the mask. With `weighting="increase"` its weight is the increase of the class's
    probability over a picture that is all hidden (Wang 2020, definitions 2 and 3); with "softmax" the softmax of the
    logits over the maps (the paper's algorithm 1, and pytorch-grad-cam). A softmax of probabilities would make all
    weights alike. Flat maps hide nothing in particular and have no part in it. `signed` keeps the evidence against.
    """

    name = "score-cam"
    title = "Score-CAM"
    status = "verified"
    family = "cam"
    paper = "Wang et al. 2020"
    arxiv = "1910.01279"
    needs = ("layers",)
    question = "Which areas, shown alone, make the network sure of this class?"
    reading = WHERE + COARSE
    cost = "one forward per map of the layer: up to 1280 for the default model, 2048 for a ResNet-50"
    others = "each"

    layers: tuple[str, ...] = ()
    weighting: Literal["increase", "softmax"] = "increase"
    signed: bool = False  # pyright: ignore[reportIncompatibleVariableOverride]

    def __post_init__(self) -> None:
        if self.weighting not in ("increase", "softmax"):
            raise UsageError(f"weighting is 'increase' or 'softmax', not {self.weighting!r}")

    def parts(self, maps: Tensor) -> Tensor:
        """The maps `(n, h, w)` to weigh, of a layer's maps `(C, h, w)` of which none is flat."""
        return maps

    @property
    def copies(self) -> int:
        """How often each part is shown."""
        return 1

    def shown(self, masks: Tensor, copy: int, generator: torch.Generator) -> Tensor:
        """What is shown in that copy of parts' masks `(n, h, w)`, each stretched to [0, 1]."""
        return masks

    @override
    def find(self, task: Task) -> list[Found]:
        grids = task.grids(self.layers)
        engine = self.engine(task)
        with capture(task.classifier.module, list(grids), gradients=False) as seen:
            task.classifier.logits(task.inputs)
        task.spend(1)
        maps = {layer: folded(grid, seen[layer])[0] for layer, grid in grids.items()}
        parts = {layer: self.parts(each[varied(each)]) for layer, each in maps.items()}
        engine.expected = engine.forwards + sum(1 + self.copies * len(each) for each in parts.values())
        cams = {layer: self._cams(engine, each, task) for layer, each in parts.items()}
        return _enlarged(cams, task, signed=self.signed)

    def _cams(self, engine: MaskedForward, parts: Tensor, task: Task) -> Tensor:
        """`(T, h, w)` in the layer's own grid."""
        hidden, head = engine.maps(torch.zeros((1, *task.size))), task.classifier.head
        weights = torch.zeros((len(task.asked), len(parts)))
        for copy in range(self.copies):
            logits = torch.cat([hidden, self._answers(engine, parts, task, copy)])
            weights += torch.stack([self._weights(logits, target, head) for target in task.asked]) / self.copies
        return torch.einsum("tn,nhw->thw", weights.to(parts), parts)

    def _answers(self, engine: MaskedForward, parts: Tensor, task: Task, copy: int) -> Tensor:
        """Logits `(n, K)` with each part shown."""

        def draw(chunk: slice) -> Tensor:
            return self.shown(unit(enlarge(parts[chunk], task.size)), copy, task.generator)

        return torch.cat(
            [
                engine.logits.new_empty((0, len(engine.logits))),
                *(logits for _, _, logits in in_chunks(engine, len(parts), draw)),
            ]
        )

    def _weights(self, logits: Tensor, target: Target, head: Head) -> Tensor:
        """The weight of each part, `(n,)`, from logits `(1 + n, K)` of which the first are of nothing shown."""
        if self.weighting == "softmax":
            return target.score(logits[1:]).softmax(0)
        sureness = head.probability(logits, target)
        return sureness[1:] - sureness[0]


class ClusterCAM(ScoreCAM):
    """Score-CAM of a few clusters of maps instead of every map; with as many clusters as maps it is Score-CAM.

    Clusters are k-means' on the maps stretched to [0, 1], so that it is places that are alike, not strengths. It
    starts from Ward's clusters: nothing is left to chance. Source: Feng 2024, who go on to merge the best clusters
    and cut out the worst; we weigh each by its increase, as Score-CAM does.
    """

    name = "cluster-cam"
    title = "Cluster-CAM"
    status = "approximate"
    paper = "Feng et al. 2024"
    arxiv = "2302.01642"
    question = "Which groups of areas, shown alone, make the network sure of this class?"
    reading = WHERE + "Maps that respond in the same places are weighed together. " + COARSE
    cost = "one forward per cluster: 12 or so"

    clusters: int = 10

    @override
    def parts(self, maps: Tensor) -> Tensor:
        return cluster_sums(maps, self.clusters)


class AblationCAM(Method):
    """Every feature map weighted by how far the class's logit falls when the map is set to zero.

    Only what follows the layer is run again. Source: Desai & Ramaswamy 2020, without the division by the
    logit, which would only turn the map round where the logit is negative; pytorch-grad-cam divides, and takes a huge
    negative number instead of zero where the layer has negative values. `signed` keeps the evidence against;
    `batch_size` is how many maps are set to zero at once, found by trial without it.
    """

    name = "ablation-cam"
    title = "Ablation-CAM"
    status = "verified"
    family = "cam"
    paper = "Desai & Ramaswamy 2020"
    needs = ("layers",)
    question = "Which areas hold the features that the score of this class cannot do without?"
    reading = WHERE + COARSE
    cost = "one forward, and the end of the network once per map of the layer"

    layers: tuple[str, ...] = ()
    signed: bool = False  # pyright: ignore[reportIncompatibleVariableOverride]
    batch_size: int | None = None

    @override
    def find(self, task: Task) -> list[Found]:
        grids = task.grids(self.layers)
        network = task.classifier
        size = BatchSize(network.device, self.batch_size)
        run = watched(network.module, list(grids), network.logits, task.inputs, alone=network.head.alone)
        task.note(run.logits.float())
        maps = {layer: _ablated(run.tail(layer), grid, size, task) for layer, grid in grids.items()}
        task.spend(1 + sum(grid.channels for grid in grids.values()))
        return _enlarged(maps, task, signed=self.signed)


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


def _ablated(end: Tail, grid: Grid, size: BatchSize, task: Task) -> Tensor:
    """`(T, h, w)` in the layer's own grid."""
    maps = folded(grid, end.activation)[0]
    alive = maps.flatten(1).any(1)  # to set to zero what is zero changes nothing
    channels: list[int] = alive.nonzero()[:, 0].tolist()

    rows = [end.logits[0].float().cpu()]

    def ask(part: slice) -> Tensor:
        return end(without_channels(end.activation, grid, channels[part])).float().cpu()

    for answers in batches(ask, len(channels), size):
        rows.extend(answers)
        task.progress(len(rows) - 1, len(channels), "maps")
    logits = torch.stack(rows)
    scores = torch.stack([target.score(logits) for target in task.asked])
    drops = scores[:, :1] - scores[:, 1:]
    return torch.einsum("tn,nhw->thw", drops.to(maps), maps[alive])


def _enlarged(maps: Mapping[str, Tensor], task: Task, *, signed: bool) -> list[Found]:
    """Of maps `(T, h, w)` by layer, enlarged to what the network saw."""
    large = {layer: enlarge(cam if signed else cam.clamp(min=0), task.size) for layer, cam in maps.items()}
    return [Found(large[layer][row], layer, signed=signed) for row in range(len(task.asked)) for layer in maps]


def stage_layers(classifier: Classifier) -> tuple[str, ...]:
    """The last layer of each resolution, finest first, up to the layer that CAM methods explain.

    Outermost modules count before those inside them; what a pool puts out has nothing new in it.
    """
    names = [layer.name for layer in classifier.layers]
    last = len(names) - 1 - names[::-1].index(classifier.default_layer)
    made = makers(classifier.layers)
    found: dict[tuple[int, int], Layer] = {}
    for index, layer in enumerate(classifier.layers[: last + 1]):
        grid = classifier.grid(layer.name)
        if grid is None or grid != layer.grid or made[layer.output].passive:
            continue
        size = (grid.height, grid.width)
        if index == last or size not in found or _depth(layer) <= _depth(found[size]):
            found[size] = layer
    return tuple(found[size].name for size in sorted(found, reverse=True))


def otsu(values: Tensor) -> Tensor:
    """Which of `values` `(h, w)` in [0, 1] lie above Otsu's threshold, found on 256 levels."""
    from skimage.filters import threshold_otsu

    levels = (values * 255).round().to(torch.uint8)
    return levels > int(threshold_otsu(levels.numpy()))


def fused(maps: Sequence[Tensor]) -> Tensor:
    """One map of several `(h, w)`, finest first: the next is added, and cuts away what it does not mark itself.

    Source: Sattarzadeh 2021: e ← (e + V) ∘ Otsu(V), with both stretched to [0, 1].
    """
    result = unit(maps[0])
    for each in map(unit, maps[1:]):
        result = (unit(result) + each) * otsu(each)
    return result


@dataclass(frozen=True)
class _Stage:
    """A layer's maps `(C, h, w)`; for each target which raise the class, and which of these are masks, `(T, C)`."""

    maps: Tensor
    raising: Tensor
    kept: Tensor


class SISE(MaskMethod):
    """Masks from the feature maps of several layers, averaged by the class's probability, fused from fine to coarse.

    `stages` names the layers, finest first; without it they are the last of each resolution. Of each layer the maps
    with a positive gradient are kept, `most` of them at most, by gradient; the check `left_out` counts the others.
    Source: Sattarzadeh 2021, with the gradient of the logit. Made for CNNs; of a vision transformer, whose
    resolution never changes, one layer alone is taken.
    """

    name = "sise"
    title = "SISE"
    status = "verified"
    family = "cam"
    paper = "Sattarzadeh et al. 2021"
    arxiv = "2010.00672"
    needs = ("layers", "gradients")
    question = "Which areas, seen at every level of detail, keep this class likely?"
    reading = (
        "Bright areas keep the class likely when they are all that is shown, from fine detail to whole objects. The "
        "coarsest level decides where there can be anything, so a small object that it misses is missing."
    )
    cost = (
        "one forward per map that raises the class, of one layer per resolution: about 800 for the default model, "
        "2000 for a ResNet-50"
    )

    stages: tuple[str, ...] = ()
    most: int | None = None

    def __post_init__(self) -> None:
        if self.most is not None and self.most < 1:
            raise UsageError(f"most is how many maps of a layer to keep at most, at least 1, not {self.most}")

    def threshold(self, gradients: Tensor) -> float:
        """What a map's summed gradient has to exceed for the map to be kept, given those `(n,)` above 0."""
        return 0.0

    @override
    def find(self, task: Task) -> list[Found]:
        grids = task.grids(self.stages or stage_layers(task.classifier))
        engine = self.engine(task)
        stages = [self._stage(*each) for each in _features(task, grids)]
        task.spend(1, 1)  # for the layers' maps
        engine.expected = engine.forwards + sum(int(stage.kept.any(0).sum()) for stage in stages)
        seen = [_seen(engine, stage, task) for stage in stages]
        return [_sise(row, stages, seen) for row in range(len(task.asked))]

    def _stage(self, maps: Tensor, gradients: Tensor) -> _Stage:
        raising = torch.stack([self._raising(row) for row in gradients])
        return _Stage(maps, raising, raising if self.most is None else raising & _foremost(gradients, self.most))

    def _raising(self, gradients: Tensor) -> Tensor:
        positive = gradients[gradients > 0]
        return gradients > (self.threshold(positive) if len(positive) else 0)


class AdaSISE(SISE):
    """SISE with only those maps whose gradient stands out among the positive ones, by Otsu's threshold."""

    name = "ada-sise"
    title = "Ada-SISE"
    status = "verified"
    paper = "Sudhakar et al. 2021"
    arxiv = "2102.07799"
    cost = "as SISE, with fewer maps"

    @override
    def threshold(self, gradients: Tensor) -> float:
        from skimage.filters import threshold_otsu

        return float(threshold_otsu(gradients.numpy())) if gradients.min() < gradients.max() else 0.0


def _features(task: Task, grids: Mapping[str, Grid]) -> list[tuple[Tensor, Tensor]]:
    """Layer by layer the maps `(C, h, w)` that are not flat, and each target's gradient summed over them, `(T, C)`."""
    asked = task.asked
    with capture(task.classifier.module, list(grids)) as seen:
        logits = task.classifier.logits(task.inputs)[0]
        by_target = [seen.gradients(target.score(logits), list(grids)) for target in asked]
    found: list[tuple[Tensor, Tensor]] = []
    for layer, grid in grids.items():
        maps = folded(grid, seen[layer])[0]
        gradients = torch.stack([folded(grid, each[layer])[0].sum((1, 2)) for each in by_target])
        shown = varied(maps)
        found.append((maps[shown], gradients[:, shown].cpu()))
    return found


def _depth(layer: Layer) -> int:
    return layer.name.count(".")


def _foremost(gradients: Tensor, most: int) -> Tensor:
    """Which of `(T, C)` are among the `most` largest of their row."""
    best = gradients.topk(min(most, gradients.shape[1]), 1).indices
    return torch.zeros_like(gradients, dtype=torch.bool).scatter(1, best, value=True)


def _seen(engine: MaskedForward, stage: _Stage, task: Task) -> Tensor:
    """What one layer shows, `(T, h, w)` on the CPU: the mean of its masks over area, by each target's probability."""
    rows = stage.kept.any(0).nonzero()[:, 0]
    total = torch.zeros((len(task.asked), *task.size))
    for part, masks, logits in in_chunks(
        engine, len(rows), lambda part: unit(enlarge(stage.maps[rows[part]], task.size))
    ):
        likely = of_targets(task.classifier.head.probability, logits, task.asked) * stage.kept[:, rows[part]]
        weights = likely.to(masks) / masks.sum((1, 2))
        total += torch.einsum("tn,nhw->thw", weights, masks).cpu()
    return total / stage.kept.sum(1).clamp(min=1)[:, None, None]


def _sise(row: int, stages: Sequence[_Stage], seen: Sequence[Tensor]) -> Found:
    used = [each[row] for stage, each in zip(stages, seen, strict=True) if stage.kept[row].any()]
    values = fused(used) if used else torch.zeros_like(seen[0][row])
    masks = sum(int(stage.kept[row].sum()) for stage in stages)
    raising = sum(int(stage.raising[row].sum()) for stage in stages)
    return Found(values, checks={"masks": masks, "left_out": raising - masks, "layers": len(used)})

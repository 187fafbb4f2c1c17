"""SISE: every resolution of the network has its say, from the finest to the most abstract.

Feature maps that the class depends on are the masks: what they cover is shown alone, and they are averaged by how
likely the class stays. The maps of one resolution are cleaned by those of the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import override

from seewhy.core.progress import Progress
from seewhy.engines import MaskedForward
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.cam_method import enlarge
from seewhy.methods.map_method import Heat, Maps, MaskMethod, in_chunks, probability, unit, varied
from seewhy.methods.registry import register
from seewhy.models import Classifier, Grid, Layer, Target, capture, folded

READING = (
    "Bright areas keep the class likely when they are all that is shown, from fine detail to whole objects. The "
    "coarsest level decides where there can be anything, so a small object that it misses is missing."
)


def stage_layers(classifier: Classifier) -> tuple[str, ...]:
    """The last layer of each resolution, finest first, up to the layer that CAM methods explain.

    Outermost modules count before those inside them; what a pool puts out has nothing new in it.
    """
    names = [layer.name for layer in classifier.layers]
    last = len(names) - 1 - names[::-1].index(classifier.default_layer)
    makers: dict[int, Layer] = {}
    found: dict[tuple[int, int], Layer] = {}
    for index, layer in enumerate(classifier.layers[: last + 1]):
        maker = makers.setdefault(layer.output, layer)
        grid = classifier.grid(layer.name)
        if grid is None or grid != layer.grid or maker.passive:
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


@register(
    "sise",
    title="SISE",
    family="cam",
    paper="Sattarzadeh et al. 2021",
    arxiv="2010.00672",
    needs=("layers", "gradients"),
    question="Which areas, seen at every level of detail, keep this class likely?",
    reading=READING,
    cost="one forward per map that raises the class, of one layer per resolution: about 800 for the default model, "
    "2000 for a ResNet-50",
)
@dataclass(frozen=True, kw_only=True)
class SISE(MaskMethod):
    """Masks from the feature maps of several layers, averaged by the class's probability, fused from fine to coarse.

    `stages` names the layers, finest first; without it they are the last of each resolution. Of each layer the maps
    with a positive gradient are kept, `most` of them at most, by gradient; the check `left_out` counts the others.
    Source: Sattarzadeh 2021, with the gradient of the logit. Made for CNNs; of a vision transformer, whose
    resolution never changes, one layer alone is taken.
    """

    stages: tuple[str, ...] = ()
    most: int | None = None

    def __post_init__(self) -> None:
        if self.most is not None and self.most < 1:
            raise UsageError(f"most is how many maps of a layer to keep at most, at least 1, not {self.most}")

    def threshold(self, gradients: Tensor) -> float:
        """What a map's summed gradient has to exceed for the map to be kept, given those `(n,)` above 0."""
        return 0.0

    @override
    def find(
        self,
        classifier: Classifier,
        image: Image,
        targets: Sequence[Target],
        generator: torch.Generator,
        progress: Progress,
    ) -> Maps:
        grids = {layer: classifier.require_grid(layer) for layer in self.stages or stage_layers(classifier)}
        engine = self.engine(classifier, image, generator, progress)
        stages = [self._stage(*each) for each in _features(classifier, image, targets, grids)]
        engine.expected = engine.forwards + sum(int(stage.kept.any(0).sum()) for stage in stages)
        seen = [_seen(engine, stage, targets) for stage in stages]
        heats = [_heat(target, row, stages, seen) for row, target in enumerate(targets)]
        return Maps(heats, engine.logits, engine.forwards + 1, engine.checks)  # one for the layers' maps

    def _stage(self, maps: Tensor, gradients: Tensor) -> _Stage:
        raising = torch.stack([self._raising(row) for row in gradients])
        if self.most is None:
            return _Stage(maps, raising, raising)
        return _Stage(maps, raising, raising & _foremost(gradients, self.most))

    def _raising(self, gradients: Tensor) -> Tensor:
        positive = gradients[gradients > 0]
        return gradients > (self.threshold(positive) if len(positive) else 0)


@register(
    "ada-sise",
    title="Ada-SISE",
    family="cam",
    paper="Sudhakar et al. 2021",
    arxiv="2102.07799",
    needs=("layers", "gradients"),
    question="Which areas, seen at every level of detail, keep this class likely?",
    reading=READING,
    cost="as SISE, with fewer maps",
)
@dataclass(frozen=True, kw_only=True)
class AdaSISE(SISE):
    """SISE with only those maps whose gradient stands out among the positive ones, by Otsu's threshold."""

    @override
    def threshold(self, gradients: Tensor) -> float:
        from skimage.filters import threshold_otsu

        return float(threshold_otsu(gradients.numpy())) if gradients.min() < gradients.max() else 0.0


def _features(
    classifier: Classifier, image: Image, targets: Sequence[Target], grids: Mapping[str, Grid]
) -> list[tuple[Tensor, Tensor]]:
    """Layer by layer the maps `(C, h, w)` that are not flat, and each target's gradient summed over them, `(T, C)`."""
    with capture(classifier.module, list(grids)) as seen:
        logits = classifier.logits(classifier.preprocess([image]))[0]
        slopes = [seen.gradients(target.score(logits), list(grids)) for target in targets]
    found: list[tuple[Tensor, Tensor]] = []
    for layer, grid in grids.items():
        maps = folded(grid, seen[layer])[0]
        gradients = torch.stack([folded(grid, each[layer])[0].sum((1, 2)) for each in slopes])
        shown = varied(maps)
        found.append((maps[shown], gradients[:, shown].cpu()))
    return found


def _foremost(gradients: Tensor, most: int) -> Tensor:
    """Which of `(T, C)` are among the `most` largest of their row."""
    best = gradients.topk(min(most, gradients.shape[1]), 1).indices
    return torch.zeros_like(gradients, dtype=torch.bool).scatter(1, best, value=True)


def _seen(engine: MaskedForward, stage: _Stage, targets: Sequence[Target]) -> Tensor:
    """What one layer shows, `(T, h, w)` on the CPU: the mean of its masks over area, by each target's probability."""
    rows = stage.kept.any(0).nonzero()[:, 0]
    total = torch.zeros((len(targets), *engine.classifier.preprocessing.size))
    for part, masks, logits in in_chunks(
        engine, len(rows), lambda part: unit(enlarge(stage.maps[rows[part]], engine.classifier))
    ):
        likely = torch.stack([probability(logits, target) for target in targets]) * stage.kept[:, rows[part]]
        weights = likely.to(masks) / masks.sum((1, 2))
        total += torch.einsum("tn,nhw->thw", weights, masks).cpu()
    return total / stage.kept.sum(1).clamp(min=1)[:, None, None]


def _heat(target: Target, row: int, stages: Sequence[_Stage], seen: Sequence[Tensor]) -> Heat:
    used = [each[row] for stage, each in zip(stages, seen, strict=True) if stage.kept[row].any()]
    values = fused(used) if used else torch.zeros_like(seen[0][row])
    masks = sum(int(stage.kept[row].sum()) for stage in stages)
    raising = sum(int(stage.raising[row].sum()) for stage in stages)
    return Heat(target, values.numpy(), checks={"masks": masks, "left_out": raising - masks, "layers": len(used)})


def _depth(layer: Layer) -> int:
    return layer.name.count(".")

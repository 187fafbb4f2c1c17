"""Feature activation map: where two pictures look alike to the network, with no class in play."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.images import Image
from seewhy.methods.assemble import assemble
from seewhy.methods.cam_method import enlarge
from seewhy.methods.explanation import Cost, Explanation
from seewhy.methods.registry import MethodInfo, register
from seewhy.models import Classifier, Target, capture, folded


def fam(activations: Tensor, reference: Tensor) -> Tensor:
    """Σ_k A_k r_k / (‖f‖ ‖r‖) with f, r the means of A `(N, C, h, w)` and of the reference's maps `(C, h, w)`.

    Its mean over positions is the cosine similarity of f and r, so the map shows where that similarity sits.
    Source: Liao 2023, with channel weights r_k instead of f_k r_k, which makes the map add up.
    """
    own, other = activations.mean((2, 3)), reference.mean((1, 2))
    weights = other / (own.norm(dim=1, keepdim=True) * other.norm()).clamp(min=torch.finfo(own.dtype).tiny)
    return torch.einsum("nk,nkhw->nhw", weights, activations)


@register(
    "fam",
    title="Feature activation map",
    family="similarity",
    paper="Liao et al. 2023",
    arxiv="2307.05532",
    needs=("layers",),
    signed=True,
    question="Where does this picture look like that other picture, to this network?",
    reading="Orange areas make the two pictures alike to the network, blue areas set them apart. No class plays a part "
    "in it; the areas average to the similarity of the two pictures.",
    cost="one forward for each picture",
)
@dataclass(frozen=True)
class FAM:
    """The share of each area in the likeness to `reference`, another picture."""

    info: ClassVar[MethodInfo]

    reference: Image
    layers: tuple[str, ...] = ()

    def __call__(
        self,
        classifier: Classifier,
        images: Sequence[Image],
        targets: Sequence[Sequence[Target]],
        *,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> list[Explanation]:
        """One explanation per image × target × layer; the target plays no part in the values."""
        layers = self.layers or (classifier.default_layer,)
        found: list[Explanation] = []
        for row, image in enumerate(images):
            start = time.perf_counter()
            maps, similarity, logits = self._compare(classifier, image, layers)
            cost = Cost(2, 0, time.perf_counter() - start)
            found += [
                assemble(
                    self,
                    classifier,
                    image,
                    target,
                    values=maps[layer].cpu().numpy(),
                    logits=logits,
                    label=f"like {self.reference.name}",
                    layer=layer,
                    cost=cost,
                    checks={"similarity": similarity[layer]},
                    generator=generator,
                )
                for target in targets[row]
                for layer in layers
            ]
            progress(row + 1, len(images), "images")
        return found

    def _compare(
        self, classifier: Classifier, image: Image, layers: Sequence[str]
    ) -> tuple[dict[str, Tensor], dict[str, float], Tensor]:
        grids = {layer: classifier.require_grid(layer) for layer in layers}
        with capture(classifier.module, list(layers), gradients=False) as seen:
            logits = classifier.logits(classifier.preprocess([image, self.reference]))
        maps: dict[str, Tensor] = {}
        similarity: dict[str, float] = {}
        for layer, grid in grids.items():
            own, other = folded(grid, seen[layer])
            coarse = fam(own[None], other)
            maps[layer] = enlarge(coarse, classifier)[0]
            similarity[layer] = float(coarse.mean())
        return maps, similarity, logits[0]

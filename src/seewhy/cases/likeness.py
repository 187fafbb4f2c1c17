"""Why two pictures are alike to a network: on both of them, the areas that their similarity comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seewhy.cases.embedders import Embedder
from seewhy.images import Image
from seewhy.methods.similarity import fam
from seewhy.models import Box, capture, folded


@dataclass(frozen=True, eq=False)
class Likeness:
    """Maps `(h, w)` in the cells of `layer` over what the network saw of two pictures; both average to `similarity`.

    That is the cosine of the vectors where these are means over the layer's cells, as after global average pooling.
    """

    own: np.ndarray
    own_view: Box
    other: np.ndarray
    other_view: Box
    layer: str
    similarity: float

    @property
    def signed(self) -> bool:
        """Whether some areas set the pictures apart."""
        return bool(min(self.own.min(), self.other.min()) < 0)


def likenesses(embedder: Embedder, image: Image, others: Sequence[Image]) -> list[Likeness]:
    """Where `image` and each of `others` are alike, from one forward.

    Source: Liao 2023 (see `methods.fam`), with the channels of COLE weighted as its vectors are.

    Raises:
        ExplainError: no layer of the network covers the picture.
    """
    if not others:
        return []
    network, layer = embedder.network, embedder.layer
    grid = network.require_grid(layer)
    with capture(network.module, [layer], gradients=False) as seen:
        logits = network.logits(network.preprocess([image, *others]))
    maps = _weighted(folded(grid, seen[layer]), embedder.channel_weights(logits.argmax(1)))
    views = [network.preprocessing.view(each) for each in (image, *others)]
    return [
        Likeness(
            own := fam(maps[:1], other)[0].cpu().numpy(),
            views[0],
            fam(other[None], maps[0])[0].cpu().numpy(),
            views[place],
            layer,
            float(own.mean()),
        )
        for place, other in enumerate(maps[1:], start=1)
    ]


def _weighted(maps: Tensor, weights: Tensor | None) -> Tensor:
    """`maps` `(N, C, h, w)`, each channel times its weight of `(N, D)` where a channel is a number of the vector."""
    if weights is None or weights.shape[1] != maps.shape[1]:
        return maps
    with torch.no_grad():
        return maps * weights[..., None, None].to(maps)

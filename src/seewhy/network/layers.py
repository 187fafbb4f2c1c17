"""Which layers show how a network comes to its decision."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from seewhy.errors import ExplainError
from seewhy.models import Classifier, capture
from seewhy.models.stages import stages

NEAR = 0.75  # of the way to the layer that CAM methods explain: what is read no further ends with that layer
MOST = 9  # as many as Bianchi 2024 show of a VGG-16

_FOUND: WeakKeyDictionary[Classifier, tuple[str, ...]] = WeakKeyDictionary()


def default_layers(classifier: Classifier) -> tuple[str, ...]:
    """The last nine stages of a network that its decision reads as a grid, first to last; see `stages`.

    Of a vision transformer with a class token the last block falls out: its patch tokens are never read. Where much
    falls out, the layers that CAM methods explain come at the end.

    Raises:
        ExplainError: no layer covers the picture, or nothing can be differentiated.
    """
    if classifier not in _FOUND:
        place = {layer.name: number for number, layer in enumerate(classifier.layers)}
        read = _read(classifier, stages(classifier))
        # One that is not read as a whole may hold much that is.
        if place[read[-1]] < NEAR * place[classifier.default_layer]:
            read += sorted(classifier.default_layers, key=lambda name: place[name])
        _FOUND[classifier] = tuple(read[-MOST:])
    return _FOUND[classifier]


def _read(classifier: Classifier, names: Sequence[str]) -> list[str]:
    """Those on whose grid the answer depends; all of them where it depends on none, as before training."""
    last = list(names[-MOST - 3 :])
    grids = [classifier.grid(name) for name in last]
    with capture(classifier.module, last) as seen:
        logits = classifier.logits(classifier.probe())
        if not logits.requires_grad:
            raise ExplainError("the network's answer does not depend on any layer that keeps a grid over the picture")
        found = torch.autograd.grad(logits.square().sum(), [seen[name] for name in last], allow_unused=True)
    slopes: list[Tensor | None] = list(found)  # None where a layer is unused
    read = [
        name
        for name, grid, slope in zip(last, grids, slopes, strict=True)
        if grid is not None and slope is not None and bool(grid.fold(slope).any())
    ]
    return read or last

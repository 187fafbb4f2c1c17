"""How far a layer's cells see, measured: what makes layers of edges and textures, of parts, and of whole things.

The effective receptive field of Luo et al. 2016: of the slopes of a layer's middle cell in the input, how large a
square about it holds half. It is far smaller than what could reach the cell, and it is the network's, not a photo's.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from seewhy.models import Classifier, capture
from seewhy.models.capture import gradients_of

SPOTS, PARTS = 0.15, 0.4  # of the side: what sees less is of edges and textures, what sees less than this of parts
HALF = 0.5  # of the slopes

_FOUND: WeakKeyDictionary[Classifier, dict[str, float]] = WeakKeyDictionary()


def reach(classifier: Classifier, names: Sequence[str]) -> dict[str, float]:
    """For each layer the share of the picture's side that its middle cell sees; a layer without slopes is left out.

    Measured on noise once for each classifier and layer.
    """
    known = _FOUND.setdefault(classifier, {})
    if todo := [name for name in names if name not in known]:
        grids = {name: classifier.require_grid(name) for name in todo}
        x = classifier.probe().requires_grad_()
        with capture(classifier.module, todo) as seen:
            classifier.logits(x)
            for name, grid in grids.items():
                maps = grid.fold(seen[name])
                middle = maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].square().sum()
                (slopes,) = gradients_of(middle, [x])
                if slopes is not None and bool(slopes.any()):
                    known[name] = side_of(slopes[0].abs().sum(0), maps.shape[2:])
    return {name: known[name] for name in names if name in known}


def side_of(slopes: Tensor, grid: Sequence[int]) -> float:
    """The side of the square about a grid's middle cell that holds half of slopes `(h, w)`, as a share of theirs."""
    height, width = slopes.shape
    down, across = ((torch.arange(side) + 0.5) / side for side in (height, width))
    middle = [(cells // 2 + 0.5) / cells for cells in grid]
    away = torch.maximum((down - middle[0]).abs()[:, None], (across - middle[1]).abs()[None]).flatten()
    order = away.argsort()
    held = slopes.double().cpu().flatten()[order].cumsum(0)
    place = int((held >= HALF * held[-1]).nonzero()[0])
    return min(1.0, 2 * float(away[order][place]) + 1 / max(height, width))


def in_words(share: float) -> str:
    """What a layer is of whose cells see this share of the side.

    >>> in_words(0.05), in_words(0.3), in_words(0.8)
    ('edges and textures', 'parts', 'things')
    """
    return "edges and textures" if share < SPOTS else "parts" if share < PARTS else "things"

"""Regions from the network's own eyes: small pieces of the picture, put together where the network sees the same.

Superpixels follow colour. Here the pieces follow colour, so that borders are the picture's own, and what is put
together are those of which the stages of the network say alike: early ones tell textures apart, late ones things. The
idea that a network's own features partition its picture is that of FEC (Chen 2024); the method is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from seewhy.engines.clustering import WardClustering
from seewhy.engines.regions import FINE, numbered, of_network, seen_pixels, segment
from seewhy.errors import ExplainError, UsageError
from seewhy.models import Classifier, Grid, capture
from seewhy.models.stages import coarsest_stages

STAGES = 4  # the coarsest grids: what finer ones tell is colour once more
AT_ONCE = 16  # pieces whose shares are reckoned together
OTHERS = "choose regions by colour, such as slic"

_LAYERS: WeakKeyDictionary[Classifier, dict[str, Grid]] = WeakKeyDictionary()


def network_regions(classifier: Classifier, picture: Tensor, groups: int) -> np.ndarray:
    """About `groups` regions of a picture `(C, h, w)` in [0, 1] as the network sees it, int32 `(h, w)`.

    They take one forward, and are the same every time. A region need not hang together: two wings may be one.

    Raises:
        UsageError: the classifier is no network whose layers cover the picture.
    """
    grids = _grids(classifier)
    pieces = segment(seen_pixels(picture), "slic", n_segments=FINE)
    rows = features_of(classifier, picture, pieces, grids)
    return numbered(WardClustering(groups, groups)(rows)[pieces]) if len(rows) > groups else pieces


def seen_regions(classifier: Classifier, picture: Tensor, how: str | np.ndarray) -> np.ndarray:
    """Regions of a picture `(C, h, w)` by any segmenter, also that of the network; see `segment`."""
    groups = of_network(how)
    return segment(seen_pixels(picture), how) if groups is None else network_regions(classifier, picture, groups)


def features_of(classifier: Classifier, picture: Tensor, pieces: np.ndarray, grids: dict[str, Grid]) -> np.ndarray:
    """What each stage says of each piece, brought to length 1 and put side by side: float32 `(pieces, channels)`.

    Of a piece that is the mean over its pixels, between the middles of cells linearly.
    """
    x = classifier.preprocessing.normalize(picture[None].to(classifier.device, classifier.dtype))
    with capture(classifier.module, [*grids], gradients=False) as seen:
        classifier.logits(x)
    found: list[Tensor] = []
    for name, grid in grids.items():
        cells = grid.fold(seen[name])[0].float().cpu().flatten(1)
        found.append(normalize(torch.cat([*_shares(pieces, grid.size)]) @ cells.T, dim=1))
    return torch.cat(found, 1).numpy()


def _shares(pieces: np.ndarray, size: tuple[int, int]) -> Iterator[Tensor]:
    """How much each cell of a grid has in each piece, float32 `(n, cells)`, some pieces at a time."""
    labels = torch.from_numpy(pieces)
    for numbers in torch.arange(int(pieces.max()) + 1).split(AT_ONCE):
        masks = (labels == numbers[:, None, None]).float()
        with torch.inference_mode(False), torch.enable_grad():
            cells = torch.zeros(len(numbers), 1, *size, requires_grad=True)
            enlarged = interpolate(cells, labels.shape, mode="bilinear", align_corners=False)[:, 0]
            (shares,) = torch.autograd.grad((enlarged * masks).sum(), cells)  # enlarging, the other way round
        yield shares.flatten(1) / masks.flatten(1).sum(1, keepdim=True)


def _grids(classifier: Classifier) -> dict[str, Grid]:
    """The last stage of each size, of the coarsest sizes, and how it covers the picture."""
    if classifier not in _LAYERS:
        _LAYERS[classifier] = _found_grids(classifier)
    return _LAYERS[classifier]


def _found_grids(classifier: Classifier) -> dict[str, Grid]:
    try:
        return coarsest_stages(classifier, STAGES)
    except ExplainError as error:
        raise UsageError(f"regions of the network need layers that cover the picture: {error}; {OTHERS}") from error

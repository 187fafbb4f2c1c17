"""A relation network: a small head scores how alike the mean photo of a class and this photo are, cell by cell.

Source: Sung et al. 2018, Learning to Compare: Relation Network for Few-Shot Learning, as Sun et al. 2020 use it. We
differ: the backbone is any network that keeps a grid over the picture, its weights stay, and the head takes the mean of
its cells where theirs pools them two by two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast, get_args

import torch
from torch import Tensor, nn

from seewhy.errors import ModelError
from seewhy.models.backbone import Backbone
from seewhy.models.grids import Grid, Layout

HIDDEN, NARROW = 64, 8
OPTION = "relation"  # of an architecture: where its backbone ends, and the grid there
NO_GRID = f"the card's option '{OPTION}' names no layer with its grid; train again"
MOST_CELLS, MOST_CHANNELS = 256, 1 << 16


class RelationHead(nn.Sequential):
    """Pairs `(P, 2 C, h, w)`, a class's features above a picture's, to one score each `(P, 1)`."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(2 * channels, HIDDEN, 1, bias=False),
            nn.BatchNorm2d(HIDDEN),
            nn.ReLU(),
            nn.Conv2d(HIDDEN, HIDDEN, 3, padding=1, bias=False),
            nn.BatchNorm2d(HIDDEN),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(HIDDEN, NARROW),
            nn.ReLU(),
            nn.Linear(NARROW, 1),
        )


def paired(prototypes: Tensor, features: Tensor) -> Tensor:
    """Each of K classes `(K, C, h, w)` above each of n pictures `(n, C, h, w)`: `(n · K, 2 C, h, w)`."""
    many, count = len(features), len(prototypes)
    shape = (many, count, *features.shape[1:])
    above, below = prototypes[None].expand(shape), features[:, None].expand(shape)
    return torch.cat([above, below], 2).flatten(0, 1)


class RelationNetwork(nn.Module):
    """A backbone, the mean features of each class, and a relation head: inputs `(N, C, H, W)` to scores `(N, K)`.

    Attributes:
        prototypes: `(K, C, h, w)`; zeros until a training fills them.
    """

    prototypes: Tensor

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        grid = backbone.grid
        self.backbone = backbone
        self.head = RelationHead(grid.channels)
        self.register_buffer("prototypes", torch.zeros(classes, grid.channels, *grid.size))

    @classmethod
    def around(cls, module: nn.Module, classes: int, option: object) -> RelationNetwork:
        """A bare one on a network, as `option` of a card has it.

        Raises:
            ModelError: the option is none that `option` gives.
        """
        said = cast("Mapping[str, Any]", option) if isinstance(option, Mapping) else {}
        try:
            layer, grid = said["layer"], Grid(**said["grid"])
        except (LookupError, TypeError) as error:
            raise ModelError(NO_GRID) from error
        sizes = (grid.channels, grid.height, grid.width, grid.prefix)
        if not isinstance(layer, str) or grid.layout not in get_args(Layout) or {*map(type, sizes)} != {int}:
            raise ModelError(NO_GRID)
        if not (0 < grid.channels <= MOST_CHANNELS and min(grid.size) > 0 and max(grid.size) <= MOST_CELLS):
            raise ModelError(NO_GRID)
        return cls(Backbone(module, layer, grid), classes)

    @property
    def option(self) -> dict[str, Any]:
        """What a card says of it beside the architecture of its backbone."""
        return {"layer": self.backbone.layer, "grid": asdict(self.backbone.grid)}

    def related(self, features: Tensor) -> Tensor:
        """Scores `(N, K)` of the backbone's features `(N, C, h, w)`."""
        return self.head(paired(self.prototypes, features)).view(len(features), len(self.prototypes))

    def forward(self, x: Tensor) -> Tensor:
        """Scores `(N, K)`."""
        return self.related(self.backbone(x))

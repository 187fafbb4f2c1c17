"""ProtoPNet: a backbone's patches are compared with prototypes, which give points to classes.

Source: Chen et al., This Looks Like That, NeurIPS 2019, section 2.1. We differ: patches may be compared by cosine, the
last layer may have a bias, and the backbone is any network that keeps a grid over the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from seewhy.models.backbone import Backbone

Measure: TypeAlias = Literal["cosine", "log-distance"]

EPSILON = 1e-4  # of the logarithm: the largest similarity is log(1 / EPSILON) = 9.2
COSINE_SCALE = 10.0  # cosines differ by tenths, logits by units
OFF_CLASS = -0.5  # a prototype's weight for the classes of others, before it is solved for


class PrototypeHead(nn.Module):
    """From a backbone's features to class scores, by way of the similarity of patches to prototypes.

    Attributes:
        prototypes: `(J, D)`.
        owners: `(J,)`, the class that each prototype stands for.
        last: the linear layer from similarities to scores. Its weights `(K, J)` are the points that a class gets for
            each unit of similarity, its bias `(K,)` those that it has from the start.
    """

    owners: Tensor

    def __init__(self, features: int, owners: Sequence[int], classes: int, size: int, measure: Measure) -> None:
        super().__init__()
        self.measure: Measure = measure
        self.add_on = nn.Sequential(nn.Conv2d(features, size, 1), nn.ReLU(), nn.Conv2d(size, size, 1))
        self.prototypes = nn.Parameter(torch.rand(len(owners), size))
        self.register_buffer("owners", torch.tensor(owners))
        for layer in self.add_on:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
        mine = own_class(self.owners, classes)
        weights = torch.where(mine, 1.0, OFF_CLASS)
        if measure == "cosine":  # a class's prototypes speak together, however many there are
            weights = weights * COSINE_SCALE / mine.sum(1, keepdim=True)
        self.set_last(weights, torch.zeros(classes))

    def patches(self, features: Tensor) -> Tensor:
        """What prototypes are compared with, `(N, D, h, w)`: of length 1, or between 0 and 1."""
        found = self.add_on(features)
        return functional.normalize(found) if self.measure == "cosine" else found.sigmoid()

    def distances(self, features: Tensor) -> Tensor:
        """Squared Euclidean distance `(N, J, h, w)` of each prototype to each patch."""
        z, p = self.patches(features), self.unit_prototypes
        product = functional.conv2d(z, p[:, :, None, None])
        return (z.square().sum(1, keepdim=True) - 2 * product + p.square().sum(1)[:, None, None]).clamp(min=0)

    def similarity(self, distances: Tensor) -> Tensor:
        """Measure by squared distance: the cosine, at most 1, or Chen et al.'s logarithm, 0 to 9.2."""
        if self.measure == "cosine":
            return 1 - distances / 2
        return ((distances + 1) / (distances + EPSILON)).log()

    def score(self, similarities: Tensor) -> Tensor:
        """Class scores `(N, K)` of the best similarity to each prototype, `(N, J)`."""
        return self.last(similarities)

    def forward(self, features: Tensor) -> Tensor:
        """Class scores `(N, K)`."""
        return self.score(self.similarity(self.distances(features).amin((2, 3))))

    @property
    def unit_prototypes(self) -> Tensor:
        """The prototypes as they are compared, `(J, D)`: of length 1 where the similarity is a cosine."""
        return functional.normalize(self.prototypes) if self.measure == "cosine" else self.prototypes

    @property
    def weights(self) -> Tensor:
        """`(K, J)`, see `last`."""
        return self.last.weight.detach()

    @property
    def bias(self) -> Tensor:
        """`(K,)`, see `last`."""
        return self.last.bias.detach()

    def set_last(self, weights: Tensor, bias: Tensor) -> None:
        """Put these, `(K, J)` and `(K,)`, in the place of the last layer."""
        self.last = nn.Linear(weights.shape[1], weights.shape[0], device="meta")
        self.last.weight, self.last.bias = (nn.Parameter(each.to(self.prototypes)) for each in (weights, bias))

    def keep(self, which: Tensor) -> None:
        """Drop the prototypes where `which`, bool `(J,)`, is false."""
        self.prototypes = nn.Parameter(self.prototypes.detach()[which])
        self.owners = self.owners[which]
        self.set_last(self.weights[:, which], self.bias)


class PrototypeNetwork(nn.Module):
    """A backbone and a prototype head: inputs `(N, 3, H, W)` to class scores `(N, K)`."""

    def __init__(self, backbone: Backbone, head: PrototypeHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Class scores `(N, K)`."""
        return self.head(self.backbone(x))


def own_class(owners: Tensor, classes: int) -> Tensor:
    """Bool `(K, J)`: whether prototype j stands for class k."""
    return torch.arange(classes, device=owners.device)[:, None] == owners

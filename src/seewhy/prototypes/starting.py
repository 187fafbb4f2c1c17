"""Where prototypes start: at the middles of those patches of a class that tell it from the others.

Not in the paper, whose prototypes start anywhere; a small set never brings them to their class from there.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.prototypes.network import PrototypeHead


class Probe(nn.Module):
    """The add-on layers under a plain head, the mean over patches and a linear layer, to warm them up."""

    def __init__(self, head: PrototypeHead) -> None:
        super().__init__()
        self.add_on = head.add_on
        self.linear = nn.Linear(head.prototypes.shape[1], len(head.bias)).to(head.prototypes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Class scores `(N, K)` of features `(N, C, h, w)`."""
        return self.linear(self.add_on(features).mean((2, 3)))

    def evidence(self, features: Tensor, labels: Tensor) -> Tensor:
        """By how much each patch `(N, h, w)` speaks for its picture's class more than for the mean of all."""
        contrast = self.linear.weight - self.linear.weight.mean(0)
        return torch.einsum("ndhw,nd->nhw", self.add_on(features), contrast[labels])


def starting_points(patches: Tensor, labels: Tensor, evidence: Tensor, owners: Tensor, seed: int) -> Tensor:
    """Prototypes `(J, D)`: for each class the middles of k-means among its patches, weighed by their evidence.

    Args:
        patches: `(N, D, h, w)`.
        labels: `(N,)`, the class of each picture.
        evidence: `(N, h, w)`; what is not positive does not count, unless nothing of the class is.
        owners: `(J,)`, the class of each prototype.
        seed: of k-means.
    """
    points = torch.empty(len(owners), patches.shape[1])
    for label in owners.unique().tolist():
        mine = labels == label
        found = patches[mine].movedim(1, -1).flatten(0, -2).cpu()
        weight = evidence[mine].flatten().clamp(min=0).cpu()
        places = owners.cpu() == label
        points[places] = _middles(found, weight, int(places.sum()), seed)
    return points.to(patches)


def _middles(points: Tensor, weight: Tensor, count: int, seed: int) -> Tensor:
    from sklearn.cluster import KMeans

    counted = weight > 0
    if counted.sum() < count:
        counted, weight = torch.ones_like(counted), torch.ones_like(weight)
    found = np.asarray(points[counted], np.float64)
    distinct = len(np.unique(found, axis=0))
    clusters = KMeans(min(count, distinct), n_init="auto", random_state=seed)
    middles = clusters.fit(found, sample_weight=weight[counted].numpy()).cluster_centers_
    return torch.from_numpy(np.resize(middles, (count, middles.shape[1]))).float()  # again where too few

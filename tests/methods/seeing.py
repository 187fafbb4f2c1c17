"""A network that answers by which regions it can see, for the tests of methods over regions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.images import Image
from seewhy.models import Classifier, Preprocessing

SIDE = 16
SIXTEEN = np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int)).astype(np.int32)


class Sees(nn.Module):
    """`rule` of how visible each region is, 1 or 0: in a checkered picture, a hidden one is as grey as its mean."""

    def __init__(self, labels: np.ndarray, rule: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rule = rule
        regions = torch.from_numpy(labels == np.arange(labels.max() + 1)[:, None, None])
        signs = torch.from_numpy(2.0 * (np.indices(labels.shape).sum(0) % 2) - 1)
        self.register_buffer("detectors", (2 * regions * signs / regions.sum((1, 2), keepdim=True)).float())

    def forward(self, x: Tensor) -> Tensor:
        return self.rule(torch.einsum("nhw,rhw->nr", x[:, 0], self.detectors))


def seeing(labels: np.ndarray, rule: Callable[[Tensor], Tensor]) -> Classifier:
    """The classifier of `Sees`."""
    size = (labels.shape[0], labels.shape[1])
    return Classifier.from_module(Sees(labels, rule).eval(), Preprocessing(size, mean=(0, 0, 0), std=(1, 1, 1)))


def checkers(side: int = SIDE) -> Image:
    """Black and white, pixel by pixel."""
    pattern = np.indices((side, side)).sum(0) % 2
    return Image(np.repeat(255 * pattern[..., None], 3, 2).astype(np.uint8), "checkers")

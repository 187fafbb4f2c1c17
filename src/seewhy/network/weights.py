"""How much each feature map of a layer weighs in a decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# The share of the mean weight, 100 / n, that a map must have: wide layers, and those of fewer than 64 maps.
SHARE, NARROW_SHARE, NARROW = 0.896, 0.768, 64


def guided_weights(activations: Tensor, gradients: Tensor) -> Tensor:
    """Per cent of the layer's weight, float64 `(C,)`, of maps and gradients `(C, h, w)`; all 0 in a dead layer.

    A map weighs as much as its gradient, averaged over the positions where both it and the gradient are positive.
    Source: Bianchi 2024 (arXiv 2405.03301), Grad-CAM with guided gradients.
    """
    gated = torch.where((activations > 0) & (gradients > 0), gradients, 0)
    return _percent(gated.double().mean((1, 2)))


def signed_weights(_activations: Tensor, gradients: Tensor) -> Tensor:
    """The same with Grad-CAM's weights, mean gradients of either sign; their sizes add up to 100."""
    return _percent(gradients.double().mean((1, 2)))


def threshold(maps: int) -> float:
    """The weight in per cent above which one of `maps` maps counts.

    Source: Bianchi 2024, whose table (0.175 for 512 maps, 0.35 for 256, 0.7 for 128, 1.4 for 64) this repeats and
    continues between and beyond its entries, where theirs has steps: a map must weigh nine tenths of the mean.
    """
    return 100 * (SHARE if maps >= NARROW else NARROW_SHARE) / maps


def heavy(weights: Sequence[float]) -> list[bool]:
    """Which clusters of one layer to show: a third of the heaviest at least, and half of the mean.

    Source: Bianchi 2024; signed weights count by their size.
    """
    sizes = np.abs(weights)
    least = max(sizes.max(initial=0) / 3, sizes.mean() / 2 if sizes.size else 0)
    return [bool(size >= least) for size in sizes]


def merged_map(maps: Tensor, weights: Tensor) -> Tensor:
    """The mean `(h, w)` of maps `(n, h, w)` by weights `(n,)`; divided by the sum of their sizes, so signs stay."""
    total = weights.abs().sum()
    shares = torch.where(total > 0, weights / total, torch.zeros_like(weights))
    return torch.einsum("n,nhw->hw", shares.to(maps), maps)


def _percent(weights: Tensor) -> Tensor:
    total = weights.abs().sum()
    return 100 * weights / total if total > 0 else torch.zeros_like(weights)

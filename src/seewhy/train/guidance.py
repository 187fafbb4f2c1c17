"""Guided features: what a relation head looked at counts more when it looks again.

Source: Sun et al. 2020, Explanation-Guided Training for Cross-Domain Few-Shot Classification. Relevance starts from how
likely each class is, goes back through the head by layer-wise relevance propagation, and becomes a weight between 0 and
2 for each number of the pair of features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seewhy.errors import ModelError
from seewhy.models.relation import RelationHead
from seewhy.models.state import evaluating

STEADY = 0.01  # keeps the logarithm of a probability of 0 or 1 finite
TINY = 1e-9


def starts(scores: Tensor) -> Tensor:
    """The relevance `(n, K)` that each class starts with, of scores `(n, K)`.

    Positive where the class is likelier than by chance, negative where it is not.
    """
    likely = scores.softmax(1)
    return ((scores.shape[1] - 1) * (likely + STEADY) / (1 + STEADY - likely)).log()


def relevance(head: RelationHead, pairs: Tensor, start: Tensor) -> Tensor:
    """Of every number of the pairs `(P, 2 C, h, w)` for the starts `(P, 1)`, as large in all: α1β0 and ε rules.

    BatchNorm passes relevance on as it is; biases take none. The head has to be in evaluation mode.
    """
    inputs, found = [pairs], start
    for part in head:
        inputs.append(part(inputs[-1]))
    for part, seen in zip(reversed(head), inputs[-2::-1], strict=True):
        found = _before(part, seen, found)
    return found


def weights(head: RelationHead, pairs: Tensor, classes: int) -> Tensor:
    """For each number of the pairs `(n · K, 2 C, h, w)` a weight in [0, 2], without gradient."""
    with torch.no_grad(), evaluating(head):
        start = starts(head(pairs).view(-1, classes)).view(-1, 1)
        found = relevance(head, pairs, start)
        return 1 + found / found.abs().amax(1, keepdim=True).clamp(min=TINY)


def _before(part: nn.Module, seen: Tensor, found: Tensor) -> Tensor:
    """The relevance of what a part has `seen`, of that of what it gave."""
    if isinstance(part, nn.Conv2d):
        return _by_positive(part, seen, found)
    if isinstance(part, nn.Linear):
        gave = F.linear(seen, part.weight)
        share = found / (gave + torch.where(gave < 0, -TINY, TINY))
        return seen * (share @ part.weight)
    if isinstance(part, nn.AdaptiveAvgPool2d):
        return seen * (found / (seen.sum((2, 3), keepdim=True) + TINY))
    if isinstance(part, nn.Flatten):
        return found[..., None, None]
    if isinstance(part, nn.BatchNorm2d | nn.ReLU):
        return found
    raise ModelError(f"relevance has no rule for {type(part).__name__} in a relation head")


def _by_positive(part: nn.Conv2d, seen: Tensor, found: Tensor) -> Tensor:
    """α1β0: relevance goes to what raised the output, in proportion."""
    sides = [
        (seen.clamp(min=0), part.weight.clamp(min=0)),
        (seen.clamp(max=0), part.weight.clamp(max=0)),
    ]
    padding = part.padding if isinstance(part.padding, tuple) else 0
    gave = sum((F.conv2d(each, kernel, padding=padding) for each, kernel in sides), torch.zeros_like(found))
    share = found / (gave + TINY)
    return sum((each * F.conv_transpose2d(share, kernel, padding=padding) for each, kernel in sides), 0 * seen)

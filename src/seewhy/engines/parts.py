"""What rules make of a layer's weight: computed once per weight, and kept with it instead of in each graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Change = Callable[[Tensor], Tensor]

_KEPT: Any = WeakTensorKeyDictionary()


def part(weight: Tensor, change: Change) -> Tensor:
    """`change(weight)`; the same tensor again as long as the weight lives and nobody writes to it.

    Edits through `Tensor.data` go unnoticed.
    """
    weight = weight.detach() if weight.requires_grad else weight
    if weight.is_inference():  # nobody counts what is written to it
        return change(weight)
    whole = weight if weight._base is None else weight._base  # noqa: SLF001  # a view is made anew for each forward
    kept: dict[Any, tuple[Any, Tensor]] = _KEPT.setdefault(whole, {})
    place = change, weight.storage_offset(), weight.shape, weight.stride()
    state = weight.data_ptr(), weight._version, weight.dtype  # noqa: SLF001
    if place not in kept or kept[place][0] != state:
        kept[place] = state, change(weight)
    return kept[place][1]


def rising(weight: Tensor) -> Tensor:
    """What is positive of it."""
    return weight.clamp(min=0)


def falling(weight: Tensor) -> Tensor:
    """What is negative of it."""
    return weight.clamp(max=0)


@cache
def both(one: Change, other: Change) -> Change:
    """What both make of it one after the other, for twice the inputs."""
    return lambda weight: torch.cat([one(weight), other(weight)], 1)


@cache
def scaled_sizes(kappa: float) -> Change:
    """κ |w|."""
    return lambda weight: weight.abs().mul_(kappa)


@cache
def favoured(kappa: float) -> Change:
    """1 + κ times what is positive of it and 1 − κ times what is negative: w + κ |w|."""
    return lambda weight: torch.add(weight, weight.abs(), alpha=kappa)

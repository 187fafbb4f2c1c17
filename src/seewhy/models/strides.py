"""Gradients of norms where PyTorch reads them wrongly: a copy mends them.

A map `(1, C, h, w)` that is read as tokens `(1, h·w, C)` gets its gradient back with strides such as `(C, 1, w·C, C)`:
the first means nothing, since there is one picture. PyTorch 2.13 takes it for another layout and gives a gradient of
the norm's input that is neither the map's nor near it, in training and evaluation mode and in every precision.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.models.wrappers import parts_to_hook


@contextmanager
def with_usual_strides(module: nn.Module) -> Generator[None]:
    """Let the norms of `module` that run meanwhile get gradients whose strides are the usual ones.

    The stride of a dimension of one element means nothing, and PyTorch's BatchNorm on a CPU takes the layout from it
    all the same: where the patches of a single picture are read as tokens, it gives another gradient than its own.
    """
    with ExitStack() as stack:
        if torch.is_grad_enabled():
            for _, part in parts_to_hook(module):
                if hasattr(part, "running_mean"):  # libraries have their own
                    stack.callback(part.register_forward_hook(_watch_gradient).remove)
        yield


def _watch_gradient(_module: nn.Module, _args: Any, output: Any) -> None:
    """Have the gradient of what a norm gives looked at before the norm's own backward gets it."""
    if isinstance(output, Tensor) and output.requires_grad:
        output.register_hook(_usual)


def _usual(gradient: Tensor) -> Tensor | None:
    return gradient.clone(memory_format=torch.contiguous_format) if 1 in gradient.shape else None

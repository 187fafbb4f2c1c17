"""Leave a network as it was found."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["evaluating"]


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put `module` in evaluation mode and shield the global random state; restore both whatever happens."""
    import torch

    flags = [(part, part.training) for part in module.modules()]
    # A network that draws random numbers must neither disturb its caller's nor be disturbed by them.
    devices = {tensor.device for tensor in module.parameters() if tensor.device.type == "cuda"}
    with torch.random.fork_rng(devices):
        try:
            module.eval()
            yield
        finally:
            for part, training in flags:
                part.training = training

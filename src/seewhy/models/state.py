"""Leave a network as it was found."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put `module` in evaluation mode, with random numbers of its own; restore its flags and the global state."""
    flags = [(part, part.training) for part in module.modules()]
    # A network that draws random numbers must neither disturb its caller's nor be disturbed by them.
    found = {tensor.device for tensor in module.parameters()} if torch.cuda.is_initialized() else set()
    devices = [device for device in found if device.type == "cuda"]
    with torch.random.fork_rng(devices):
        try:
            _seed(devices)
            _set(flags, evaluation=True)
            yield
        finally:
            _set(flags)


def _seed(devices: Sequence[torch.device]) -> None:
    # Not torch.manual_seed, which would seed every device there is.
    torch.default_generator.manual_seed(0)
    for device in devices:
        with torch.cuda.device(device):
            torch.cuda.manual_seed(0)


def _set(flags: Sequence[tuple[nn.Module, bool]], *, evaluation: bool = False) -> None:
    for part, training in flags:
        wanted = training and not evaluation
        if part.training != wanted:  # to set is slow, and hundreds of parts mostly have nothing to set
            part.training = wanted

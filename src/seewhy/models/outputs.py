"""Find the logits in whatever a network returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seewhy.errors import ModelError, NonFinite


def find_logits(output: Any) -> Tensor:
    """The `(N, K)` tensor of class scores in a tensor, tuple, dict or Hugging Face output.

    Raises:
        ModelError: nothing in the output has that shape.
        NonFinite: the scores hold NaN or infinity.
    """
    logits = _first_tensor(output)
    if logits is None:
        raise ModelError(
            f"the network returned {type(output).__name__} without a tensor of class scores; expected a tensor "
            "(N, classes), a tuple or list that starts with one, a dict with 'logits', or an object with `.logits`"
        )
    logits = logits.flatten(1) if logits.dim() == 4 and logits.shape[-2:] == (1, 1) else logits
    if logits.dim() != 2:
        raise ModelError(
            f"the network returned a tensor of shape {tuple(logits.shape)}; a classifier returns (N, classes). "
            "Is this a segmentation or detection network, or one without its classification head?"
        )
    if logits.shape[1] < 2:
        raise ModelError(
            f"the network returned {logits.shape[1]} score for each image, so there is no class to choose; make a "
            "yes-or-no score z two: torch.cat([torch.zeros_like(z), z], 1)"
        )
    if not bool(torch.isfinite(logits).all()):
        raise NonFinite(
            "the network answered with NaN or infinity on this input; check its weights and its preprocessing "
            "(half precision on a CPU overflows easily: load it in float32)"
        )
    return logits


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, Tensor):
        return output
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    if isinstance(output, Mapping):
        for key in ("logits", "out", "scores", "output"):
            if isinstance(output.get(key), Tensor):
                return output[key]
        return next((value for value in output.values() if isinstance(value, Tensor)), None)
    if isinstance(output, tuple | list):
        return next((value for value in output if isinstance(value, Tensor)), None)
    return None

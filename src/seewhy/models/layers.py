"""What a network's layers are, in the order they run, and which of them to explain by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seewhy.errors import ExplainError
from seewhy.models.capture import Identity, capture, gradients_of, watch
from seewhy.models.grids import Grid, find_grid

# Layers that pass on, shrink or reshape what another computed: their maps say nothing new.
PASSIVE = (
    "Pool",
    "Dropout",
    "DropPath",
    "StochasticDepth",
    "Identity",
    "Flatten",
    "Permute",
    "Pad",
    "Upsample",
)
CANDIDATES = 12


@dataclass(frozen=True)
class Layer:
    """One submodule as it ran: its name, class, output shape for one image, and how that covers the picture."""

    name: str
    kind: str
    shape: tuple[int, ...]
    grid: Grid | None
    output: int  # equal for submodules that returned the very same tensor
    passive: bool = False


def trace_layers(module: nn.Module, forward: Callable[[], Any], input_size: tuple[int, int]) -> tuple[Layer, ...]:
    """Every submodule that ran during `forward()`, in order of completion; runs it once, recording nothing else."""
    with torch.inference_mode(False), torch.no_grad(), watch(module) as visits:
        forward()
    order: dict[Identity, int] = {}
    return tuple(
        Layer(
            name=visit.name,
            kind=type(visit.part).__name__,
            shape=tuple(visit.output.shape),
            grid=find_grid(tuple(visit.output.shape), input_size),
            output=order.setdefault(visit.gave, len(order)),
            passive=any(word in type(visit.part).__name__ for word in PASSIVE),
        )
        for visit in visits
    )


def default_layer(layers: Sequence[Layer], module: nn.Module, features: Callable[[], Tensor]) -> str:
    """The deepest layer with a grid that the decision still depends on.

    For a CNN that is its last convolutional stage before pooling; for a vision transformer with a class token it is
    the last block's first norm, since the patch tokens after it are never read. `features()` runs the network and
    gives what its head sees, which tells dependence even where the head is not trained yet.

    Raises:
        ExplainError: no layer covers the picture.
    """
    candidates = _distinct(layers)[-CANDIDATES:]
    if not candidates:
        raise ExplainError(
            "no layer of this network keeps a grid over the picture, so CAM methods have nothing to draw; "
            "use a method that needs scores or gradients only"
        )
    names = [layer.name for layer in candidates]
    with capture(module, names) as seen:
        found = features()
    with torch.enable_grad():
        score = found.square().sum()
    tensors = [seen[name] for name in names]
    if not score.requires_grad:
        return names[-1]
    gradients = gradients_of(score, tensors)
    for layer, gradient in reversed(list(zip(candidates, gradients, strict=True))):
        if gradient is not None and layer.grid and bool(layer.grid.fold(gradient).any()):
            return layer.name
    return names[-1]


def head_layer(layers: Sequence[Layer], module: nn.Module, classes: int) -> str:
    """The last linear layer that gives the class scores: what goes into it is the embedding."""
    heads = (nn.Linear, nn.Conv2d)
    for layer in reversed(layers):
        if isinstance(module.get_submodule(layer.name), heads) and layer.shape[1:2] == (classes,):
            return layer.name
    raise ExplainError("this network's scores do not come from a linear layer, so it has no embedding to read")


def _distinct(layers: Sequence[Layer]) -> list[Layer]:
    """One layer per computed output: the outermost module that returns it."""
    runs = {layer.name: index for index, layer in enumerate(layers)}
    makers: dict[int, Layer] = {}
    outermost: dict[int, Layer] = {}
    for index, layer in enumerate(layers):
        makers.setdefault(layer.output, layer)
        # Of a module that runs several times, its last run is what capture gives; an idle one does not wrap anything.
        if runs[layer.name] == index and not layer.passive:
            outermost[layer.output] = layer
    return [layer for key, layer in outermost.items() if not makers[key].passive and _is_stage(layer)]


def _is_stage(layer: Layer) -> bool:
    # Among tokens a bare linear layer makes queries, keys or values, which are no features of the patch.
    return layer.grid is not None and not (layer.grid.layout == "tokens" and layer.kind == "Linear")

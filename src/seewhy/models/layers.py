"""A network's layers in the order they run, how each covers the picture, and which of them to explain by default."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seewhy.errors import ExplainError
from seewhy.models.capture import Captured, Identity, Visit, gradients_of

# Layers that pass on, shrink or reshape what another computed: their maps say nothing new.
PASSIVE = ("Pool", "Dropout", "DropPath", "StochasticDepth", "Identity", "Flatten", "Permute", "Pad", "Upsample")
CANDIDATES = 12

MOST_PREFIX_TOKENS = 16  # class token, distillation token, registers
MOST_DISTORTION = 0.5  # of maps: small ones are rounded coarsely, 2 × 1 for 4:3
MOST_TOKEN_DISTORTION = 0.1


@dataclass(frozen=True)
class Layer:
    """One submodule as it ran: its name, class, output shape for one image, and how that covers the picture."""

    name: str
    kind: str
    shape: tuple[int, ...]
    grid: Grid | None
    output: int  # equal for submodules that returned the very same tensor
    passive: bool = False


def layers_of(visits: Iterable[Visit], input_size: tuple[int, int]) -> tuple[Layer, ...]:
    """The layers that `watch` saw run on one input of (height, width), in order of completion."""
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


def default_candidates(layers: Sequence[Layer], hidden: str | None = None) -> list[Layer]:
    """The deepest layers that cover the picture with values of their own, in the order they run.

    `hidden` says why there may be none to see.
    """
    candidates = _distinct(layers)[-CANDIDATES:]
    if not candidates:
        raise ExplainError(
            hidden
            or "no layer of this network keeps a grid over the picture, so CAM methods have nothing to draw; "
            "use a method that needs scores or gradients only"
        )
    return candidates


def deepest_used(candidates: Sequence[Layer], seen: Captured, features: Tensor) -> str:
    """The deepest of the captured `candidates` that `features` still depend on, place by place.

    For a CNN that is its last convolutional stage before pooling; for a vision transformer with a class token it is
    the last block's first norm, since the patch tokens after it are never read.
    """
    with torch.enable_grad():
        score = features.square().sum()
    if score.requires_grad:
        gradients = gradients_of(score, [seen[layer.name] for layer in candidates])
        for layer, gradient in reversed(list(zip(candidates, gradients, strict=True))):
            if gradient is not None and layer.grid and bool(layer.grid.fold(gradient).any()):
                return layer.name
    return candidates[-1].name


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
    return [
        layer
        for key, layer in outermost.items()
        # Among tokens a bare linear layer makes queries, keys or values, which are no features of the patch.
        if layer.grid and not makers[key].passive and (layer.grid.layout, layer.kind) != ("tokens", "Linear")
    ]


@dataclass(frozen=True)
class Grid:
    """How a layer's output covers the picture: `height` by `width` cells of `channels` numbers."""

    layout: Literal["channels first", "channels last", "tokens"]
    channels: int
    height: int
    width: int
    prefix: int = 0

    def fold(self, tensor: Tensor) -> Tensor:
        """`(N, C, h, w)`, `(N, h, w, C)` or `(N, prefix + h·w, C)` to `(N, C, h, w)`; a view where it can be."""
        if self.layout == "channels first":
            return tensor
        if self.layout == "channels last":
            return tensor.permute(0, 3, 1, 2)
        patches = tensor[:, self.prefix :]
        return patches.transpose(1, 2).reshape(len(tensor), self.channels, self.height, self.width)


def find_grid(shape: tuple[int, ...], input_size: tuple[int, int]) -> Grid | None:
    """The grid in an output of `shape` for one picture of (height, width), or None where there is none.

    A 4-d output is read in the layout whose grid comes nearer to the proportions of the input; tokens are read as the
    fewest prefix tokens that leave a full grid.
    """
    if shape[:1] != (1,):  # windows of the picture, one beside the other
        return None
    if len(shape) == 4:
        first = Grid("channels first", shape[1], shape[2], shape[3])
        last = Grid("channels last", shape[3], shape[1], shape[2])
        fits = [grid for grid in (first, last) if _covers(grid, input_size)]
        return min(fits, key=lambda grid: _distortion(grid, input_size), default=None)
    return _grid_of_tokens(shape[1], shape[2], input_size) if len(shape) == 3 else None


def _covers(grid: Grid, input_size: tuple[int, int]) -> bool:
    smaller = grid.height <= input_size[0] and grid.width <= input_size[1]
    return smaller and grid.height * grid.width > 1 and _distortion(grid, input_size) < MOST_DISTORTION


def _distortion(grid: Grid, input_size: tuple[int, int]) -> float:
    return abs(math.log(grid.height * input_size[1] / (grid.width * input_size[0])))


def _grid_of_tokens(tokens: int, channels: int, input_size: tuple[int, int]) -> Grid | None:
    for prefix in range(min(MOST_PREFIX_TOKENS, tokens - 1) + 1):
        patches = tokens - prefix
        height = round(math.sqrt(patches * input_size[0] / input_size[1]))
        width = patches // height if height else 0
        grid = Grid("tokens", channels, height, width, prefix)
        if patches > 1 and height * width == patches and _distortion(grid, input_size) < MOST_TOKEN_DISTORTION:
            return grid
    return None


def folded(grid: Grid, tensor: Tensor) -> Tensor:
    """`tensor` as detached maps `(N, C, h, w)`, in float32 at least: sums over a map overflow in half precision."""
    return grid.fold(tensor.detach()).to(torch.promote_types(tensor.dtype, torch.float32))

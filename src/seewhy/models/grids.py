"""Fold activations of any layout to `(N, C, h, w)`, so that no user writes a reshape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

MOST_PREFIX_TOKENS = 16  # class token, distillation token, registers
MOST_DISTORTION = 0.5  # of maps: small ones are rounded coarsely, 2 × 1 for 4:3
MOST_TOKEN_DISTORTION = 0.1


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
        return _grid_of_maps(shape, input_size)
    if len(shape) == 3:
        return _grid_of_tokens(shape, input_size)
    return None


def _grid_of_maps(shape: tuple[int, ...], input_size: tuple[int, int]) -> Grid | None:
    first = Grid("channels first", shape[1], shape[2], shape[3])
    last = Grid("channels last", shape[3], shape[1], shape[2])
    fits = [grid for grid in (first, last) if _covers(grid, input_size)]
    return min(fits, key=lambda grid: _distortion(grid, input_size), default=None)


def _covers(grid: Grid, input_size: tuple[int, int]) -> bool:
    smaller = grid.height <= input_size[0] and grid.width <= input_size[1]
    return smaller and grid.height * grid.width > 1 and _distortion(grid, input_size) < MOST_DISTORTION


def _distortion(grid: Grid, input_size: tuple[int, int]) -> float:
    return abs(math.log(grid.height * input_size[1] / (grid.width * input_size[0])))


def _grid_of_tokens(shape: tuple[int, ...], input_size: tuple[int, int]) -> Grid | None:
    tokens, channels = shape[1], shape[2]
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

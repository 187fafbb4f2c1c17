"""How a layer's output covers the picture: found by what its shape allows, and by what it depends on.

A shape alone says little: eight rows that an LSTM has read look like four prefix tokens and a grid of 2 × 2, as many
latents as there are patches look like patches. So parts of the picture are changed: where an output is a grid, its
cells on the left change more with the left half than with the upper half, and those at the top the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

MOST_PREFIX_TOKENS = 16  # class token, distillation token, registers
MOST_DISTORTION = 0.5  # of maps: small ones are rounded coarsely, 2 × 1 for 4:3
MOST_TOKEN_DISTORTION = 0.1
LOCAL = 0.5  # correlation of what cells depend on with where they lie, on both axes: what is no grid has none
REVERSED = -1.0  # the sum of both, where a map is mirrored or turned over
Layout: TypeAlias = Literal["channels first", "channels last", "tokens"]


@dataclass(frozen=True)
class Grid:
    """How a layer's output covers the picture: `height` by `width` cells of `channels` numbers."""

    layout: Layout
    channels: int
    height: int
    width: int
    prefix: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in cells."""
        return self.height, self.width

    def fold(self, tensor: Tensor) -> Tensor:
        """`(N, C, h, w)`, `(N, h, w, C)` or `(N, prefix + h·w, C)` to `(N, C, h, w)`; a view where it can be."""
        if self.layout == "channels first":
            return tensor
        if self.layout == "channels last":
            return tensor.permute(0, 3, 1, 2)
        patches = tensor[:, self.prefix :]
        return patches.transpose(1, 2).reshape(len(tensor), self.channels, self.height, self.width)


def possible_grids(shape: tuple[int, ...], input_size: tuple[int, int]) -> list[Grid]:
    """The grids that an output of `shape` for one picture of (height, width) may be, the likeliest first.

    A 4-d output may have its channels first or last; the grid that comes nearer to the proportions of the input is the
    likelier. Of tokens the fewer are no patches, the likelier.
    """
    if shape[:1] != (1,):  # windows of the picture, one beside the other
        return []
    if len(shape) == 4:
        first = Grid("channels first", shape[1], shape[2], shape[3])
        last = Grid("channels last", shape[3], shape[1], shape[2])
        fits = [grid for grid in (first, last) if _covers(grid, input_size)]
        return sorted(fits, key=lambda grid: _distortion(grid, input_size))
    return list(_grids_of_tokens(shape[1], shape[2], input_size)) if len(shape) == 3 else []


def _covers(grid: Grid, input_size: tuple[int, int]) -> bool:
    smaller = grid.height <= input_size[0] and grid.width <= input_size[1]
    return smaller and grid.height * grid.width > 1 and _distortion(grid, input_size) < MOST_DISTORTION


def _distortion(grid: Grid, input_size: tuple[int, int]) -> float:
    return abs(math.log(grid.height * input_size[1] / (grid.width * input_size[0])))


def _grids_of_tokens(tokens: int, channels: int, input_size: tuple[int, int]) -> Iterable[Grid]:
    for prefix in range(min(MOST_PREFIX_TOKENS, tokens // 2) + 1):  # there are as many patches at least
        patches = tokens - prefix
        height = round(math.sqrt(patches * input_size[0] / input_size[1]))
        width = patches // height if height else 0
        grid = Grid("tokens", channels, height, width, prefix)
        if patches > 1 and height * width == patches and _distortion(grid, input_size) < MOST_TOKEN_DISTORTION:
            yield grid


def in_line(grid: Grid, before: Sequence[Grid]) -> bool:
    """Whether tokens may come from one of the grids `before`: as many cells, or fewer of the same kind of tokens.

    The first tokens of a network that cuts its patches by itself have none before them; they are patches only.
    """
    if grid.layout != "tokens":
        return True
    if not before:
        return grid.prefix == 0
    return any(grid.size == other.size or coarser(grid, other) for other in before)


def coarser(grid: Grid, than: Grid) -> bool:
    """Whether tokens may be every second one or so of other tokens, down and across; or all of them."""
    if (grid.layout, grid.prefix) != (than.layout, than.prefix):
        return False
    steps = [max(round(many / few), 1) for many, few in zip(than.size, grid.size, strict=True)]
    return all(
        few in (many // step, -(-many // step)) for few, many, step in zip(grid.size, than.size, steps, strict=True)
    )


def locality(left: Tensor, upper: Tensor) -> tuple[float, float]:
    """How well what cells depend on agrees with where they lie, from −1 to 1, across and down.

    Args:
        left: `(T, h, w)`, how much each cell changed when the left half of each of T pictures did.
        upper: the same for the upper half.
    """
    tiny = torch.finfo(torch.float32).tiny
    contrast = left.float().clamp(min=tiny).log() - upper.float().clamp(min=tiny).log()
    contrast = contrast.mean(0)
    contrast = contrast - contrast.mean()
    across, down = contrast.mean(0, keepdim=True), contrast.mean(1, keepdim=True)
    rest = (contrast - across - down).square().mean()
    return _agreement(-across.flatten(), rest), _agreement(down.flatten(), rest)


def _agreement(profile: Tensor, rest: Tensor) -> float:
    """The correlation of a profile along an axis with the place on it, less where there is a rest beside it."""
    if len(profile) < 2:
        return 1.0
    place = torch.linspace(-1, 1, len(profile), device=profile.device)
    place = place / place.square().mean().sqrt()
    spread = (profile.square().mean() + rest).sqrt()
    return float((profile * place).mean() / spread) if bool(spread > 0) else 0.0


def folded(grid: Grid, tensor: Tensor) -> Tensor:
    """`tensor` as detached maps `(N, C, h, w)`, in float32 at least: sums over a map overflow in half precision."""
    return grid.fold(tensor.detach()).to(torch.promote_types(tensor.dtype, torch.float32))

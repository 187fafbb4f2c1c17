"""Hidden pixels as the weighted means of their neighbours: ROAD's linear imputation, many masks at a time.

Every missing pixel shall be the mean of its eight neighbours, edge neighbours weighing twice as much as diagonal ones.
With G the binomial filter [1 2 1] ⊗ [1 2 1], zero beyond the border, and g = G(1), that is (g − G) v = G(known) on the
missing pixels: symmetric and positive definite as soon as one pixel is known. Conjugate gradients solve it, with one
multigrid cycle as preconditioner, whose grids are all made of the same filter.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d, conv2d, interpolate, max_pool2d

from seewhy.errors import UsageError

__all__ = ["impute", "linear_imputation"]

NOISE = 0.01
TOLERANCE = 5e-5  # of a step, in units of the pixels; what remains is less than twice the last step
MOST_STEPS = 40
TOGETHER = 8  # masks; more of them leave the processor's cache
BINOMIAL = ((1.0, 2.0, 1.0), (2.0, 4.0, 2.0), (1.0, 2.0, 1.0))


def impute(pixels: Tensor, kept: Tensor, *, noise: float = NOISE, generator: torch.Generator) -> Tensor:
    """Noisy linear imputation of what each mask hides, `(n, c, h, w)` on the device and in the dtype of the pixels.

    Args:
        pixels: `(c, h, w)`, or `(n, c, h, w)` with a picture for each mask.
        kept: bool `(n, h, w)`, False where a pixel is to be replaced.
        noise: Standard deviation of the normal noise on every replaced value, in units of the pixels; the result is
            not clipped.
        generator: Where the noise comes from; it may live on another device.

    Source: Rong 2022 (ROAD), section 4. The noise is added in the pixels' own units, before normalising.
    """
    filled = linear_imputation(pixels, kept)
    drawn = torch.randn(filled.shape, generator=generator, device=generator.device).to(filled)
    return torch.where(kept[:, None], filled, filled + noise * drawn)


@torch.no_grad()
def linear_imputation(pixels: Tensor, kept: Tensor) -> Tensor:
    """`impute` without noise, within 1e-4 of the exact solution for pixels in [0, 1].

    A picture without any known pixel becomes its channel means. A missing area always has a known neighbour otherwise,
    since diagonal neighbours count.

    Raises:
        UsageError: the masks are not bool `(n, h, w)` of the pixels' size.
    """
    if kept.dtype != torch.bool or kept.ndim != 3 or kept.shape[1:] != pixels.shape[-2:]:
        raise UsageError(
            f"masks are bool (n, {pixels.shape[-2]}, {pixels.shape[-1]}) for these pixels, "
            f"not {str(kept.dtype).removeprefix('torch.')} {tuple(kept.shape)}"
        )
    pictures = pixels.expand(len(kept), *pixels.shape[-3:])
    parts = zip(pictures.split(TOGETHER), kept.split(TOGETHER), strict=True)
    return torch.cat([_impute_together(some, masks) for some, masks in parts])


def _impute_together(pictures: Tensor, kept: Tensor) -> Tensor:
    # Solved for the difference to the mean colour, which is then what remains where nothing is known.
    mean = pictures.mean((2, 3), keepdim=True)
    known = kept[:, None].expand_as(pictures)
    difference = torch.where(known, pictures - mean, 0)
    # One image of n·c channels, innermost in memory: the layout in which a filter per channel is fast.
    dtype = torch.promote_types(pictures.dtype, torch.float32)
    as_channels = {"dtype": dtype, "memory_format": torch.channels_last}
    missing = (~known).flatten(0, 1)[None].to(**as_channels)
    solved = _solve(_grids(missing), _neighbours(difference.flatten(0, 1)[None].to(**as_channels)))
    return torch.where(known, pictures, solved[0].unflatten(0, pictures.shape[:2]).to(pictures) + mean)


def _solve(grids: list[_Grid], residual: Tensor) -> Tensor:
    """Conjugate gradients, each channel on its own: its result does not depend on what else is in the batch."""
    solution, direction, before = torch.zeros_like(residual), torch.zeros_like(residual), torch.ones(1).to(residual)
    for _ in range(MOST_STEPS):
        correction = _cycle(grids, residual)
        unfinished = adaptive_max_pool2d(correction.abs(), 1) > TOLERANCE
        if not unfinished.any():
            break
        now = _dot(residual, correction)
        direction = correction.addcmul_(now / before, direction)
        change = grids[0].flow(direction)
        step = torch.where(unfinished, -now / _dot(direction, change), 0)
        solution.addcmul_(step, direction)
        residual.addcmul_(step, change)
        before = now
    return solution


class _Grid(NamedTuple):
    """One resolution; each field is `(1, channels, h, w)`. The last two are zero where nothing is missing."""

    diagonal: Tensor  # g + the ties to known pixels
    relax: Tensor  # turns a residual into one Jacobi step
    spread: Tensor  # bilinear interpolation: a value repeated, filtered and multiplied by this

    def flow(self, values: Tensor) -> Tensor:
        """(G − diagonal) v: what each pixel receives from its neighbours."""
        return _neighbours(values).addcmul_(self.diagonal, values, value=-1)


def _grids(missing: Tensor) -> list[_Grid]:
    """From the pixels to a single cell.

    A coarse cell is part of the system when any of its pixels is. It has the same neighbours as a pixel has, and to
    the known pixels among and around its own it is tied by the sum of their weights.
    """
    total = _neighbours(torch.ones_like(missing))
    ties = missing * (total - _neighbours(missing))
    grids = [_grid(missing, total, total)]
    while max(missing.shape[2:]) > 1:
        missing, ties = max_pool2d(missing, 2, ceil_mode=True), _sum_cells(ties)
        total = _neighbours(torch.ones_like(missing))
        grids.append(_grid(missing, total, total + ties))
    return grids


def _grid(missing: Tensor, total: Tensor, diagonal: Tensor) -> _Grid:
    own = diagonal - BINOMIAL[1][1]
    return _Grid(diagonal, torch.where(own > 0, missing / own, 0), missing / total)


def _cycle(grids: list[_Grid], right: Tensor) -> Tensor:
    """A symmetric V-cycle: an approximate solution for this right-hand side, zero where nothing is missing."""
    grid, *coarser = grids
    values = grid.relax * right
    if not coarser:
        return values
    residual = grid.flow(values).add_(right)
    coarse = _cycle(coarser, _sum_cells(_neighbours(residual.mul_(grid.spread))))
    values.addcmul_(grid.spread, _neighbours(_repeat_cells(coarse, values)))
    return values.addcmul_(grid.relax, grid.flow(values).add_(right))


def _neighbours(values: Tensor) -> Tensor:
    """G: each pixel and its neighbours, summed with binomial weights."""
    channels = values.shape[1]
    kernel = values.new_tensor(BINOMIAL).expand(channels, 1, 3, 3)
    return conv2d(values, kernel, padding=1, groups=channels)


def _sum_cells(values: Tensor) -> Tensor:
    return avg_pool2d(values, 2, ceil_mode=True, divisor_override=1)


def _repeat_cells(values: Tensor, like: Tensor) -> Tensor:
    return interpolate(values, scale_factor=2, mode="nearest")[..., : like.shape[2], : like.shape[3]]


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum((2, 3), keepdim=True)

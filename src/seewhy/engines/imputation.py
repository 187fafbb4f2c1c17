"""Hidden pixels as the weighted means of their neighbours: ROAD's linear imputation, many masks at a time.

Every missing pixel shall be the mean of its eight neighbours, edge neighbours weighing twice as much as diagonal ones.
With G the binomial filter [1 2 1] ⊗ [1 2 1], zero beyond the border, and g = G(1), this reads (g − G) v = G(known) on
the missing pixels: symmetric, and positive definite as soon as one pixel is known. Conjugate gradients solve it, with a
multigrid cycle as preconditioner whose grids are all made of that same filter.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d, avg_pool2d, conv2d, interpolate, max_pool2d

from seewhy.errors import UsageError

TOLERANCE = 1e-4
MOST_STEPS = 50  # six to nine are usual, whatever the size
TOGETHER = 8  # masks; more of them leave the processor's cache
BINOMIAL = ((1.0, 2.0, 1.0), (2.0, 4.0, 2.0), (1.0, 2.0, 1.0))


@torch.no_grad()
def linear_imputation(pixels: Tensor, kept: Tensor, *, tolerance: float = TOLERANCE) -> Tensor:
    """Linear imputation of what each mask hides, `(n, c, h, w)`, without noise. Source: Rong 2022 (ROAD), section 4.

    A picture without any known pixel becomes its channel means. Any other missing area has a known neighbour, because
    diagonal neighbours count.

    Args:
        pixels: `(c, h, w)`, or `(n, c, h, w)` with a picture for each mask.
        kept: bool `(n, h, w)`, False where a pixel is to be replaced.
        tolerance: the size of the last step towards the exact solution, in units of the pixels; what remains is
            smaller, except in strips one or two pixels wide.
    """
    height, width = pixels.shape[-2:]
    if kept.dtype != torch.bool or kept.ndim != 3 or kept.shape[1:] != (height, width):
        given = f"{str(kept.dtype).removeprefix('torch.')} {tuple(kept.shape)}"
        raise UsageError(f"masks for pixels of {height} × {width} are bool (n, {height}, {width}), not {given}")
    pictures = pixels.expand(len(kept), *pixels.shape[-3:])
    parts = zip(pictures.split(TOGETHER), kept.split(TOGETHER), strict=True)
    return torch.cat([_impute_together(some, masks, tolerance) for some, masks in parts])


def _impute_together(pictures: Tensor, kept: Tensor, tolerance: float) -> Tensor:
    # What is solved for is the difference to the mean colour: that colour remains where nothing is known.
    mean = pictures.mean((2, 3), keepdim=True)
    known = kept[:, None].expand_as(pictures)
    missing, difference = _as_channels(~known, pictures), _as_channels((pictures - mean) * known, pictures)
    solved = _solve(_grids(missing), _neighbours(difference), tolerance)
    return torch.where(known, pictures, mean + solved.view_as(pictures).to(pictures))


def _as_channels(values: Tensor, like: Tensor) -> Tensor:
    """`(n, c, h, w)` as one image with n·c channels, in at least single precision."""
    # CPUs filter every channel fastest with channels innermost; on CUDA that layout would lead to cuDNN and TF32.
    layout = torch.channels_last if like.device.type == "cpu" else torch.contiguous_format
    dtype = torch.promote_types(like.dtype, torch.float32)
    return values.flatten(0, 1)[None].to(dtype=dtype, memory_format=layout)


def _solve(grids: list[_Grid], residual: Tensor, tolerance: float) -> Tensor:
    """Conjugate gradients for every channel on its own: what else is in the batch does not change a result."""
    solution, direction = torch.zeros_like(residual), torch.zeros_like(residual)
    before, unfinished = residual.new_ones(1), torch.ones_like(residual[..., :1, :1], dtype=torch.bool)
    for _ in range(MOST_STEPS):
        correction = _cycle(grids, residual)
        last = adaptive_max_pool2d(correction.abs(), 1) < tolerance
        now = _dot(residual, correction)
        direction = correction.addcmul_(_ratio(now, before), direction)
        change = grids[0].flow(direction)
        step = _ratio(now, -_dot(direction, change)) * unfinished
        solution.addcmul_(step, direction)
        residual.addcmul_(step, change)
        before, unfinished = now, unfinished & ~last
        if not unfinished.any():
            break
    return solution


class _Grid(NamedTuple):
    """One resolution; each field is `(1, channels, h, w)`. The last two are zero where nothing is missing."""

    diagonal: Tensor  # g + the ties to known pixels
    relax: Tensor  # turns a residual into one Jacobi step
    spread: Tensor  # bilinear interpolation: a value repeated, filtered and multiplied by this

    def flow(self, values: Tensor) -> Tensor:
        """(G − diagonal) v: what each cell receives from its neighbours."""
        return _neighbours(values).addcmul_(self.diagonal, values, value=-1)


def _grids(missing: Tensor) -> list[_Grid]:
    """From pixels to a single cell.

    A coarse cell takes part when any of its pixels is missing. It has the same neighbours as a pixel, and is tied to
    what is known by the summed weights of its missing pixels' known neighbours. On the finest grid G(1) counts them.
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
    # Without its own share nothing is left of the diagonal in a single cell without ties: nothing is to be done there.
    others = diagonal - BINOMIAL[1][1]
    return _Grid(diagonal, torch.where(others > 0, missing / others, 0), missing / total)


def _cycle(grids: list[_Grid], right: Tensor) -> Tensor:
    """A symmetric V-cycle: roughly the solution for this right-hand side, zero where nothing is missing."""
    grid, *coarser = grids
    values = grid.relax * right
    if not coarser:
        return values
    residual = grid.flow(values).add_(right)
    coarse = _cycle(coarser, _sum_cells(_neighbours(residual.mul_(grid.spread))))
    repeated = interpolate(coarse, scale_factor=2, mode="nearest")[..., : values.shape[2], : values.shape[3]]
    values.addcmul_(grid.spread, _neighbours(repeated))
    return values.addcmul_(grid.relax, grid.flow(values).add_(right))


def _neighbours(values: Tensor) -> Tensor:
    """G: each cell and its neighbours, summed with binomial weights."""
    channels = values.shape[1]
    kernel = values.new_tensor(BINOMIAL).expand(channels, 1, 3, 3)
    return conv2d(values, kernel, padding=1, groups=channels)


def _sum_cells(values: Tensor) -> Tensor:
    return avg_pool2d(values, 2, ceil_mode=True, divisor_override=1)


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum((2, 3), keepdim=True)


def _ratio(over: Tensor, under: Tensor) -> Tensor:
    return over / under.clamp(min=torch.finfo(under.dtype).tiny)

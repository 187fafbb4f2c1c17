"""Numbers of regions on their pixels, whatever their kind and wherever the axis lies."""

from __future__ import annotations

import pytest
import torch

from seewhy.engines.regions import spread

LABELS = torch.tensor([[0, 2, 1], [1, 1, 3]])


@pytest.mark.parametrize("dtype", [torch.bool, torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_each_pixel_gets_the_number_of_its_region(dtype, axis):
    values = (torch.arange(2 * 4 * 4).view(2, 4, 4) % 7).to(dtype)
    found = spread(values, LABELS, axis)
    wanted = values.index_select(axis, LABELS.flatten()).unflatten(axis, LABELS.shape)
    assert found.dtype == dtype
    assert torch.equal(found, wanted)


def test_also_of_what_does_not_lie_in_one_piece():
    values = torch.rand(3, 4, 5).mT[:, :, ::1].to(torch.bfloat16)
    assert torch.equal(spread(values, LABELS), values.float()[..., LABELS].to(torch.bfloat16))

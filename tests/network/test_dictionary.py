from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.network.dictionary import coded, factorised, find_dictionary, is_signed, matched

PHOTOS, PLACES = 40, 12


def planted(*, signed: bool = False, count: int = 4, channels: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Places that hold few of so many directions, and the photo of each; the directions too."""
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn((count, channels), generator=generator)
    directions = directions if signed else directions.clamp(min=0)
    amounts = torch.rand((PHOTOS * PLACES, count), generator=generator)
    amounts *= torch.rand(amounts.shape, generator=generator) < 0.3
    noise = 0.01 * torch.randn((PHOTOS * PLACES, channels), generator=generator)
    rows = amounts @ directions + (noise if signed else noise.abs())
    return rows, torch.nn.functional.normalize(directions, dim=1)


@pytest.mark.parametrize("signed", [False, True])
def test_planted_directions_are_found(signed):
    rows, directions = planted(signed=signed)
    photos = torch.arange(PHOTOS).repeat_interleave(PLACES)
    assert is_signed(rows) is signed
    found = find_dictionary(rows, photos, 4)
    assert len(found.vectors) == 4
    assert float((directions @ found.vectors.T).max(1).values.min()) > 0.98
    assert min(found.stability) > 0.95
    assert found.unexplained < 0.01
    assert (found.unstable, found.merged, found.signed) == (0, 0, signed)


def test_amounts_are_the_best_that_are_not_negative():
    rows, directions = planted()
    amounts = coded(rows, directions)
    slope = (amounts @ directions - rows) @ directions.T
    assert bool((amounts >= 0).all())
    assert float(slope[amounts > 0].abs().max()) < 1e-3  # Karush, Kuhn and Tucker
    assert float(slope[amounts == 0].min()) > -1e-3


def test_noise_gives_nothing_that_is_stable():
    rows = torch.rand((480, 30), generator=torch.Generator().manual_seed(0))
    found = find_dictionary(rows, torch.arange(40).repeat_interleave(12), 6)
    assert len(found.vectors) == 0
    assert found.unstable == 6
    assert found.unexplained == pytest.approx(1)


def test_doubles_are_one():
    rows, _ = planted(count=2)
    found = find_dictionary(torch.cat([rows, rows]), torch.arange(2 * PHOTOS).repeat_interleave(PLACES), 2)
    assert len(found.vectors) == 2
    one = rows[:, :1] @ torch.ones((1, 12))
    single = find_dictionary(one.clamp(min=0), torch.arange(PHOTOS).repeat_interleave(PLACES), 3)
    assert len(single.vectors) <= 1
    assert len(single.vectors) + single.merged + single.unstable == 3


def test_matches_are_of_all_together_and_the_same_everywhere_is_none():
    one = torch.eye(3)
    assert matched(one, one[:, [2, 0, 1]]) == pytest.approx([1, 1, 1])
    assert matched(torch.ones((3, 1)), one) == pytest.approx([0])
    assert matched(one, one[:, :1]) == pytest.approx([1, 0, 0])


def test_the_same_seed_gives_the_same():
    rows, _ = planted()
    one, again = (factorised(rows, 3, torch.Generator().manual_seed(4), signed=False) for _ in range(2))
    assert torch.equal(one, again)
    assert np.isfinite(one.numpy()).all()

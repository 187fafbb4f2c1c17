from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.network.dictionary import coded, consensus, factorised, find_dictionary, is_signed

PHOTOS, PLACES = 40, 12


def planted(*, signed: bool = False, count: int = 4, channels: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Places that hold few of so many directions, and the photo of each; the directions too."""
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn((count, channels), generator=generator)
    directions = torch.nn.functional.normalize(directions if signed else directions.clamp(min=0), dim=1)
    amounts = torch.rand((PHOTOS * PLACES, count), generator=generator)
    amounts *= torch.rand(amounts.shape, generator=generator) < 0.3
    noise = 0.01 * torch.randn((PHOTOS * PLACES, channels), generator=generator)
    rows = amounts @ directions + (noise if signed else noise.abs())
    return rows, directions


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


def test_a_concept_is_what_most_dictionaries_find():
    """Three directions; one dictionary has another in place of the last, and each its own order and noise."""
    generator = torch.Generator().manual_seed(0)
    places = torch.rand((200, 3), generator=generator)
    orders = ([0, 1, 2], [2, 0, 1], [1, 2, 0])
    dictionaries = [torch.eye(3)[order] for order in orders]
    amounts = [places[:, order] for order in orders]
    amounts[1][:, 0] = torch.rand(200, generator=generator)
    dictionaries[1][0] = torch.tensor([0.6, 0.8, 0.0])
    vectors, stability, found = consensus(dictionaries, amounts)
    assert sorted(vectors.round(decimals=6).tolist()) == [[0, 1, 0], [1, 0, 0]]
    assert stability == pytest.approx([1, 1])
    assert found == pytest.approx(2)
    # The third, which two of three find, is at the median between being found and not.
    assert len(consensus([*dictionaries, torch.eye(3)], [*amounts, places])[0]) == 3


def test_what_is_the_same_everywhere_is_no_concept():
    same = [torch.ones((50, 1)), torch.ones((50, 1))]
    assert len(consensus([torch.eye(1), torch.eye(1)], same)[0]) == 0


def test_directions_without_parts_are_not_stable():
    """Noise that varies as a layer does: directions explain it as well, and no two dictionaries find the same ones."""
    generator = torch.Generator().manual_seed(2)
    mixed = torch.randn((60 * 12, 16), generator=generator) @ torch.randn((16, 24), generator=generator)
    found = find_dictionary(mixed, torch.arange(60).repeat_interleave(12), 8, seeds=5)
    assert len(found.vectors) <= 1
    assert found.unstable >= 7


def test_no_directions_at_all_leave_less():
    rows, _ = planted(signed=True)
    for count in (2, 4):
        found = find_dictionary(rows, torch.arange(PHOTOS).repeat_interleave(PLACES), count, seeds=3)
        values = np.linalg.svd(rows.numpy(), compute_uv=False) ** 2
        assert found.least == pytest.approx(values[len(found.vectors) :].sum() / values.sum(), abs=1e-4)
        assert found.least <= found.unexplained


def test_the_same_seed_gives_the_same():
    rows, _ = planted()
    one, again = (factorised(rows, 3, torch.Generator().manual_seed(4), signed=False) for _ in range(2))
    assert torch.equal(one, again)
    assert np.isfinite(one.numpy()).all()

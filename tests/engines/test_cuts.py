"""Many cuts of one picture: what they are made of, how they are drawn, what hidden regions of theirs look like."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seewhy.engines import Cuts, MeansOfCuts, RegionMean, fill_of_cuts, in_groups, segment

SHOWN = segment(np.zeros((24, 24, 3)), "grid:3")
PIXELS = np.random.default_rng(0).random((24, 24, 3))
CUTS = Cuts.around(SHOWN, PIXELS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pieces_lie_within_the_regions_shown():
    assert CUTS.members.shape == (9, int(CUTS.pieces.max()) + 1)
    assert (CUTS.members.sum(0) == 1).all()
    np.testing.assert_array_equal(CUTS.own[0].numpy()[CUTS.pieces], SHOWN)
    assert float(CUTS.areas.sum()) == pytest.approx(1)


def test_every_cut_has_as_many_regions_as_are_shown_and_each_is_another():
    drawn = CUTS.draw(20, generator())
    assert drawn.shape == (20, len(CUTS.areas))
    assert all(len(cut.unique()) == 9 for cut in drawn)
    assert len({tuple(cut.tolist()) for cut in drawn}) == 20
    torch.testing.assert_close(CUTS.draw(20, generator()), drawn)


def test_one_cut_alone_is_the_one_shown():
    alone = Cuts.of(SHOWN)
    assert alone.alone
    np.testing.assert_array_equal(alone.draw(3, generator())[2].numpy()[alone.pieces], SHOWN)
    torch.testing.assert_close(alone.prior(), torch.eye(9).double())


def test_neighbours_are_more_alike_before_than_what_lies_far_apart():
    likeness = CUTS.prior() / (CUTS.areas[:, None] * CUTS.areas)
    first, near, far = (int(CUTS.pieces[place]) for place in ((0, 0), (0, 5), (23, 23)))
    assert 2 == pytest.approx(float(likeness[first, first])) != pytest.approx(float(likeness[first, near]))
    assert likeness[first, near] > likeness[first, far] >= 1


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_each_region_is_hidden_once_a_round_and_as_a_whole(groups):
    drawn = CUTS.draw(6, generator())
    hidden = ~in_groups(drawn, groups, generator()).unflatten(0, (6, groups))
    assert (hidden.sum(1) == 1).all()
    for cut, masks in zip(drawn, hidden, strict=True):
        for region in cut.unique():
            assert len(masks[:, cut == region].unique(dim=1).T) == 1


def test_hidden_regions_have_the_mean_colour_of_their_own_cut():
    drawn, pixels = CUTS.draw(2, generator()), torch.from_numpy(PIXELS).permute(2, 0, 1)
    pieces = torch.from_numpy(CUTS.pieces).long()
    filler = fill_of_cuts(RegionMean(), drawn).prepare(pixels, pieces, generator())
    assert filler.alternatives == 2
    shown = filler(torch.zeros(3, 24, 24), torch.tensor([1, 0, 1]))
    for picture, number in zip(shown, (1, 0, 1), strict=True):
        regions = drawn[number][pieces]
        for region in regions.unique():
            there = regions == region
            wanted = pixels[:, there].mean(1, keepdim=True).expand(-1, int(there.sum()))
            torch.testing.assert_close(picture[:, there], wanted)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_fill_changed_beforehand_is_the_changed_fill_and_lies_in_memory_as_the_change_wants(layout):
    def change(pictures: torch.Tensor) -> torch.Tensor:
        return (pictures.half() * 3 - 1).to(memory_format=layout)

    pixels = torch.from_numpy(PIXELS).permute(2, 0, 1)
    drawn, labels = CUTS.draw(2, generator()), torch.from_numpy(CUTS.pieces).long()
    fill = MeansOfCuts(drawn).prepare(pixels, labels, generator())
    masks, which = torch.zeros(2, *labels.shape, dtype=torch.bool), torch.arange(2)
    found = fill.then(change)(masks, which)
    assert torch.equal(found, change(fill(masks, which)))
    assert found.is_contiguous(memory_format=layout)

"""Push: which patch each prototype becomes."""

from __future__ import annotations

import pytest
import torch

from seewhy.prototypes.finishing import Patch, assign_patches


def literal(distances):
    """The rule written out: all pairs from the nearest on; each prototype and each picture once."""
    count, prototypes, height, width = distances.shape
    places = [
        (distances[i, j, r, c].item(), i, j, r, c)
        for i in range(count)
        for j in range(prototypes)
        for r in range(height)
        for c in range(width)
    ]
    found, pictures = {}, set()
    for distance, i, j, r, c in sorted(places):
        if j not in found and i not in pictures:
            found[j] = Patch(i, r, c, distance)
            pictures.add(i)
    return [found.get(j) for j in range(prototypes)]


@pytest.mark.parametrize("seed", range(5))
def test_with_enough_pictures_the_nearest_pair_goes_first_and_none_is_shared(seed):
    distances = torch.rand((7, 4, 3, 5), generator=torch.Generator().manual_seed(seed))
    found = assign_patches(distances)
    assert found == literal(distances)
    assert len({patch.picture for patch in found}) == 4


@pytest.mark.parametrize("seed", range(5))
def test_with_too_few_pictures_no_patches_overlap(seed):
    distances = torch.rand((2, 5, 6, 6), generator=torch.Generator().manual_seed(seed))
    found = assign_patches(distances)
    assert [patch for patch in found if patch is not None] == found
    for one in range(5):
        for other in range(one):
            a, b = found[one], found[other]
            assert a.picture != b.picture or max(abs(a.row - b.row), abs(a.column - b.column)) > 1


def test_who_finds_no_patch_gets_none():
    found = assign_patches(torch.tensor([[[[2.0]], [[1.0]]]]))
    assert found == [None, Patch(0, 0, 0, 1.0)]


def test_distances_stay_as_they_were():
    distances = torch.rand(3, 2, 2, 2)
    before = distances.clone()
    assign_patches(distances)
    assert torch.equal(distances, before)

"""Which prototypes stay, by hand."""

from __future__ import annotations

import torch

from seewhy.prototypes.finishing import pure_enough, purity

LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])


def test_the_six_nearest_other_pictures_vote():
    # The prototype of class 0 comes from picture 0; next to it are 1, 2, 3, 4, 5 and 6.
    nearest = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0]])
    assert purity(nearest, LABELS, torch.tensor([0]), torch.tensor([0])).item() == 0.5
    assert purity(nearest.flip(0), LABELS, torch.tensor([0]), torch.tensor([7])).item() == 0.5
    assert purity(nearest.flip(0), LABELS, torch.tensor([1]), torch.tensor([7])).item() == 0.5


def test_few_pictures_all_vote():
    nearest = torch.tensor([[0.0], [1.0], [2.0]])
    assert purity(nearest, torch.tensor([1, 1, 1]), torch.tensor([1]), torch.tensor([0])).item() == 1


def test_the_bar_lies_midway_between_chance_and_all():
    owners = torch.tensor([0, 0, 1, 1])
    stays = pure_enough(torch.tensor([5 / 6, 4 / 6, 0.75, 0.74]), LABELS, owners, 2)
    assert stays.tolist() == [True, False, True, False]


def test_with_many_classes_the_bar_comes_near_to_half():
    labels = torch.arange(100)
    stays = pure_enough(torch.tensor([3 / 6, 4 / 6]), labels, torch.tensor([5, 5]), 100)
    assert stays[1]
    assert not stays[0]


def test_of_a_class_without_a_pure_one_the_purest_stays():
    owners = torch.tensor([0, 0, 1, 1])
    assert pure_enough(torch.tensor([1.0, 1.0, 0.2, 0.4]), LABELS, owners, 2).tolist() == [True, True, False, True]

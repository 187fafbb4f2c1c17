"""What happens after training, on patches that stand where they are put."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from seewhy.prototypes.finishing import costs_of, prune, push, shared_patches, solve
from seewhy.prototypes.network import PrototypeHead


@pytest.fixture
def bank():
    """Three pictures of each of two classes, 1 × 2 patches: their own direction, and one that all share."""
    own = {0: torch.tensor([1.0, 0.0, 0.0]), 1: torch.tensor([0.0, 1.0, 0.0])}
    shared = torch.tensor([0.0, 0.0, 1.0])
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    tilt = torch.linspace(0, 0.3, 6)[:, None] * shared
    pictures = [torch.stack([own[int(y)] + t, shared], 1)[:, None] for y, t in zip(labels, tilt, strict=True)]
    plain = torch.stack(pictures)
    return SimpleNamespace(plain=plain, copies=plain[None].half(), labels=labels)


@pytest.fixture
def head():
    """Two prototypes of each class: one near its direction, one near what all share."""
    made = PrototypeHead(3, [0, 0, 1, 1], 2, 3, "cosine")
    made.add_on = nn.Identity()
    made.prototypes.data = torch.tensor([[1.0, 0.1, 0.0], [0.1, 0.0, 1.0], [0.1, 1.0, 0.0], [0.0, 0.1, 1.0]])
    return made


def test_prototypes_become_patches_of_different_pictures_of_their_class(head, bank):
    patches = push(head, bank)
    assert [bank.labels[patch.picture].item() for patch in patches] == [0, 0, 1, 1]
    assert len({patch.picture for patch in patches}) == 4
    for prototype, patch in zip(head.prototypes, patches, strict=True):
        cell = bank.plain[patch.picture, :, patch.row, patch.column]
        torch.testing.assert_close(prototype, cell / cell.norm())


def test_what_all_pictures_share_is_pruned_and_gets_no_points(head, bank):
    patches = prune(head, bank, push(head, bank))
    assert head.owners.tolist() == [0, 1]
    patches = solve(head, bank, patches)
    assert len(patches) == len(head.prototypes) == 2
    assert (head.weights.diagonal() > 0).all()
    assert torch.equal(head(bank.plain).argmax(1), bank.labels)


def test_prototypes_lie_nearer_to_their_own_class(head, bank):
    assert not costs_of(head, bank).cluster > costs_of(head, bank).separation
    head.prototypes.data = head.prototypes.data[[2, 2, 0, 0]]
    assert not costs_of(head, bank).apart


def test_prototypes_at_one_patch_are_counted(head, bank):
    assert shared_patches(head, bank) == 0
    head.prototypes.data[1] = head.prototypes.data[0]
    assert shared_patches(head, bank) == 2


def test_without_enough_pictures_prototypes_are_dropped(head, bank):
    head.prototypes = nn.Parameter(head.prototypes.data[[0, 0, 0, 0, 2]])
    head.owners = torch.tensor([0, 0, 0, 0, 1])
    head.set_last(torch.ones(2, 5), head.bias)
    bank.plain = bank.plain[:, :, :, :1]  # one patch a picture, three pictures a class
    assert len(push(head, bank)) == len(head.owners) == 4

"""Features kept are those that the backbone would give."""

from __future__ import annotations

import pytest
import torch

import planted
from prototypes import squares
from seewhy.models.backbone import Backbone
from seewhy.prototypes.learning import features_of, filled_bank
from seewhy.train.data import Augmentation, Stream


@pytest.fixture(scope="module")
def backbone():
    return Backbone.of(planted.classifier())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return squares.pictures(tmp_path_factory.mktemp("squares"), 4)


def test_batches_are_what_the_backbone_makes_of_the_stream(backbone, pictures):
    stream = Stream(pictures, batch_size=5, seed=3, augmentation=Augmentation(), balanced=True)
    bank = filled_bank(backbone, stream, copies=2)
    for step in range(2 * stream.steps_per_epoch):
        given, kept = stream(step), bank(step)
        assert torch.equal(given.indices, kept.indices)
        assert torch.equal(given.y, kept.y)
        with torch.no_grad():
            torch.testing.assert_close(kept.x, backbone(given.x), atol=2e-3, rtol=2e-3)


def test_when_all_copies_were_seen_they_come_again(backbone, pictures):
    stream = Stream(pictures, batch_size=12, augmentation=Augmentation())
    bank = filled_bank(backbone, stream, copies=2)
    first, third = bank(0), bank(2)
    assert torch.equal(first.x[first.indices.argsort()], third.x[third.indices.argsort()])


def test_without_copies_the_pictures_stand_for_them(backbone, pictures):
    bank = filled_bank(backbone, Stream(pictures), copies=0)
    assert torch.equal(bank.copies[0], bank.plain.half())
    assert torch.equal(bank.plain, features_of(backbone, pictures))


def test_memory_limits_the_copies(backbone, pictures, monkeypatch):
    one = features_of(backbone, pictures).numel() * 2
    monkeypatch.setattr("seewhy.prototypes.learning.KEPT_BYTES", 3 * one)
    assert len(filled_bank(backbone, Stream(pictures), copies=8).copies) == 3

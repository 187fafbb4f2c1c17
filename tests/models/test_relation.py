"""Relation networks: what a card may say of one."""

from __future__ import annotations

import pytest
import torch

from seewhy.errors import ModelError
from seewhy.models.building import build
from seewhy.models.card import Architecture
from seewhy.models.relation import RelationNetwork, paired

GRID = {"layout": "channels first", "channels": 8, "height": 2, "width": 2, "prefix": 0}
NAME = "timm:test_efficientnet"


def test_a_card_names_its_backbone_its_layer_and_the_grid_there():
    made = build(Architecture(NAME, {"relation": {"layer": "blocks", "grid": GRID}}), 3)
    assert isinstance(made, RelationNetwork)
    assert made.option == {"layer": "blocks", "grid": GRID}
    assert made.prototypes.shape == (3, 8, 2, 2)
    assert not made.training


@pytest.mark.parametrize(
    "option",
    [
        None,
        [],
        {"layer": "blocks"},
        {"layer": 3, "grid": GRID},
        {"layer": "blocks", "grid": {**GRID, "channels": 1 << 40}},
        {"layer": "blocks", "grid": {**GRID, "height": -1}},
        {"layer": "blocks", "grid": {**GRID, "width": "2"}},
        {"layer": "blocks", "grid": {**GRID, "more": 2}},
        {"layer": "blocks", "grid": {**GRID, "layout": "upside down"}},
    ],
)
def test_a_card_that_names_none_is_refused(option):
    with pytest.raises(ModelError, match="names no layer"):
        build(Architecture(NAME, {"relation": option}), 3)


def test_every_class_is_paired_with_every_picture():
    prototypes, features = torch.rand(3, 2, 4, 4), torch.rand(5, 2, 4, 4)
    pairs = paired(prototypes, features)
    assert pairs.shape == (15, 4, 4, 4)
    assert torch.equal(pairs[3 * 2 + 1], torch.cat([prototypes[1], features[2]]))

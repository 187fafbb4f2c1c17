"""The gate: what passes and what does not, by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seewhy.core.reading import parse_json
from seewhy.prototypes.finishing import distinct_places
from seewhy.prototypes.model import Diagnosis

SOUND = Diagnosis(
    classes=("cat", "dog"),
    confusion=((45, 5), (4, 46)),
    backbone_accuracy=0.92,
    mean_similarity=((0.9, 0.2), (0.1, 0.8)),
    usage=(40, 9, 51, 0),
    shared_patches=3,
    cluster=0.2,
    separation=0.9,
    pushed=True,
    trained=20,
)


def test_a_sound_network_passes():
    assert SOUND.accuracy == 0.91
    assert SOUND.recalls == {"cat": 0.9, "dog": 0.92}
    assert SOUND.predictions == {"cat": 49, "dog": 51}
    assert SOUND.usable
    assert SOUND.reasons == ()


@pytest.mark.parametrize(
    ("backbone", "usable"),
    [(0.96, True), (0.9600001, False), (0.97, False), (0.5, True)],
    ids=["5", "more", "6", "gain"],
)
def test_five_points_may_be_lost_and_no_more(backbone, usable):
    found = replace(SOUND, backbone_accuracy=backbone)
    assert found.usable is usable
    assert usable or "more than 5 points are lost" in found.reasons[0]


@pytest.mark.parametrize(("right", "usable"), [(25, True), (24, False)])
def test_half_of_every_class_must_be_found(right, usable):
    found = replace(SOUND, confusion=((500, 0), (50 - right, right)), backbone_accuracy=0.5)
    assert found.usable is usable
    assert usable or found.reasons == ("of the pictures of “dog” it finds 48%, fewer than half",)


def test_one_class_for_everything_is_refused():
    """What source 1 got: half right, everything called real."""
    found = replace(SOUND, confusion=((50, 0), (50, 0)), backbone_accuracy=0.91)
    assert found.accuracy == 0.5
    assert len(found.reasons) == 2


@pytest.mark.parametrize(("most", "usable"), [(28, False), (25, True)])
def test_what_one_prototype_decides_is_not_decided_by_parts(most, usable):
    found = replace(SOUND, usage=(most, 32 - most, 0, 0))
    assert found.usable is usable
    assert usable or found.reasons[0].startswith("one prototype decides 28 of 32 validation pictures")


@pytest.mark.parametrize(
    ("speaking", "places", "usable"), [(6, 1, False), (6, 2, True), (2, 1, True), (None, None, True)]
)
def test_prototypes_that_all_point_at_one_place_are_refused(speaking, places, usable):
    found = replace(SOUND, speaking=speaking, places=places)
    assert found.usable is usable
    assert usable or "6 prototypes speak for the class, and all of them point at one place" in found.reasons[0]


@pytest.mark.parametrize(
    ("cells", "count"),
    [([], 0), ([[3, 3]], 1), ([[0, 0], [1, 1], [2, 2]], 1), ([[0, 0], [0, 2]], 2), ([[5, 5], [5, 5], [0, 5]], 2)],
)
def test_cells_side_by_side_are_one_place(cells, count):
    assert distinct_places(torch.tensor(cells).view(-1, 2)) == count


def test_prototypes_that_are_no_patches_are_refused():
    found = replace(SOUND, pushed=False, cluster=0.9, separation=0.8)
    assert "no nearer to pictures of their own class (0.90) than of others (0.80)" in found.reasons[0]


def test_a_class_without_pictures_has_no_recall_and_no_blame():
    found = replace(SOUND, confusion=((50, 0), (0, 0)))
    assert found.recalls == {"cat": 1.0}
    assert found.usable


def test_evenness_of_use():
    assert replace(SOUND, usage=(7, 0, 0)).usage_entropy == 0
    assert replace(SOUND, usage=(5, 5, 5, 5)).usage_entropy == pytest.approx(1)
    assert replace(SOUND, usage=(5, 5, 0, 0)).usage_entropy == pytest.approx(math.log(2) / math.log(4))
    assert replace(SOUND, usage=(5,)).usage_entropy == 0


def test_it_survives_json():
    assert parse_json(json.dumps(SOUND.to_dict()), Diagnosis, Path("card.json"), "") == SOUND

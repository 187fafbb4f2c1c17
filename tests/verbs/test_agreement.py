"""Explanations held against a mask that somebody drew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import planted
from seewhy.images import Image
from seewhy.metrics.localisation import energy_in_mask
from seewhy.models import Preprocessing
from seewhy.verbs.agreement import agreement, nothing_to_compare
from seewhy.verbs.explain import explain

CROPPED = Preprocessing((64, 64), resize=64, mean=(0, 0, 0), std=(1, 1, 1))


def test_explanations_are_held_against_the_mask_best_first():
    photo = planted.picture()
    classifier = planted.classifier()
    found = [explain(classifier, photo, "grad-cam", target) for target in ("green", "red")]
    mask = np.zeros((photo.height, photo.width), bool)
    mask[planted.ROWS, planted.COLUMNS] = True
    agreed = agreement(classifier, photo, found, mask)
    assert [each.explanation.target_label for each in agreed.rows] == ["red", "green"]
    best = agreed.rows[0]
    assert best.iou.value > 0.8
    assert best.pointing.value == 1
    assert agreed.share == mask.mean() == 1 / 16
    assert agreed.chance == pytest.approx(1 / 31)


def test_beside_each_score_stands_what_the_map_of_other_classes_gets():
    """Eigen-CAM asks about no class, and gets the same for every other; what Grad-CAM finds for others lies apart."""
    photo, classifier = planted.picture(), planted.classifier()
    found = [explain(classifier, photo, method, "red") for method in ("grad-cam", "eigen-cam")]
    mask = np.zeros((photo.height, photo.width), bool)
    mask[planted.ROWS, planted.COLUMNS] = True
    rows = {each.explanation.method: each for each in agreement(classifier, photo, found, mask).rows}
    blind, asked = rows["eigen-cam"], rows["grad-cam"]
    assert blind.energy.other_classes == pytest.approx(blind.energy.value)
    others = asked.explanation.others
    assert others is not None
    assert asked.energy.other_classes == pytest.approx(energy_in_mask(others, mask) if others.any() else 0.0)
    assert asked.energy.other_classes < asked.energy.value - 0.5


def test_what_lies_where_the_network_does_not_look_does_not_count():
    wide = Image(np.concatenate([planted.picture().pixels] * 2, axis=1), "wide")
    classifier = replace(planted.classifier(), preprocessing=CROPPED)
    mask = np.zeros((64, 128), bool)
    mask[:, 30:34] = True  # the network sees columns 32 to 96
    agreed = agreement(classifier, wide, [explain(classifier, wide, "grad-cam")], mask)
    assert agreed.outside == 0.5
    assert agreed.share == 2 / 64


@pytest.mark.parametrize(
    ("rows", "columns", "said"),
    [
        (slice(0), slice(0), "Nothing is marked"),
        (slice(64), slice(30), "lies outside"),
        (slice(1), slice(32, 33), ""),
        (slice(64), slice(32, 96), "all that the network sees"),
        (slice(64), slice(33, 96), ""),
    ],
)
def test_why_nothing_can_agree(rows, columns, said):
    wide = Image(np.concatenate([planted.picture().pixels] * 2, axis=1), "wide")
    classifier = replace(planted.classifier(), preprocessing=CROPPED)
    mask = np.zeros((64, 128), bool)
    mask[rows, columns] = True
    found = nothing_to_compare(classifier, wide, mask)
    assert said in found
    assert bool(said) == bool(found)


def test_a_speck_is_lost_on_the_way_to_the_network():
    mask = np.zeros((2000, 2000), bool)
    mask[1000, 1000] = True
    large = Image(np.zeros((2000, 2000, 3), np.uint8), "large")
    assert "too small for the network, which sees the photo in 64 × 64" in nothing_to_compare(
        planted.classifier(), large, mask
    )

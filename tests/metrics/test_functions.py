"""Metrics as functions: maps from anywhere, against what the metric itself says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import planted
from metrics.samples import perfect_map, planted_subject, random_map, scores
from seewhy import metrics
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.metrics import score_maps
from seewhy.models import Target

MAPS = np.stack([perfect_map(), random_map(0), random_map(1)])


@pytest.fixture
def asked():
    return planted.classifier(), planted.picture()


@pytest.mark.parametrize("name", ["road", "insertion", "deletion", "average-drop"])
def test_a_function_says_what_its_metric_says(asked, name):
    function = getattr(metrics, name.replace("-", "_"))
    found = function(*asked, MAPS, 0)
    expected = [each.value for each in scores(name, planted_subject(), list(MAPS))]
    assert found == pytest.approx(expected, abs=1e-6)
    assert function(*asked, torch.from_numpy(MAPS[0]), Target(0)) == pytest.approx(expected[0], abs=1e-6)
    assert isinstance(function(*asked, MAPS[0], 0), float)


def test_settings_reach_the_metric(asked):
    coarse = metrics.insertion(*asked, MAPS[1], 0, steps=2, fill="black")
    (expected,) = scores("insertion", planted_subject(), [MAPS[1]], steps=2, fill="black")
    assert coarse == pytest.approx(expected.value, abs=1e-6)
    assert metrics.road(*asked, MAPS[1], 0, seed=1) != metrics.road(*asked, MAPS[1], 0, seed=2)


def test_the_perfect_map_is_better_than_maps_of_chance(asked):
    perfect, *chance = metrics.road(*asked, MAPS, 0, percentiles=(80, 90))
    assert perfect > max(chance)
    assert np.argmin(metrics.deletion(*asked, MAPS, 0)) == 0


def test_without_a_target_it_is_the_likeliest_class(asked):
    classifier, image = asked
    likeliest = classifier.predict(image, 1)[0].index
    assert metrics.deletion(classifier, image, MAPS[1]) == metrics.deletion(classifier, image, MAPS[1], likeliest)


def test_any_metric_is_asked_by_name(asked):
    mask = planted_subject().mask
    assert score_maps("energy-in-mask", *asked, MAPS[0], 0, mask=mask) > 0.9
    assert np.isnan(score_maps("energy-in-mask", *asked, MAPS[0], 0))
    assert np.isnan(score_maps("stability", *asked, MAPS[0], 0))
    occlusion = find_method("occlusion", size=0.3, stride=0.3)
    assert score_maps("stability", *asked, MAPS[0], 0, method=occlusion, seed=1) <= 1


@pytest.mark.parametrize("maps", [MAPS[0][1:], MAPS[None], np.full_like(MAPS[0], np.nan)])
def test_maps_of_another_shape_are_refused(asked, maps):
    with pytest.raises(UsageError, match=r"maps are finite numbers \(h, w\) or \(m, h, w\)"):
        metrics.road(*asked, maps, 0)


def test_areas_and_masks_need_no_network():
    mask = planted_subject().mask
    assert metrics.pointing_game(perfect_map(), mask) == 1
    assert metrics.iou_top_area(mask.astype(float), mask, area=float(mask.mean())) == 1
    assert metrics.energy_in_mask(mask.astype(float), mask) == 1

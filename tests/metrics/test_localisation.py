"""Localisation by hand, against scikit-learn and scikit-image, and undefined where there is nothing to locate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.filters import threshold_otsu

from metrics.samples import explanation, perfect_map, planted_subject, random_map, scores, values
from seewhy.errors import UsageError
from seewhy.methods import Method
from seewhy.methods.task import Found
from seewhy.metrics import find_metric, list_metrics
from seewhy.metrics.localisation import (
    average_precision,
    energy_in_mask,
    fraction_of_maximum,
    iou,
    otsu_area,
    pointing_game,
)

NAMES = [info.name for info in list_metrics() if info.family == "localisation"]
MASK = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool)
VALUES = np.array([[4, 3, 0], [0, 2, -5], [1, 0, 0]], float)


def test_by_hand():
    assert iou(VALUES >= 2, MASK) == pytest.approx(2 / 4)
    assert iou(fraction_of_maximum(VALUES, 0.75), MASK) == pytest.approx(2 / 3)
    assert iou(fraction_of_maximum(VALUES, 0.0), MASK) == pytest.approx(2 / 5), "what is not above 0 never counts"
    assert pointing_game(VALUES, MASK) == 1
    assert pointing_game(-VALUES, MASK) == 0
    assert energy_in_mask(VALUES, MASK) == pytest.approx(7 / 10)
    # Sorted: 4 in, 3 in, 2 out, 1 out, then four zeros together (one in), then −5 out.
    assert average_precision(VALUES, MASK) == pytest.approx((1 + 1 + 3 / 8) / 3)


def test_several_maxima_share_the_point():
    assert pointing_game(np.array([[1, 1], [1, 0]]), np.array([[True, False], [False, False]])) == pytest.approx(1 / 3)


@given(*[arrays.arrays(bool, (4, 5)) for _ in range(2)])
def test_iou_is_symmetric_and_1_for_itself(one, other):
    assert iou(one, other) == iou(other, one)
    assert 0 <= iou(one, other) <= 1
    assert iou(one, one) == 1


def test_otsu_is_scikit_images():
    values_ = np.random.default_rng(0).normal(size=(20, 20)) ** 3
    positive = values_.clip(min=0)
    levels = np.round(positive / positive.max() * 255).astype(np.uint8)
    assert np.array_equal(otsu_area(values_), levels > threshold_otsu(levels))


def test_ties_in_the_top_area_give_chances_share():
    subject = planted_subject()
    flat = np.ones((64, 64))
    share = subject.mask.mean()
    found = [scores("iou-top-area", subject, [flat], seed=seed, area=0.5)[0].value for seed in range(10)]
    expected = 0.5 * share / (0.5 + share - 0.5 * share)
    assert np.mean(found) == pytest.approx(expected, rel=0.1)


@given(st.floats(0.05, 1))
def test_the_mask_as_map_covers_as_much_as_its_area_allows(area):
    subject = planted_subject()
    (found,) = values("iou-top-area", subject, [subject.mask.astype(float)], area=area)
    pixels, inside = round(area * 64**2), subject.mask.sum()
    assert found == pytest.approx(min(pixels, inside) / max(pixels, inside))


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_itself_is_best(name):
    subject = planted_subject()
    maps = [subject.mask.astype(float), perfect_map(), random_map(), 1.0 - subject.mask]
    exact, perfect, chance, outside = values(name, subject, maps)
    assert exact >= perfect > chance > outside or name == "pointing-game"
    assert exact > outside
    if name != "iou-top-area":
        assert exact == 1


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_place_without_a_mask_or_evidence(name):
    subject = planted_subject()
    for masked in (replace(subject, mask=None), replace(subject, mask=np.zeros((64, 64), bool))):
        (found,) = scores(name, masked, [perfect_map()])
        assert found.value is None
        assert "no mask" in found.reason
    for empty in (np.zeros((64, 64)), -random_map()):
        (found,) = scores(name, subject, [empty])
        assert found.value is None
        assert "nothing to locate" in found.reason


class Pointing(Method):
    """Marks the subject for the class that is asked, and another place for any other; blindly, always the subject."""

    name = "pointing"

    def find(self, task):
        subject = planted_subject().mask.astype(np.float32)
        return [Found(subject if each.index == 0 else 1 - subject) for each in task.asked]


class Blind(Pointing):
    name = "blind"
    class_blind = True


del Method.registry["pointing"], Method.registry["blind"]  # no other test is to find them


@pytest.mark.parametrize("name", NAMES)
def test_maps_of_other_classes_are_scored_beside(name):
    subject = planted_subject()
    made = explanation(subject, subject.mask.astype(np.float32))
    beside = {}
    for method in (Pointing(), Blind()):
        asked = replace(subject, methods={made: method})
        (found,) = find_metric(name)(asked, [made], generator=torch.Generator().manual_seed(0))
        beside[type(method)] = found.other_classes
    assert beside[Blind] == found.value, "the same map whatever is asked"
    assert beside[Pointing] < found.value
    (alone,) = scores(name, subject, [subject.mask.astype(float)])
    assert alone.other_classes is None, "nobody said what made the map"


def test_a_map_of_another_class_without_evidence_marks_nothing():
    class Empty(Pointing):
        name = "empty"

        def find(self, task):
            return [Found(np.zeros((64, 64), np.float32)) for _ in task.asked]

    del Method.registry["empty"]
    subject = planted_subject()
    made = explanation(subject, subject.mask.astype(np.float32))
    asked = replace(subject, methods={made: Empty()})
    (found,) = find_metric("energy-in-mask")(asked, [made], generator=torch.Generator().manual_seed(0))
    assert found.other_classes == 0


def test_settings_without_a_meaning_are_refused():
    with pytest.raises(UsageError, match="share of all pixels"):
        values("iou-top-area", planted_subject(), [], area=0)
    with pytest.raises(UsageError, match="maximum"):
        values("iou-maximum", planted_subject(), [], fraction=2)

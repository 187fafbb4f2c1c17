"""Confidence change: formulas by hand, masks by what they leave of a sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import planted
from metrics.samples import perfect_map, planted_subject, random_map, summing, values, white
from seewhy.errors import UsageError
from seewhy.metrics import Context, list_metrics
from seewhy.metrics.confidence import absolute_drop, increase, relative_drop
from seewhy.metrics.context import soft_mask
from seewhy.models.shim import ready_torchvision

NAMES = [info.name for info in list_metrics() if info.name.startswith(("average-drop", "increase-", "drop-"))]


def test_the_formulas_with_two_pictures():
    whole, masked = np.array([0.8, 0.5]), np.array([0.2, 0.6])
    np.testing.assert_allclose(relative_drop(whole, masked), [0.75, 0])
    assert relative_drop(whole, masked).mean() == pytest.approx(0.375), "average drop: 37.5 %"
    np.testing.assert_allclose(absolute_drop(whole, masked), [0.6, 0])
    np.testing.assert_array_equal(increase(whole, masked), [0, 1])


def test_what_was_not_there_cannot_drop():
    np.testing.assert_array_equal(relative_drop(np.array([0.0, 0.0]), np.array([0.0, 0.5])), [0, 0])


@pytest.fixture
def quarters() -> Context:
    """The upper left pixel is worth 0.4, the others 0.2, 0.1 and 0.1."""
    return Context(summing(np.array([[0.4, 0.2], [0.1, 0.1]])), white((2, 2)))


MAP = np.array([[2.0, 1.0], [0.0, -3.0]])  # as a mask 1, ½, 0 and 0

CLOSED_FORMS = {
    "average-drop": 0.3 / 0.8,
    "drop-in-confidence": 0.3,
    "increase-in-confidence": 0,
    "average-drop-removed": 0.5 / 0.8,
    "increase-in-confidence-removed": 0,
    "average-drop-hard": 0.4 / 0.8,
    "increase-in-confidence-hard": 0,
    "average-drop-hard-removed": 0.4 / 0.8,
    "increase-in-confidence-hard-removed": 0,
}


@pytest.mark.parametrize("name", NAMES)
def test_by_hand(quarters, name):
    (found,) = values(name, quarters, [MAP], fill="black")
    assert found == pytest.approx(CLOSED_FORMS[name], abs=1e-4)


def test_an_increase_by_hand():
    against = Context(summing(np.array([[0.5, 0.4], [-0.2, -0.1]])), white((2, 2)))
    (shown,) = values("increase-in-confidence-hard", against, [MAP], fill="black", area=0.5)
    (hidden,) = values("increase-in-confidence-hard-removed", against, [-MAP], fill="black", area=0.5)
    assert shown == hidden == 1, "0.9 without what speaks against it, 0.6 with it"


def test_a_map_of_ones_drops_nothing_and_an_empty_one_everything(quarters):
    ones, empty = np.ones((2, 2)), np.zeros((2, 2))
    assert values("average-drop", quarters, [ones, empty], fill="black") == pytest.approx([0, 1], abs=1e-5)
    assert values("average-drop-removed", quarters, [ones, empty], fill="black") == pytest.approx([1, 0], abs=1e-5)
    assert values("increase-in-confidence", quarters, [ones, empty], fill="black") == [0, 0]


def test_a_hard_mask_shows_the_same_area_whatever_the_ties():
    subject = Context(summing(np.full((20, 20), 0.8 / 400)), white((20, 20)))
    sparse = np.zeros((20, 20))
    sparse.flat[:20] = 1
    for area in (0.02, 0.05, 0.25, 0.9):
        (kept,) = values("average-drop-hard", subject, [sparse], fill="black", area=area)
        (removed,) = values("average-drop-hard-removed", subject, [sparse], fill="black", area=area)
        assert kept == pytest.approx(1 - area, abs=1e-4)
        assert removed == pytest.approx(area, abs=1e-4)
    with pytest.raises(UsageError, match="share of pixels"):
        values("average-drop-hard", subject, [sparse], area=25)


@pytest.mark.parametrize(
    ("name", "oracle"), [("drop-in-confidence", "DropInConfidence"), ("increase-in-confidence", "IncreaseInConfidence")]
)
def test_they_are_those_of_grad_cam(name, oracle):
    ready_torchvision()
    from pytorch_grad_cam.metrics import cam_mult_image
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    subject = planted_subject()
    maps = [perfect_map(), random_map(), 1 - random_map(1) ** 4]
    x = subject.classifier.preprocess([subject.image])
    for each in maps:
        wanted = getattr(cam_mult_image, oracle)()(
            x, soft_mask(each)[None].astype(np.float32), [ClassifierOutputSoftmaxTarget(0)], planted.ColourFinder()
        )
        (found,) = values(name, subject, [each], fill="black")  # black is 0 after this network's normalising
        assert found == pytest.approx(float(wanted[0]), abs=1e-5)


def test_the_average_drop_is_grad_cams_drop_in_relation():
    subject = planted_subject()
    absolute, relative = (values(name, subject, [random_map()])[0] for name in ("drop-in-confidence", "average-drop"))
    with torch.no_grad():
        whole = float(subject.classifier.probabilities([subject.image])[0, 0])
    assert relative == pytest.approx(absolute / whole, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("average")])
def test_perfect_beats_random_beats_inverted(name):
    sign = 1 if name.endswith("removed") else -1
    perfect = perfect_map()
    best, chance, worst = values(name, planted_subject(), [perfect, random_map(), perfect.max() - perfect])
    assert sign * best >= sign * chance >= sign * worst
    assert sign * best > sign * worst

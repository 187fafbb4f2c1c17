"""ADCC and ARCC: harmonic means of their parts."""

from __future__ import annotations

import numpy as np
import pytest

import zoo
from metrics.samples import explanation, seeded
from seewhy.methods import find_method
from seewhy.metrics import Context, find_metric
from seewhy.models import Target


def test_it_is_made_of_its_parts():
    classifier, images, method = zoo.classifier("residual"), zoo.photos(1), find_method("grad-cam", layers=("stem",))
    found = method(classifier, images, [[Target(0), Target(2)]], generator=seeded())
    subject = Context(classifier, images[0], methods=dict.fromkeys(found, method))
    parts = [find_metric(name)(subject, found, generator=seeded()) for name in ("coherency", "area", "average-drop")]
    for whole, coherency, area, drop in zip(
        find_metric("adcc")(subject, found, generator=seeded()), *parts, strict=True
    ):
        np.testing.assert_allclose(whole.curve, [coherency.value, 1 - area.value, 1 - drop.value])
        assert whole.value == pytest.approx(3 / (1 / whole.curve).sum())


def test_without_a_method_there_is_none():
    subject = Context(zoo.classifier("residual"), zoo.photos(1)[0])
    (found,) = find_metric("adcc")(subject, [explanation(subject, np.eye(32))], generator=seeded())
    assert found.value is None
    assert "cannot be made again" in found.reason


def test_arcc_has_twice_road_in_place_of_the_average_drop():
    classifier, images, method = zoo.classifier("residual"), zoo.photos(1), find_method("grad-cam", layers=("stem",))
    found = method(classifier, images, [[Target(0), Target(2)]], generator=seeded())
    subject = Context(classifier, images[0], methods=dict.fromkeys(found, method))
    parts = [find_metric(name)(subject, found, generator=seeded()) for name in ("coherency", "area", "road")]
    wholes = find_metric("arcc")(subject, found, generator=seeded())
    for whole, coherency, area, road in zip(wholes, *parts, strict=True):
        np.testing.assert_allclose(whole.curve, [coherency.value, 1 - area.value, np.clip(2 * road.value, 0, 1)])
        expected = 0 if whole.curve[2] == 0 else 3 / (1 / whole.curve).sum()
        assert whole.value == pytest.approx(expected)

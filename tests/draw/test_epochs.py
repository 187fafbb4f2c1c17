"""Curves of a training."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from seewhy.draw import epochs_svg
from seewhy.draw.charts import EPOCH_ENDS, _labels, _round_up
from seewhy.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"


def drawn(curves, stages, **options):
    return ET.fromstring(epochs_svg(curves, across="epoch", stages=stages, **options))  # noqa: S314 - our own


def test_values_stand_where_they_should():
    found = drawn({"a <b>": [1.0, 0.5, 0.0], "c": [0.25] * 3}, {"all": 3}, top=1.0, width=356, height=162)
    first, second = (line.get("points").split() for line in found.iter(f"{SVG}polyline"))
    assert first == ["94.0,22.0", "194.0,72.0", "294.0,122.0"]
    assert {point.split(",")[1] for point in second} == {"97.0"}
    assert found.find(f".//{SVG}polyline/{SVG}title").text == "a <b>"
    assert found.get("aria-label") == "By epoch: a <b> ends at 0; c ends at 0.25"


def test_stages_are_named_with_a_line_between():
    found = drawn({"a": [1.0] * 4}, {"head": 1, "all": 3})
    texts = [text.text for text in found.iter(f"{SVG}text")]
    assert {"head", "all"} <= {*texts}
    assert len([line for line in found.iter(f"{SVG}line") if line.get("stroke-dasharray")]) == 1
    alone = drawn({"a": [1.0] * 4}, {"all": 4})
    assert "all" not in [text.text for text in alone.iter(f"{SVG}text")]


def test_one_epoch_is_a_dot():
    found = drawn({"a": [0.3]}, {"all": 1})
    assert len(list(found.iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize(
    ("count", "labels"),
    [(1, [1]), (5, [1, 2, 3, 4, 5]), (10, [1, 2, 4, 6, 8, 10]), (40, [1, 5, 10, 15, 20, 25, 30, 35, 40])],
)
def test_some_epochs_are_named(count, labels):
    assert _labels(count) == labels


@pytest.mark.parametrize(("value", "end"), [(0, 1), (0.9, 1), (1.0, 1), (1.3, 1.6), (0.031, 0.04), (7, 8)])
def test_scales_end_round(value, end):
    assert _round_up(value, EPOCH_ENDS) == pytest.approx(end)


@pytest.mark.parametrize("curves", [{"a": []}, {"a": [1.0]}, {"a": [1.0, float("nan")]}])
def test_what_is_no_curve_is_refused(curves):
    with pytest.raises(UsageError):
        epochs_svg(curves, across="epoch", stages={"all": 2})

"""Dots and intervals on one scale."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.draw import Dot, intervals_svg
from seewhy.draw.charts import DOT_NAMES, DOT_RIGHT, _ticks
from seewhy.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"
WIDTH = 560
numbers = st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-6)


def parsed(rows, series=("one",)):
    return ET.fromstring(intervals_svg(rows, series, across="ROAD", width=WIDTH))  # noqa: S314 (our own text)


def test_a_dot_stands_where_its_value_is():
    drawing = parsed({"a": [Dot(0.5, 0.0, 1.0)]})
    (dot,) = drawing.iter(f"{SVG}circle")
    left, right = DOT_NAMES, WIDTH - DOT_RIGHT
    assert float(dot.get("cx")) == pytest.approx((left + right) / 2, abs=0.06)
    (line,) = [each for each in drawing.iter(f"{SVG}line") if each.get("stroke-width") == "2"]
    assert (float(line.get("x1")), float(line.get("x2"))) == (left, right)


def test_every_row_and_series_is_drawn_and_told():
    rows = {"Grad-CAM": [Dot(0.1, 0, 0.2), None], "LIME": [Dot(0.3, 0.2, 0.4), Dot(-0.5, -0.6, -0.4)]}
    drawing = parsed(rows, ("vgg", "resnet"))
    assert len(list(drawing.iter(f"{SVG}circle"))) == 3 + 2  # and the key
    spoken = drawing.get("aria-label")
    assert spoken == (
        "ROAD. Grad-CAM, vgg: 0.1 (0 to 0.2); LIME, vgg: 0.3 (0.2 to 0.4); LIME, resnet: -0.5 (-0.6 to -0.4)"
    )
    words = [each.text for each in drawing.iter(f"{SVG}text")]
    assert {"Grad-CAM", "LIME", "vgg", "resnet", "0", "ROAD"} <= set(words)


def test_one_series_needs_no_key():
    drawing = parsed({"a": [Dot(1, 0.5, 2)]})
    assert len(list(drawing.iter(f"{SVG}circle"))) == 1
    assert drawing.get("aria-label") == "ROAD. a: 1 (0.5 to 2)"


def test_what_has_no_interval_is_told_without_one():
    assert parsed({"a": [Dot(1, 1, 1)]}).get("aria-label") == "ROAD. a: 1"


def test_names_are_escaped_and_cut():
    text = intervals_svg({"<script>" + "x" * 99: [Dot(0, 0, 0)]}, ["&"], across="<b>")
    assert "<script>" not in text
    assert "<b>" not in text
    assert "…" in text


@given(numbers, numbers)
def test_the_scale_encloses_everything_in_few_even_steps(one, other):
    low, high = sorted((one, other))
    ticks = _ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-6)
    assert ticks[0] <= min(low, 0) + slack
    assert ticks[-1] >= max(high, 0) - slack
    assert 2 <= len(ticks) <= 7
    assert 0 in ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (-1, 1, [-1, -0.5, 0, 0.5, 1]), (0, 0, [0, 0.25, 0.5, 0.75, 1][:2])],
)
def test_the_scale_has_round_steps(low, high, ticks):
    assert _ticks(low, high) == pytest.approx(ticks)


def test_minus_is_a_minus_sign():
    assert re.search(">−0.[0-9]", intervals_svg({"a": [Dot(-0.3, -0.4, -0.2)]}, ["m"], across="x"))


@pytest.mark.parametrize("rows", [{}, {"a": [None]}, {"a": [Dot(float("nan"), 0, 1)]}, {"a": [Dot(0, 0, 0)] * 2}])
def test_what_cannot_be_drawn_is_refused(rows):
    with pytest.raises(UsageError):
        intervals_svg(rows, ["one"], across="x")

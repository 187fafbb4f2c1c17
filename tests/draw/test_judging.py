"""Confusion matrices and reliability diagrams."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from seewhy.draw import Confidence, confusion_svg, reliability_svg
from seewhy.draw.charts import PALETTE
from seewhy.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"


def test_rows_are_true_and_columns_predicted():
    found = ET.fromstring(confusion_svg(np.array([[3, 1], [0, 0]]), ["<cat>", "dog"]))  # noqa: S314 - our own
    titles = [title.text for title in found.iter(f"{SVG}title")]
    assert titles == ["<cat>, taken for <cat>: 3", "<cat>, taken for dog: 1", "dog, taken for <cat>: 0",
                      "dog, taken for dog: 0"]  # fmt: skip
    assert found.get("aria-label") == "3 of 4 right; 1 <cat> taken for dog"
    fills = [rect.get("fill") for rect in found.iter(f"{SVG}rect") if rect.get("fill") != "currentColor"]
    assert fills == [PALETTE[0], PALETTE[1]]
    texts = [text.text for text in found.iter(f"{SVG}text")]
    assert [text for text in texts if text[0].isdigit()] == ["3", "75%", "1", "25%"]


def test_many_classes_have_small_cells():
    few, many = (
        ET.fromstring(confusion_svg(np.eye(count, dtype=int), [f"class {n}" for n in range(count)]))  # noqa: S314
        for count in (8, 9)
    )
    assert float(many.get("width")) < float(few.get("width"))


def test_the_diagonal_is_where_confidence_is_true():
    steps = [Confidence(0.5, 0.5, 0.25, 0.75, 4), Confidence(1.0, 0.0, 0.0, 0.25, 1)]
    found = ET.fromstring(reliability_svg(steps, width=272, height=252))  # noqa: S314 - our own
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in found.iter(f"{SVG}circle")]
    assert dots == [(148, 110), (248, 210)]
    sizes = [float(dot.get("r")) for dot in found.iter(f"{SVG}circle")]
    assert sizes[0] > sizes[1]
    bounds = [line for line in found.iter(f"{SVG}line") if line.get("stroke-width")]
    assert [(line.get("y1"), line.get("y2")) for line in bounds] == [("160.0", "60.0"), ("210.0", "160.0")]


def test_nothing_is_refused():
    with pytest.raises(UsageError):
        reliability_svg([])
    with pytest.raises(UsageError):
        confusion_svg(np.zeros((2, 2), int), ["a"])

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.draw import curves_svg
from seewhy.draw.charts import CURVES, PALETTE
from seewhy.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"
WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = CURVES
NASTY = "<script>alert(\"1\") & 'co'</script>"


def drawn(curves, **changes):
    return ET.fromstring(curves_svg(curves, across="of the pixels", up="probability", **changes))  # noqa: S314 (our own)


def points(root):
    """For each curve its points as shares of the field, (0, 0) at the bottom left."""
    found = []
    for line in root.iter(SVG + "polyline"):
        places = np.array([[float(each) for each in pair.split(",")] for pair in line.get("points").split()])
        across = (places[:, 0] - LEFT) / (WIDTH - LEFT - RIGHT)
        up = (HEIGHT - BOTTOM - places[:, 1]) / (HEIGHT - TOP - BOTTOM)
        found.append(np.stack([across, up], 1))
    return found


def ticks(root, anchor):
    return [each.text for each in root.iter(SVG + "text") if each.get("text-anchor") == anchor]


def test_curves_go_where_their_values_say():
    one, other = points(drawn({"up": [0, 0.25, 1], "down": [1, 0.5]}))
    np.testing.assert_allclose(one, [[0, 0], [0.5, 0.25], [1, 1]], atol=5e-4)
    np.testing.assert_allclose(other, [[0, 1], [1, 0.5]], atol=5e-4)


def test_low_curves_fill_the_field_on_one_scale_from_nought():
    root = drawn({"a": [0, 0.13], "b": [0.05, 0.05]})
    assert ticks(root, "end") == ["0", "5.0%", "10.0%", "15.0%", "20.0%"]
    one, other = points(root)
    assert one[1, 1] == pytest.approx(0.13 / 0.2, abs=5e-4)
    np.testing.assert_allclose(other[:, 1], 0.05 / 0.2, atol=5e-4)


@pytest.mark.parametrize(
    ("largest", "top"), [(0.0, "1.0%"), (0.01, "1.0%"), (0.011, "2.0%"), (0.7, "80.0%"), (1.0, "100.0%")]
)
def test_the_scale_ends_at_a_number_that_people_read_easily(largest, top):
    assert ticks(drawn({"a": [0, largest]}), "end")[-1] == top


def test_ticks_stand_where_they_say():
    root = drawn({"a": [0, 1]})
    levels = [float(line.get("y1")) for line in root.iter(SVG + "line") if "stroke-opacity" in line.attrib]
    np.testing.assert_allclose(levels, np.linspace(HEIGHT - BOTTOM, TOP, 5), atol=0.06)
    places = {each.text: float(each.get("x")) for each in root.iter(SVG + "text") if each.text.endswith("%")}
    assert (places["50%"] - LEFT) / (WIDTH - LEFT - RIGHT) == pytest.approx(0.5, abs=1e-3)
    assert ticks(root, "middle") == ["0%", "25%", "50%", "75%", "100%", "of the pixels"]


def test_every_curve_is_in_the_key_in_its_own_stroke():
    names = [f"method {number}" for number in range(20)]
    root = drawn(dict.fromkeys(names, (0.1, 0.2)))
    assert ticks(root, "start") == names
    lines = list(root.iter(SVG + "polyline"))
    keys = [line for line in root.iter(SVG + "line") if "stroke-opacity" not in line.attrib]
    strokes = [(line.get("stroke"), line.get("stroke-dasharray")) for line in lines]
    assert strokes == [(line.get("stroke"), line.get("stroke-dasharray")) for line in keys]
    assert len(set(strokes)) == 20
    assert [stroke for stroke, _ in strokes[: len(PALETTE)]] == list(PALETTE)
    assert [line.find(SVG + "title").text for line in lines] == names


def test_nothing_leaves_the_picture():
    root = drawn({f"m{number}": [-0.2, 0.4, 1.0] for number in range(5)})
    wide, high = map(float, root.get("viewBox").split()[2:])
    for found in points(root):
        assert found.min() >= -5e-4
        assert found.max() <= 1 + 5e-4
    rows = [float(each.get("y")) for each in root.iter(SVG + "text") if each.get("text-anchor") == "start"]
    assert all(after - before >= 15 for before, after in pairwise(rows))
    assert rows[0] > HEIGHT
    assert rows[-1] < high
    assert wide == WIDTH


def test_the_svg_speaks_and_takes_its_colour_from_the_page():
    text = curves_svg({"Grad-CAM": [0, 1], "LIME": [0, 0.5]}, across="of the pixels", up="probability")
    spoken = ET.fromstring(text).get("aria-label")  # noqa: S314 (our own text)
    assert spoken == "probability by of the pixels: Grad-CAM averages 50.0%; LIME averages 25.0%"
    assert set(re.findall("#[0-9a-f]{6}", text)) == set(PALETTE[:2])
    assert 'fill="currentColor"' in text


def test_names_cannot_break_out():
    text = curves_svg({NASTY: [0, 1]}, across=NASTY, up=NASTY)
    root = ET.fromstring(text)  # noqa: S314 (our own text)
    assert "<script" not in text
    assert root.find(f".//{SVG}title").text == NASTY
    assert ticks(root, "start") == [NASTY]
    assert NASTY in root.get("aria-label")


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6), min_size=1, max_size=4))
def test_any_curves_make_a_sound_svg(rows):
    found = points(drawn({str(number): row for number, row in enumerate(rows)}))
    assert [len(each) for each in found] == [len(row) for row in rows]
    assert all(-0.01 <= each.min() <= each.max() <= 1.01 for each in found)


@pytest.mark.parametrize(
    "curves", [{}, {"a": []}, {"a": [0.5]}, {"a": [0, 1], "b": [0, np.nan]}, {"a": [0, np.inf]}], ids=str
)
def test_no_curve_and_broken_curves_are_refused(curves):
    with pytest.raises(UsageError, match="two finite points"):
        drawn(curves)

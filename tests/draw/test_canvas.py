"""One drawing, two back-ends."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import ImageColor

from seewhy.draw.canvas import (
    Circle,
    Drawing,
    Group,
    Line,
    Paint,
    Picture,
    Rect,
    Stroke,
    Text,
    definitions,
    raster,
    svg,
)

SVG = "{http://www.w3.org/2000/svg}"
ORANGE = "#d2641a"
RED = np.full((8, 8, 3), (200, 30, 30), np.uint8)
NASTY = '<b>"&'


def drawing(*shapes) -> Drawing:
    return Drawing(60, 40, NASTY, shapes)


def parsed(*shapes, **options) -> ET.Element:
    return ET.fromstring(svg(drawing(*shapes), **options))  # noqa: S314 - our own


def pixels(*shapes, scale: float = 1.0) -> np.ndarray:
    return np.asarray(raster(drawing(*shapes), scale)).astype(int)


def covered(image: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is not paper."""
    rows, columns = np.nonzero((image < 250).any(2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize("scale", [1, 2])
def test_both_back_ends_put_shapes_in_the_same_places(scale):
    rect, circle = Rect(10, 5, 20, 10, Paint(ORANGE)), Circle(45, 20, 6, Paint(ORANGE))
    (there,) = parsed(rect).iter(f"{SVG}rect")
    assert [float(there.get(side)) for side in ("x", "y", "width", "height")] == [10, 5, 20, 10]
    assert covered(pixels(rect, scale=scale)) == tuple(scale * side for side in (10, 5, 30, 15))
    assert covered(pixels(circle, scale=scale)) == tuple(scale * side for side in (39, 14, 51, 26))
    across = Line([(10, 20.5), (50, 20.5)], Stroke(width=3))
    assert covered(pixels(across, scale=scale)) == pytest.approx([scale * side for side in (10, 19, 50, 22)], abs=1)


def test_paint_has_its_colour_and_shows_the_paper_through():
    assert (pixels(Rect(0, 0, 60, 40, Paint(ORANGE)))[20, 30] == ImageColor.getrgb(ORANGE)).all()
    half = pixels(Rect(0, 0, 60, 40, Paint("#000000", 0.5)))[20, 30]
    assert half == pytest.approx([128] * 3, abs=1)
    (rect,) = parsed(Rect(0, 0, 60, 40, Paint(opacity=0.5))).iter(f"{SVG}rect")
    assert (rect.get("fill"), rect.get("fill-opacity")) == ("currentColor", "0.5")


def test_a_frame_leaves_its_inside_free():
    framed = pixels(Rect(10, 5, 40, 30, stroke=Stroke(ORANGE, width=4), radius=3))
    assert (framed[20, 30] == 255).all()
    assert covered(framed) == (8, 3, 52, 37)
    (rect,) = parsed(Rect(10, 5, 40, 30, stroke=Stroke(ORANGE, width=4))).iter(f"{SVG}rect")
    assert (rect.get("fill"), rect.get("stroke-width")) == ("none", "4")


def test_an_eased_line_starts_and_ends_level_on_both():
    ribbon = Line([(5, 8), (55, 32)], Stroke(width=2), eased=True, attributes={"class": "link", "data_start": NASTY})
    rows, columns = np.nonzero((pixels(ribbon) < 200).any(2))
    middle = [rows[columns == column].mean() for column in (7, 30, 52)]
    assert middle == pytest.approx([8, 20, 32], abs=1.2)
    (path,) = parsed(ribbon).iter(f"{SVG}path")
    assert path.get("d") == "M5.0 8.0C30.0 8.0 30.0 32.0 55.0 32.0"
    assert path.get("data-start") == NASTY


def test_text_stands_on_its_baseline_at_its_anchor():
    for anchor, side in (("start", 0), ("end", 2)):
        assert covered(pixels(Text(30, 20, "HH", 15, anchor)))[side] == pytest.approx(30, abs=2)
        assert covered(pixels(Text(30, 20, "HH", 15, anchor)))[3] == pytest.approx(20, abs=1)
    turned = covered(pixels(Text(30, 20, "HH", 15, turn=90)))
    assert turned[1] == pytest.approx(20, abs=2)  # it runs down
    assert turned[3] - turned[1] > turned[2] - turned[0]
    (text,) = parsed(Text(30, 20, NASTY, 15, "middle", bold=True, turn=-45)).iter(f"{SVG}text")
    assert text.text == NASTY
    assert (text.get("text-anchor"), text.get("font-weight")) == ("middle", "bold")
    assert text.get("transform") == "rotate(-45 30.0 20.0)"


def test_pictures_have_round_corners():
    shown = pixels(Picture(10, 5, 40, 30, RED, "cat"))
    assert shown[20, 30] == pytest.approx([200, 30, 30], abs=1)
    assert (shown[5, 10] > RED[0, 0]).all()
    assert covered(shown) == (10, 5, 50, 35)


def test_a_page_holds_each_picture_once_and_is_led_through_by_groups():
    group = Group([Picture(10, 5, 40, 30, RED, "cat")], NASTY, {"class": "card", "data_key": "1"}, link="1")
    alone = parsed(group)
    assert (alone.get("role"), alone.get("aria-label")) == ("img", NASTY)
    assert len(list(alone.iter(f"{SVG}image"))) == 1
    assert not list(alone.iter(f"{SVG}a"))
    inside = parsed(group, page="p")
    assert (inside.get("role"), inside.get("style")) == ("group", None)
    assert not list(inside.iter(f"{SVG}image"))
    assert [each.get("href") for each in inside.iter(f"{SVG}a")] == ["#group-p-1"]
    (used,) = inside.iter(f"{SVG}use")
    defined = ET.fromstring(definitions(drawing(group), "p"))  # noqa: S314 - our own
    assert [f"#{each.get('id')}" for each in defined.iter(f"{SVG}image")] == [used.get("href")]
    assert inside.find(f".//{SVG}title").text == NASTY


def test_a_file_of_its_own_has_paper_and_ink():
    alone, paged = parsed(Text(5, 20, "a"), alone=True), parsed(Text(5, 20, "a"))
    assert (alone.get("color"), paged.get("color")) == ("#1b1f24", None)
    assert alone.find(f"{SVG}rect").get("fill") == "#ffffff"
    assert paged.find(f"{SVG}rect") is None

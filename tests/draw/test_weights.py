import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageColor

from seewhy.draw import Weight, weight_bars, weight_bars_svg
from seewhy.draw.canvas import font
from seewhy.draw.charts import AGAINST, FOR, SIZE
from seewhy.draw.charts import WEIGHT_ROW as PITCH
from seewhy.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"
TOP = [
    Weight("1", 2.0, 0.25),
    Weight("2=", -1.0, 0.5),
    Weight("2=", 0.9, 0.25),
    Weight("4=", 0.1, 0.2),
    Weight("5", 0.05),
]


def columns(image, color, row):
    """First and last column of a colour along the upper part of a row, above its whiskers."""
    line = np.asarray(image)[row * PITCH + PITCH // 2 - 6]
    found = np.nonzero((line == ImageColor.getrgb(color)).all(-1))[0]
    return found.min(), found.max()


def tree(text):
    return ET.fromstring(text)  # noqa: S314 (our own text)


def whiskers(root):
    """The ends of every level line."""
    lines = [[float(each.get(at)) for at in ("x1", "x2", "y1", "y2")] for each in root.iter(SVG + "line")]
    return [(low, high) for low, high, start, end in lines if start == end]


def test_bars_measure_weights_from_a_common_zero():
    image = weight_bars(TOP, width=600)
    longest, against, shorter = columns(image, FOR, 0), columns(image, AGAINST, 1), columns(image, FOR, 2)
    zero = longest[0]
    assert zero == pytest.approx(against[1], abs=2)
    assert zero == shorter[0]
    assert np.ptp(against) / np.ptp(longest) == pytest.approx(0.5, abs=0.02)
    assert np.ptp(shorter) / np.ptp(longest) == pytest.approx(0.45, abs=0.02)


def test_whiskers_measure_the_margin():
    rects = list(tree(weight_bars_svg(TOP)).iter(SVG + "rect"))
    unit = float(rects[0].get("width")) / 2.0
    ends = whiskers(tree(weight_bars_svg(TOP)))
    wide = [high - low for low, high in ends]
    assert wide == pytest.approx([2 * each.margin * unit for each in TOP if each.margin], abs=0.3)
    tip = float(rects[0].get("x")) + float(rects[0].get("width"))
    assert sum(ends[0]) / 2 == pytest.approx(tip, abs=0.2)


def test_only_a_bar_whose_interval_reaches_zero_is_pale():
    assert [each.sure for each in TOP] == [True, True, True, False, True]
    rects = tree(weight_bars_svg(TOP)).iter(SVG + "rect")
    assert ["fill-opacity" in each.attrib for each in rects] == [False, False, False, True, False]
    pixels = np.asarray(weight_bars([Weight("1", 1.0, 1.0)])).reshape(-1, 3)
    assert not (pixels == ImageColor.getrgb(FOR)).all(-1).any()


@pytest.mark.parametrize("width", [240, 380, 640])
@pytest.mark.parametrize("flip", [1, -1])
def test_nothing_is_cut_off_and_no_words_meet(width, flip):
    weights = [each._replace(value=flip * each.value) for each in TOP]
    root = tree(weight_bars_svg(weights, width=width))
    assert float(root.get("viewBox").split()[2]) == width
    name_end = max(
        float(each.get("x")) + font(SIZE, bold=True).getlength(each.text) for each in list(root.iter(SVG + "text"))[::2]
    )
    number_start = min(
        float(each.get("x")) - font(SIZE).getlength(each.text) for each in list(root.iter(SVG + "text"))[1::2]
    )
    for rect in root.iter(SVG + "rect"):
        assert name_end < float(rect.get("x"))
        assert float(rect.get("x")) + float(rect.get("width")) < number_start
    assert len(whiskers(root)) == 4
    for low, high in whiskers(root):
        assert name_end < low < high < number_start
    assert weight_bars(weights, width=width).size == (width, PITCH * len(weights))


@pytest.mark.parametrize(
    ("unit", "weights", "numbers"),
    [
        ("score", [(2.314, 0.12), (-0.5, 0.1)], ["score +2.31 ± 0.12", "score \N{MINUS SIGN}0.50 ± 0.10"]),
        ("score", [(0.1234, None)], ["score +0.123"]),
        ("value", [(0.01, 0.5882)], ["value +0.01 ± 0.59"]),
        ("value", [(1234.6, None), (0.0, None)], ["value +1235", "value 0"]),
        ("value", [(-1.5e-9, None)], ["value \N{MINUS SIGN}1.5e-09"]),
        ("score", [(0.0, None)], ["score 0"]),
        ("probability", [(0.1234, 0.01), (-0.00321, None)], ["+12.3 ± 1.0 points", "\N{MINUS SIGN}0.3 points"]),
        ("log-odds", [(0.7, None), (-0.7, 0.1)], ["odds ÷ 2.0", "odds × 2.0 (1.8 to 2.2)"]),
        ("", [(2.0, 0.1), (-0.5, None)], ["+100 ± 5%", "\N{MINUS SIGN}25%"]),
        ("", [(0.0, None)], ["0%"]),
    ],
)
def test_numbers_have_units_and_are_as_exact_as_anyone_wants(unit, weights, numbers):
    root = tree(weight_bars_svg([Weight("1", *each, unit) for each in weights]))
    assert [each.text for each in root.iter(SVG + "text")][1::2] == numbers


def test_the_svg_speaks_and_takes_its_colour_from_the_page():
    text = weight_bars_svg(TOP)
    assert tree(text).get("aria-label").startswith("1: +100 ± 12%; 2=: \N{MINUS SIGN}50 ± 25%")
    assert set(re.findall("#[0-9a-f]{6}", text)) == {FOR, AGAINST}


@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "2=", "<&>"]), st.floats(-1e12, 1e12), st.floats(0, 1e12)),
        min_size=1,
        max_size=5,
    )
)
def test_any_weights_make_a_sound_svg(weights):
    root = tree(weight_bars_svg([Weight(*each) for each in weights]))
    assert all(float(rect.get("width")) >= 0 for rect in root.iter(SVG + "rect"))


def test_same_weights_same_pixels():
    assert np.array_equal(weight_bars(TOP), weight_bars(TOP))


def test_nonsense_is_refused():
    with pytest.raises(UsageError, match="at least one"):
        weight_bars([])
    for bad in (Weight("7", float("nan")), Weight("7", 1.0, float("inf"))):
        with pytest.raises(UsageError, match="'7'"):
            weight_bars_svg([bad])

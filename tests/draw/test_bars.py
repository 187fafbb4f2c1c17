import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.core.text import visible
from seewhy.draw import bars, bars_svg, percent
from seewhy.draw.canvas import font
from seewhy.draw.charts import EXPLAINED, MARGIN, SIZE
from seewhy.errors import UsageError

SVG = "{http://www.w3.org/2000/svg}"
TOP = [
    ("tabby, tabby cat", 0.873),
    ("Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen", 0.09),
    ("a very long name with many, many synonyms, Felis silvestris catus domesticus and more", 0.02),
    ("lynx <catamount> & 'co'", 0.0003),
    ("everything", 1.0),
]
ORANGE = [int(EXPLAINED[at : at + 2], 16) for at in (1, 3, 5)]


def orange(image):
    return np.nonzero((np.asarray(image) == ORANGE).all(-1))


def test_bars_measure_the_probability():
    wide = {p: np.ptp(orange(bars([("a", p)], explained=0))[1]) for p in (0.25, 0.5, 1.0)}
    assert wide[0.25] / wide[1.0] == pytest.approx(0.25, abs=0.01)
    assert wide[0.5] / wide[1.0] == pytest.approx(0.5, abs=0.01)


def test_only_the_explained_class_is_highlighted():
    assert orange(bars(TOP))[0].size == 0
    rows = orange(bars(TOP, explained=1))[0]
    assert 10 < np.ptp(rows) < 20
    assert rows.min() > orange(bars(TOP, explained=0))[0].max()


@pytest.mark.parametrize("width", [360, 640, 900])
@pytest.mark.parametrize("explained", [None, *range(5)])
def test_no_word_is_cut(width, explained):
    image = np.array(bars(TOP, explained=explained, width=width))
    assert image.shape[1] == width
    image[MARGIN - 1 : 1 - MARGIN, MARGIN - 1 : 1 - MARGIN] = 255
    assert (image == 255).all()


def test_same_bars_same_pixels():
    assert np.array_equal(bars(TOP, explained=2), bars(TOP, explained=2))


def test_the_svg_stays_inside_its_view_box():
    for explained in (None, 0, 4):
        root = ET.fromstring(bars_svg(TOP, explained=explained, width=500))  # noqa: S314 (our own text)
        wide, high = map(float, root.get("viewBox").split()[2:])
        for group in root.iter(SVG + "g"):
            texts = list(group.iter(SVG + "text"))
            assert len(texts) >= 2
            for text in texts:
                face = font(SIZE, bold=text.get("font-weight") == "bold")
                assert float(text.get("x")) + face.getlength(text.text) <= wide
                assert 0 < float(text.get("y")) < high


def test_the_svg_takes_its_colour_from_the_page():
    text = bars_svg(TOP, explained=0)
    assert 'fill="currentColor"' in text
    assert text.count(EXPLAINED) == 1
    assert not re.search("#[0-9a-f]{3,6}[^;]", text.replace(EXPLAINED, ""))


@given(st.text(max_size=200))
def test_any_name_makes_a_sound_svg(name):
    root = ET.fromstring(bars_svg([(name, 0.5)], explained=0))  # noqa: S314 (our own text)
    title = root.find(f".//{SVG}title").text or ""
    assert title == visible(" ".join(name.split()))


def test_percent_never_claims_certainty():
    shares = [0, 0.0001, 0.0005, 0.25, 0.9994, 0.9999, 1]
    assert [*map(percent, shares)] == ["0.0%", "<0.1%", "0.1%", "25.0%", "99.9%", ">99.9%", "100.0%"]


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), float("inf")])
def test_only_probabilities_are_drawn(bad):
    with pytest.raises(UsageError, match="logits"):
        bars([("a", 0.5), ("b", bad)])


def test_nonsense_is_refused():
    with pytest.raises(UsageError, match="no classes"):
        bars([])
    with pytest.raises(UsageError, match="explained is 5"):
        bars_svg(TOP, explained=5)

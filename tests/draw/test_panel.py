import numpy as np
import pytest

from seewhy.draw import Colors, GridRow, Legend, Tile, grid_html, grid_picture, panel, png_bytes, tile
from seewhy.draw.canvas import font
from seewhy.draw.panel import MARGIN, NARROWEST
from seewhy.errors import ExplainError, UsageError

LONG = "a class with a very long name, a synonym, another synonym and Donaudampfschifffahrtskapitaen " * 3


def photo(height=300, width=400):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def whole(pixels):
    return (0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0]))


def tiles(pixels, count, caption="Grad-CAM"):
    values = np.random.default_rng(1).random((7, 7))
    return [tile(pixels, values, whole(pixels), caption) for _ in range(count)]


def margins_are_clean(image):
    array = np.asarray(image)
    inner = array[MARGIN - 2 : -MARGIN + 2, MARGIN - 2 : -MARGIN + 2]
    return (array == 255).all(-1).sum() - (inner == 255).all(-1).sum() == array[..., 0].size - inner[..., 0].size


@pytest.mark.parametrize("size", [(300, 400), (64, 64), (3000, 200), (200, 3000)])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_nothing_is_cut_off(size, count):
    pixels = photo(*size)
    image = panel(pixels, whole(pixels), tiles(pixels, count, LONG), title=LONG, caption=LONG)
    assert margins_are_clean(image)
    assert image.mode == "RGB"


def test_many_tiles_stand_in_even_rows():
    pixels = photo()
    sizes = [panel(pixels, whole(pixels), tiles(pixels, count), title="x").size for count in (3, 4, 5, 7)]
    four, five, six, eight = sizes
    assert four[0] == eight[0]
    assert five[0] == six[0] < four[0]
    assert five[1] == six[1] == eight[1] > 1.6 * four[1]


def test_the_photo_stands_left_of_the_overlay():
    pixels = photo()
    image = np.asarray(panel(pixels, whole(pixels), tiles(pixels, 1), title="x"))
    rows = [y for y in range(image.shape[0]) if np.array_equal(image[y, MARGIN : MARGIN + 400], pixels[0])]
    assert len(rows) == 1
    assert np.array_equal(image[rows[0] : rows[0] + 300, MARGIN : MARGIN + 400], pixels)


def test_an_empty_map_has_words_and_no_legend():
    pixels = photo()
    empty = tile(pixels, np.zeros((7, 7)), whole(pixels), "Grad-CAM", words="the class has no positive evidence")
    assert empty.legend is None
    assert np.ptp(empty.picture.astype(int), axis=-1).max() <= 12
    assert not np.array_equal(empty.picture, tile(pixels, np.zeros((7, 7)), whole(pixels), "").picture)


def test_the_legend_follows_the_map():
    pixels, values = photo(), np.array([[0.5, -2.0]])
    assert tile(pixels, values, whole(pixels), "x", signed=True).legend == Legend(True, 2.0, 2.0)
    assert tile(pixels, values, whole(pixels), "x").legend == Legend(False, 0.5, 0.5)
    cut = tile(pixels, values, whole(pixels), "x", signed=True, limit=1, colors=Colors(0.5, "PuOr"))
    assert cut.legend == Legend(True, 1.0, 2.0, Colors(0.5, "PuOr"))


def test_the_same_panel_has_the_same_bytes():
    pixels = photo()
    first, second = (
        png_bytes(panel(pixels, whole(pixels), tiles(pixels, 2), title="x", caption="y")) for _ in range(2)
    )
    assert first == second


def test_nonsense_is_refused():
    pixels = photo()
    with pytest.raises(UsageError, match="at least one"):
        panel(pixels, whole(pixels), [], title="x")
    with pytest.raises(ExplainError, match="NaN"):
        tile(pixels, np.full((2, 2), np.nan), whole(pixels), "x")


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("limit", "peak"), [(1.234e-5, 9.876e-3), (12345.6, 7.89e-7), (0.5, 0.5)])
def test_words_of_a_legend_do_not_meet(signed, limit, peak):
    image = np.asarray(Legend(signed, limit, peak).draw(NARROWEST))
    for top, bottom, size in ((14, 32, 13), (33, 50, 11)):
        columns = np.nonzero((image[top:bottom] < 200).any((0, 2)))[0]
        gaps = np.diff(columns)
        words = 1 + (gaps > font(size).getlength("  ") + 2).sum()
        expected = {13: 3 if signed else 2, 11: 2 + (limit != peak)}[size]
        assert words == expected
        assert columns[-1] < NARROWEST


def test_the_bar_shows_the_colours_of_the_overlay():
    grey = np.full((400, 400, 3), 128, np.uint8)
    for signed in (True, False):
        shown = tile(grey, np.full((2, 2), 3.0), whole(grey), "x", signed=signed)
        bar = np.asarray(shown.legend.draw(NARROWEST))
        np.testing.assert_array_equal(bar[5, -1], shown.picture[200, 200])


def test_tiles_may_hold_any_picture():
    pixels = photo()
    image = panel(pixels, whole(pixels), [Tile(photo(900, 900), "segments")], title="x")
    assert margins_are_clean(image)


def test_a_grid_has_a_line_for_each_row_and_nothing_is_cut_off():
    wide, high = photo(200, 400), photo(400, 200)
    rows = [
        GridRow(wide, "a & b", LONG, ((wide, LONG), None)),
        GridRow(high, LONG, "tabby", ((high, ""), (wide, "x"))),
    ]
    image = grid_picture(["Grad-CAM", LONG], rows)
    assert margins_are_clean(image)
    assert image.height > grid_picture(["Grad-CAM", LONG], rows[:1]).height + 280
    html = grid_html(["<x>"], rows, note="more & more")
    assert html.count("<tr>") == 3
    assert html.count("<img") == 2 + 3
    assert "<x>" not in html
    assert "a &amp; b" in html
    assert "more &amp; more" in html
    with pytest.raises(UsageError, match="at least one"):
        grid_picture([], [])


@pytest.mark.parametrize(
    ("unit", "numbers"),
    [
        ("", ("100%", "strongest here 50%", "100%")),
        ("score", ("score \N{MINUS SIGN}2.00", "", "score +2.00")),
        ("probability", ("\N{MINUS SIGN}200 points", "", "+200 points")),
        ("log-odds", ("odds × 7.4", "where hidden", "odds ÷ 7.4")),
    ],
)
def test_no_number_of_a_legend_is_without_a_unit(unit, numbers):
    assert Legend(True, 2.0, 1.0, unit=unit).numbers == numbers
    assert Legend(False, 2.0, 1.0, unit=unit).numbers == (f"0{'%' * (not unit)}", *numbers[1:])
    ends = Legend(True, 2.0, 5.0, unit=unit).numbers
    assert [each.startswith("≥ ") for each in ends] == [True, False, True]


def test_what_is_no_evidence_is_not_called_so():
    assert Legend(False, 1.0, 1.0).words == ("no evidence", "", "strongest evidence")
    assert Legend(False, 1.0, 1.0, evidence=False).words == ("least", "", "most")
    assert Legend(True, 1.0, 1.0, evidence=False).words == ("negative", "0", "positive")

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seewhy.draw.overlay import Colors, blank, blend, fit, overlay, photo, resample
from seewhy.errors import BadImage, ExplainError, UsageError

HEIGHT, WIDTH = 480, 640
WHOLE = (0.0, 0.0, float(WIDTH), float(HEIGHT))


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def flat(value=128, height=HEIGHT, width=WIDTH):
    return np.full((height, width, 3), value, np.uint8)


def chroma(picture):
    return np.ptp(picture.astype(int), axis=-1)


@pytest.mark.parametrize("size", [(7, 7), (5, 9), (30, 40), (224, 224)])
@pytest.mark.parametrize("canvas", [(60, 80), (13, 17)])
def test_resampling_agrees_with_pillow_over_the_whole_canvas(size, canvas):
    values = np.random.default_rng(1).standard_normal(size).astype(np.float32)
    theirs = Image.fromarray(values).resize(canvas[::-1], Image.Resampling.BILINEAR)
    ours = resample(values, (0, 0, canvas[1], canvas[0]), canvas)
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-5)


def literal(values, box, y, x):
    """The value at one pixel: four neighbours, weighted by nearness, one loop at a time."""
    left, top, right, bottom = box
    rows, columns = values.shape
    at_y = min(max((y + 0.5 - top) * rows / (bottom - top) - 0.5, 0), rows - 1)
    at_x = min(max((x + 0.5 - left) * columns / (right - left) - 0.5, 0), columns - 1)
    return sum(
        values[r, c] * max(0, 1 - abs(at_y - r)) * max(0, 1 - abs(at_x - c))
        for r in range(rows)
        for c in range(columns)
    )


@given(st.floats(-8, 10), st.floats(-8, 10), st.floats(6, 30), st.floats(6, 30), st.integers(0, 9))
def test_resampling_into_any_box_agrees_with_the_definition(left, top, wide, high, seed):
    values = np.random.default_rng(seed).standard_normal((4, 5))
    box = (left, top, left + wide, top + high)
    spread = resample(values, box, (20, 24))
    for y, x in [(0, 0), (7, 3), (10, 23), (19, 12)]:
        assert spread[y, x] == pytest.approx(literal(values, box, y, x), abs=1e-5)


@settings(max_examples=40)
@given(st.integers(0, 6), st.integers(0, 6), st.floats(0, 200), st.floats(0, 150), st.floats(210, 320))
def test_a_hot_cell_lands_where_the_view_puts_it(row, column, left, top, side):
    values = np.zeros((7, 7))
    values[row, column] = 1
    view = (left, top, left + side, top + side)
    ink = chroma(overlay(flat(), values, view)).astype(float)
    ys, xs = np.nonzero(ink > 0.85 * ink.max())
    # At the rim the tent goes on flat to the edge of the view: half a cell wider, a quarter of a cell off.
    slack = 1 + side / 7 / 4 if {row, column} & {0, 6} else 1
    assert abs(ys.min() + ys.max() + 1 - 2 * (top + (row + 0.5) * side / 7)) <= 2 * slack
    assert abs(xs.min() + xs.max() + 1 - 2 * (left + (column + 0.5) * side / 7)) <= 2 * slack


def test_view_geometry_survives_the_change_of_size():
    values = np.zeros((7, 7))
    values[2, 4] = 1
    large = overlay(flat(height=1800, width=2400), values, (600, 300, 1800, 1500), longest=800)
    assert large.shape == (600, 800, 3)
    ys, xs = np.nonzero(chroma(large) > 0.9 * chroma(large).max())
    assert ys.mean() + 0.5 == pytest.approx((300 + 1200 * 2.5 / 7) / 3, abs=1)
    assert xs.mean() + 0.5 == pytest.approx((600 + 1200 * 4.5 / 7) / 3, abs=1)


@pytest.mark.parametrize("signed", [True, False])
def test_outside_the_view_all_is_grey_and_darker(pixels, signed):
    values = np.random.default_rng(2).random((7, 7)) + 0.1
    picture = overlay(pixels, values, (100, 50, 500, 450), signed=signed)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[50:450, 100:500] = False
    assert chroma(picture)[outside].max() == 0
    assert (chroma(picture)[50:450, 100:500] > 0).mean() > 0.9
    assert picture[:40].mean() < pixels[:40].mean()
    assert (picture[49, 100:500] == 255).all()
    assert (picture[48, 100:500] == 0).all()


def test_a_view_of_the_whole_photo_has_no_frame(pixels):
    assert np.array_equal(photo(pixels, WHOLE), pixels)
    assert np.array_equal(photo(pixels, (-30, -30, WIDTH + 30, HEIGHT + 30)), pixels)


def test_the_photo_keeps_every_pixel_inside_its_frame(pixels):
    marked = photo(pixels, (100, 50, 500, 450))
    assert np.array_equal(marked[50:450, 100:500], pixels[50:450, 100:500])


@pytest.mark.parametrize("signed", [True, False])
def test_the_photo_shows_where_there_is_no_evidence(pixels, signed):
    bare = blend(pixels, np.zeros((HEIGHT, WIDTH)), signed=signed, colors=Colors(cmap="jet")).astype(float)
    full = blend(pixels, np.ones((HEIGHT, WIDTH)), signed=signed, colors=Colors(opacity=1)).astype(float)
    luma = pixels @ [0.299, 0.587, 0.114]
    assert np.corrcoef(bare.mean(-1).ravel(), luma.ravel())[0, 1] > 0.97
    assert full.std(axis=(0, 1)).max() < bare.std(axis=(0, 1)).max()


def test_more_evidence_leaves_less_of_the_photo():
    dark, bright = (np.full((1, 50, 3), value, np.uint8) for value in (20, 235))
    ramp = np.linspace(0, 1, 50)[None]
    contrast = np.abs(blend(bright, ramp, signed=False).astype(int) - blend(dark, ramp, signed=False)).sum(-1)[0]
    assert (np.diff(contrast) <= 3).all()
    assert contrast[-1] < contrast[0] / 3


def test_equal_values_look_equal_on_either_side_of_zero():
    picture = blend(flat(height=1, width=3), np.array([[-0.5, 0, 0.5]]), signed=True).astype(int)[0]
    against, nothing, found = picture
    assert np.ptp(nothing) == 0
    assert against[2] > against[0]
    assert found[0] > found[2]
    assert abs(against @ [0.2126, 0.7152, 0.0722] - found @ [0.2126, 0.7152, 0.0722]) < 8


@pytest.mark.parametrize("signed", [True, False])
def test_a_map_without_evidence_is_labelled_not_coloured(pixels, signed):
    picture = overlay(pixels, np.zeros((7, 7)), WHOLE, signed=signed)
    assert np.array_equal(picture, blank(pixels, WHOLE))
    plate = picture[HEIGHT // 2 - 30 : HEIGHT // 2 + 30]
    assert (plate == 255).all(-1).sum() > 100
    assert chroma(picture[:150]).max() == 0


@pytest.mark.parametrize("size", [(640, 40), (24, 640), (300, 300), (2000, 90), (30, 3000)])
def test_the_words_of_an_empty_map_are_never_cut(size):
    picture = blank(flat(60, *size), (0, 0, size[1], size[0]), "this layer is dead: no evidence found")
    ys, xs = np.nonzero((picture >= 250).all(-1))
    assert ys.size > 20
    assert ys.min() > 0
    assert ys.max() < picture.shape[0] - 1
    assert xs.min() > 0
    assert xs.max() < picture.shape[1] - 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((3000, 4000), (675, 900)),
        ((64, 64), (450, 450)),
        ((500, 700), (500, 700)),
        ((1, 5000), (1, 900)),
        ((1, 1), (450, 450)),
    ],
)
def test_photos_are_shown_at_a_sensible_size(size, shown):
    assert fit(flat(1, *size)).shape == (*shown, 3)


def test_the_pixels_of_a_small_picture_stay_squares():
    small = np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)
    shown = fit(small)
    assert shown.shape == (450, 450, 3)
    middles = ((np.arange(28) + 0.5) * 450 / 28).astype(int)
    assert np.array_equal(shown[middles][:, middles], small)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == len(np.unique(small.reshape(-1, 3), axis=0))


def test_same_input_same_picture(pixels):
    values = np.random.default_rng(3).standard_normal((224, 224))
    first, second = (overlay(pixels, values, (3.3, 4.7, 400.2, 380.9), signed=True) for _ in range(2))
    assert np.array_equal(first, second)


def test_inputs_are_left_alone(pixels):
    values, kept = np.ones((3, 3)), pixels.copy()
    overlay(pixels, values, WHOLE)
    assert np.array_equal(pixels, kept)
    assert (values == 1).all()


def test_nonsense_is_refused(pixels):
    with pytest.raises(ExplainError, match="NaN"):
        overlay(pixels, np.full((3, 3), np.nan), WHOLE)
    for view in [(0, 0, 0, 10), (700, 0, 800, 100), (0, 0, np.nan, 10), (30, 30, 20, 40)]:
        with pytest.raises(UsageError, match="view"):
            overlay(pixels, np.ones((3, 3)), view)
    with pytest.raises(BadImage, match="uint8"):
        overlay(pixels / 255, np.ones((3, 3)), WHOLE)

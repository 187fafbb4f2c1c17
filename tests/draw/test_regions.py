from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.draw import Legend, blank, kept_overlay, photo, region_overlay
from seewhy.draw.overlay import FINE, NO_REGION, _widest, spread
from seewhy.errors import ExplainError, UsageError

SIZE = 240
WHOLE = (0.0, 0.0, float(SIZE), float(SIZE))
QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((8, 8), int))
MIDDLES = {0: (60, 60), 1: (60, 180), 2: (180, 60), 3: (180, 180)}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def flat(value=128, height=SIZE, width=SIZE):
    return np.full((height, width, 3), value, np.uint8)


def drawn(pixels, labels, weights, view=WHOLE, **options):
    return region_overlay(pixels, labels, np.asarray(weights, float), view, longest=SIZE, **options)


def kept(pixels, labels, keep, view=WHOLE):
    return kept_overlay(pixels, labels, np.asarray(keep, bool), view, longest=SIZE)


def chroma(picture):
    return np.ptp(picture.astype(int), axis=-1)


def patchwork(size=24, count=40, seed=0):
    """Regions nearest to random seeds, and some of a single cell."""
    rng = np.random.default_rng(seed)
    seeds = rng.random((count, 2)) * size
    grid = np.stack(np.mgrid[:size, :size], -1)[:, :, None]
    labels = ((grid - seeds) ** 2).sum(-1).argmin(-1)
    for cell in rng.integers(0, size, (10, 2)):
        labels[tuple(cell)] = labels.max() + 1
    return np.unique(labels, return_inverse=True)[1].reshape(size, size)


@settings(max_examples=30)
@given(st.floats(-30, 60), st.floats(-30, 60), st.floats(50, 150), st.floats(50, 150), st.integers(4, 16))
def test_a_straight_border_lies_where_the_view_puts_it(left, top, wide, high, cut):
    labels = np.zeros((20, 20), int)
    labels[:, cut:] = 1
    regions = spread(labels, (left, top, left + wide, top + high), (80, 90))
    border = left + wide * cut / 20
    x, y = (np.arange(FINE * size) / FINE + 0.5 / FINE for size in (90, 80))
    inside = (x > left + 1) & (x < left + wide - 1)
    rows = regions[(y > top + 1) & (y < top + high - 1)]
    assert (rows[:, inside & (x < border - 1)] == 0).all()
    assert (rows[:, inside & (x > border + 1)] == 1).all()
    assert (rows[:, (x < left - 1) | (x > left + wide + 1)] == NO_REGION).all()


@pytest.mark.parametrize("seed", range(3))
def test_spreading_moves_no_border_by_more_than_a_cell_and_leaves_no_gap(seed):
    labels, zoom = patchwork(seed=seed), 6
    regions = spread(labels, (0, 0, 24 * zoom, 24 * zoom), (24 * zoom, 24 * zoom))
    padded = np.pad(labels, 1, mode="edge")
    near = np.stack([padded[dy : dy + 24, dx : dx + 24] for dy, dx in product(range(3), repeat=2)])
    near = near.repeat(FINE * zoom, 1).repeat(FINE * zoom, 2)
    assert (near == regions).any(0).all()
    assert set(np.unique(regions)) == set(np.unique(labels))
    assert (labels.repeat(FINE * zoom, 0).repeat(FINE * zoom, 1) == regions).mean() > 0.85


def test_numbers_that_no_cell_bears_do_no_harm(pixels):
    assert np.array_equal(
        drawn(pixels, QUARTERS * 2, [1, 9, -1, 9, 0.5, 9, 0, 9], limit=1), drawn(pixels, QUARTERS, [1, -1, 0.5, 0])
    )


def test_a_region_has_the_colour_that_the_legend_gives_its_weight():
    picture = drawn(flat(), QUARTERS, [2, 1, 0, -2])
    bar = np.asarray(Legend(True, 2.0, 2.0).draw(401))[5]
    for region, place in zip(range(4), (400, 300, 200, 0), strict=True):
        np.testing.assert_allclose(picture[MIDDLES[region]].astype(int), bar[place].astype(int), atol=1)


def test_orange_is_for_blue_is_against_and_nothing_is_clear():
    picture = drawn(flat(), QUARTERS, [1, -1, 0.1, 0]).astype(int)
    found, against, weak, nothing = (picture[MIDDLES[region]] for region in range(4))
    assert found[0] > found[2] + 50
    assert against[2] > against[0] + 50
    assert 0 < weak[0] - weak[2] < found[0] - found[2]
    assert np.ptp(nothing) == 0


def test_one_scale_for_several_pictures():
    alone, shared = (drawn(flat(), QUARTERS, [1, 0, 0, 0], limit=limit) for limit in (None, 4.0))
    assert chroma(shared)[MIDDLES[0]] < chroma(alone)[MIDDLES[0]]


def dark(picture):
    return (picture < 80).all(-1)


def test_named_regions_alone_are_outlined_darkly():
    picture = drawn(flat(200), QUARTERS, [1, 1, 1, 1], names={0: "1"})
    line = dark(picture)
    assert line[10:110, 118:122].any(1).all()
    assert line[118:122, 10:110].any(0).all()
    assert not line[130:].any()
    assert not line[:, 130:].any()
    assert not dark(drawn(flat(200), QUARTERS, [1, 1, 1, 1])).any()


def test_other_borders_show_thinly():
    picture = drawn(flat(60), QUARTERS, [1, 1, 1, 1]).astype(int)
    across = picture[60].sum(-1)
    assert across[119:122].max() > across[60] + 30
    assert np.ptp(across[:117]) == np.ptp(across[123:]) == 0


def test_a_name_stands_inside_its_region():
    labels = np.zeros((24, 24), int)
    labels[4:20, 2:10] = 1
    picture = drawn(flat(), labels, [0.1, -1], names={1: "2="})
    ys, xs = np.nonzero((picture == 255).all(-1))
    assert 40 < ys.min() < ys.max() < 200
    assert 20 < xs.min() < xs.max() < 100
    assert ys.mean() == pytest.approx(120, abs=40)
    assert xs.mean() == pytest.approx(60, abs=5)


@pytest.mark.parametrize("corner", [(0, 0), (0, 23), (23, 0), (23, 23)])
def test_a_name_at_the_rim_is_not_cut(corner):
    labels = np.zeros((24, 24), int)
    labels[corner] = 1
    xs = np.nonzero((drawn(flat(), labels, [0, 1], names={1: "10="}) == 255).all(-1))[1]
    assert xs.min() >= 0
    assert np.ptp(xs) >= 24


def test_the_widest_place_agrees_with_a_search_of_every_circle():
    mask = spread(patchwork(), (0, 0, 24, 24), (24, 24)) == 3
    y, x, radius = _widest(mask)
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    reach = {tuple(inner): np.hypot(*(outside - inner).T).min() for inner in np.argwhere(mask)}
    assert radius == pytest.approx(reach[int(y), int(x)])
    assert radius > max(reach.values()) - FINE


def test_the_name_of_a_bar_stands_in_its_middle():
    y, x, _ = _widest(np.ones((9, 101), bool))
    assert (y, x) == pytest.approx((4.5, 50.5), abs=2)


def test_what_is_kept_is_the_photo_itself_and_the_rest_is_grey(pixels):
    picture = kept(pixels, QUARTERS, [1, 0, 0, 1])
    for inside, outside in (((4, 114), (124, 236)), ((124, 236), (4, 114))):
        assert np.array_equal(
            picture[inside[0] : inside[1], inside[0] : inside[1]], pixels[inside[0] : inside[1], inside[0] : inside[1]]
        )
        assert chroma(picture)[inside[0] : inside[1], outside[0] : outside[1]].max() <= 1
    assert picture[:114, 126:].min() >= 105


def test_the_border_of_what_is_kept_is_crisp_also_on_a_dark_photo():
    for value in (0, 255):
        row = kept(flat(value), QUARTERS, [1, 0, 1, 0])[60].astype(int).sum(-1)
        assert np.abs(np.diff(row)).max() > 150


def test_all_or_nothing_kept(pixels):
    assert np.array_equal(kept(pixels, QUARTERS * 0, [True]), pixels)
    assert np.array_equal(kept(pixels, QUARTERS * 0, [False]), kept(pixels, QUARTERS, [False] * 4))
    assert chroma(kept(pixels, QUARTERS, [False] * 4)).max() <= 1


def test_off_the_view_all_is_framed_as_ever(pixels):
    view = (40.0, 20.0, 200.0, 180.0)
    outside = np.ones((SIZE, SIZE), bool)
    outside[18:182, 38:202] = False
    for picture in (drawn(pixels, QUARTERS, [1, -1, 1, 0], view), kept(pixels, QUARTERS, [1, 1, 0, 0], view)):
        assert chroma(picture)[outside].max() == 0
    assert np.array_equal(
        kept(pixels, QUARTERS * 0, [1], view)[25:175, 45:195], photo(pixels, view, longest=SIZE)[25:175, 45:195]
    )


def test_weights_without_evidence_are_labelled_not_coloured(pixels):
    assert np.array_equal(drawn(pixels, QUARTERS, [0] * 4), blank(pixels, WHOLE, longest=SIZE))
    assert np.array_equal(drawn(pixels, QUARTERS, [-1] * 4, signed=False), blank(pixels, WHOLE, longest=SIZE))


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 3), (16, 16)])
def test_photos_of_any_shape(size):
    view = (0.0, 0.0, float(size[1]), float(size[0]))
    names = {region: f"{region}=" for region in range(5)}
    labels = patchwork()
    picture = drawn(flat(90, *size), labels, np.linspace(-1, 1, labels.max() + 1), view, names=names)
    assert picture.shape == kept(flat(90, *size), labels, np.arange(labels.max() + 1) % 2, view).shape
    assert SIZE / 2 <= max(picture.shape[:2]) <= SIZE


def test_same_input_same_picture_and_inputs_are_left_alone(pixels):
    labels, weights = patchwork(), np.random.default_rng(1).standard_normal(60)
    copies = pixels.copy(), labels.copy(), weights.copy()
    first, second = (drawn(pixels, labels, weights, names={3: "1", 5: "2="}) for _ in range(2))
    assert np.array_equal(first, second)
    assert all(map(np.array_equal, copies, (pixels, labels, weights)))


def test_nonsense_is_refused(pixels):
    with pytest.raises(ExplainError, match="NaN"):
        drawn(pixels, QUARTERS, [1, np.nan, 1, 1])
    with pytest.raises(UsageError, match="view"):
        drawn(pixels, QUARTERS, [1] * 4, (0, 0, 0, 0))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_what_is_kept_differs_from_what_is_not_on_any_ground(value):
    picture = kept(flat(value), QUARTERS, [1, 0, 0, 0]).astype(int)
    inside, outside = (picture[MIDDLES[region]].mean() for region in (0, 3))
    assert inside == value
    assert abs(inside - outside) >= 25 or value == 128
    assert outside < 205, "nothing that is not kept is white"

"""Regions: valid for every picture, the same every time, and LIME's where LIME's are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.engines import SEGMENTERS, segment
from seewhy.errors import UnknownName, UsageError
from seewhy.images import open_image, samples
from seewhy.models import Preprocessing

SEEDED = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
PICTURES = {
    "noise": SEEDED,
    "one colour": np.full((40, 56, 3), 128, np.uint8),
    "black": np.zeros((64, 64, 3), np.uint8),
    "halves": np.repeat([[0], [255]], 32, axis=0)[:, :, None] * np.ones((1, 48, 3), np.uint8),
    "tall": SEEDED[:, :9],
}

everywhere = pytest.mark.parametrize("how", [name for name, each in SEGMENTERS.items() if each.cut])


def consecutive(labels: np.ndarray) -> bool:
    return np.array_equal(np.unique(labels), np.arange(labels.max() + 1))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    seen = Preprocessing().pixels([open_image(next(iter(samples().values())))])[0]
    return seen.permute(1, 2, 0).numpy()


@everywhere
@pytest.mark.parametrize("picture", PICTURES)
def test_every_pixel_of_any_picture_has_a_region_and_no_number_is_left_out(how, picture):
    pixels = PICTURES[picture].astype(np.uint8)
    labels = segment(pixels, how)
    assert labels.dtype == np.int32
    assert labels.shape == pixels.shape[:2]
    assert consecutive(labels)


@everywhere
def test_the_same_photo_is_cut_the_same_again_as_bytes_or_floats(how, photo):
    labels = segment(photo, how)
    assert labels.max() > 1
    assert np.array_equal(labels, segment(photo, how))
    assert np.array_equal(labels, segment(np.rint(photo * 255).astype(np.uint8), how))


def test_quickshift_owes_nothing_to_global_randomness(photo):
    np.random.seed(1)  # noqa: NPY002  what LIME would be swayed by
    first = segment(photo)
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(segment(photo), first)


def test_quickshift_cuts_a_photo_as_lime_does(photo):
    from lime.wrappers.scikit_image import SegmentationAlgorithm

    theirs = SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2)(photo.astype(np.float64))
    # Ties are broken at random, and LIME cannot be told how; a photo has few of them.
    assert (segment(photo) == theirs).mean() > 0.99


@given(st.integers(1, 40), st.integers(1, 40), st.data())
@settings(max_examples=50)
def test_a_grid_has_all_its_cells_in_reading_order_and_nearly_of_one_size(height, width, data):
    cells = data.draw(st.integers(1, min(height, width)))
    labels = segment(np.zeros((height, width, 3), np.uint8), "grid", cells=cells)
    rows = [(y * cells) // height for y in range(height)]
    columns = [(x * cells) // width for x in range(width)]
    assert labels.tolist() == [[row * cells + column for column in columns] for row in rows]
    assert consecutive(labels)
    for sides in (rows, columns):
        sizes = np.bincount(sides)
        assert sizes.max() - sizes.min() <= 1


def test_options_reach_the_segmenter(photo):
    assert segment(photo, "slic", n_segments=10).max() < segment(photo, "slic", n_segments=100).max()
    assert segment(photo, "watershed", markers=10).max() < segment(photo, "watershed", markers=100).max()


def test_regions_follow_the_edges_of_a_picture():
    halves = PICTURES["halves"].astype(np.uint8)
    for how in ("quickshift", "slic", "felzenszwalb"):
        above, below = np.split(segment(halves, how), 2)
        assert not set(above.ravel()) & set(below.ravel()), how


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
def test_regions_of_ones_own_are_numbered_in_order(dtype):
    own = np.array([[7, 7, 3], [200, 3, 7]], dtype)
    assert segment(np.zeros((2, 3, 3), np.uint8), own).tolist() == [[1, 1, 0], [2, 0, 1]]


def test_negative_numbers_are_regions_too():
    assert segment(np.zeros((1, 3, 3), np.uint8), np.array([[-1, 0, -5]])).tolist() == [[1, 2, 0]]


@pytest.mark.parametrize("own", [np.zeros((3, 2), int), np.zeros((2, 3)), np.zeros((2, 3, 1), int)])
def test_regions_that_do_not_fit_are_refused(own):
    with pytest.raises(UsageError, match=r"\(2, 3\)"):
        segment(np.zeros((2, 3, 3), np.uint8), own)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="quickshift"):
        segment(SEEDED, "quickshit")


def test_a_grid_finer_than_the_picture_is_refused():
    with pytest.raises(UsageError, match="does not fit"):
        segment(SEEDED, "grid", cells=41)

"""Masks: matched to pictures by path or stem, opened as areas, and compared."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seewhy.errors import UsageError
from seewhy.images import Box, Folder, iou, match_masks, open_image, open_mask, top_area


@pytest.fixture
def folder(tmp_path):
    """A folder below which small pictures of these names lie."""

    def write(*names, size=(6, 4)):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.new("L", size).save(path)
        return tmp_path

    return write


def names(found, root):
    return {str(picture): mask.relative_to(root).as_posix() for picture, mask in found.items()}


def test_pictures_in_sub_folders_take_the_masks_of_theirs(folder):
    root = folder("m/a/x.png", "m/b/x.png", "p/a/x.jpg", "p/b/x.jpg")
    expected = {"a/x.jpg": "a/x.png", "b/x.jpg": "b/x.png"}
    assert names(match_masks(["a/x.jpg", "b/x.jpg"], root / "m"), root / "m") == expected
    paths = [root / "p/a/x.jpg", root / "p/b/x.jpg"]
    assert list(names(match_masks(paths, root / "m"), root / "m").values()) == list(expected.values())
    assert match_masks(paths[1:], root / "m") == {paths[1]: root / "m/b/x.png"}
    study = Folder.open(root / "p", root / "m")
    assert [entry.mask for entry in study.entries] == [root / "m/a/x.png", root / "m/b/x.png"]


def test_the_path_comes_before_the_stem(folder):
    root = folder("m/x.png", "m/deep/a/x.png", "m/other/y.gif")
    found = names(match_masks(["x.jpg", "photos/deep/a/x.jpg", "y.v2.jpg", "y.jpg"], root / "m"), root / "m")
    assert found == {"x.jpg": "x.png", "photos/deep/a/x.jpg": "deep/a/x.png", "y.jpg": "other/y.gif"}


@pytest.mark.parametrize(
    ("masks", "pictures"),
    [
        (["x.png", "x.gif"], ["x.jpg"]),
        (["a/x.png", "b/x.png"], ["c/x.jpg"]),
        (["x.png"], ["a/x.jpg", "b/x.jpg"]),
        (["a/x.png"], ["a/x.jpg", "a/x.png"]),
    ],
)
def test_a_mask_that_may_be_meant_otherwise_is_refused(folder, masks, pictures):
    root = folder(*masks)
    with pytest.raises(UsageError, match=r"unclear which mask in .* fits .*x\.jpg"):
        match_masks(pictures, root)


def test_no_folder_and_no_fitting_mask_are_refused(folder):
    root = folder("z.png")
    with pytest.raises(UsageError, match=r"the mask of x\.jpg would be called x\.png"):
        match_masks(["x.jpg"], root)
    with pytest.raises(UsageError, match="there is no folder"):
        match_masks(["z.jpg"], root / "z.png")


def test_a_mask_has_the_size_of_its_picture(folder):
    root = folder("tall.png", size=(4, 6))
    picture = open_image(root / "tall.png")
    assert open_mask(root / "tall.png", picture).shape == (6, 4)
    wide = folder("wide.png") / "wide.png"
    with pytest.raises(UsageError, match=r"wide\.png is 6 × 4, its picture tall\.png is 4 × 6"):
        open_mask(wide, picture)


def test_iou_by_hand():
    one, other = np.zeros((2, 5, 4), bool)
    assert iou(one, other) == 1, "two empty areas are equal"
    one[:2] = True
    assert iou(one, other) == 0
    other[1:3] = True
    assert iou(one, other) == iou(other, one) == pytest.approx(1 / 3)


maps = arrays.arrays(np.float64, (4, 5), elements=st.integers(0, 3))


@given(maps, st.integers(0, 20), st.integers(0, 99))
def test_the_top_area_is_exact_and_holds_the_highest(values, count, seed):
    ties = np.random.default_rng(seed).permutation(20).reshape(4, 5)
    area = top_area(values, count / 20, ties)
    assert area.sum() == count
    inside = sorted(zip(values[area], ties[area], strict=True))
    outside = sorted(zip(values[~area], ties[~area], strict=True))
    assert not inside or not outside or inside[0] > outside[-1]


@given(maps, st.integers(0, 20))
def test_without_an_order_of_ties_the_first_are_taken(values, count):
    area = top_area(values, count / 20)
    first = np.argsort(-values.ravel(), kind="stable")
    assert set(np.flatnonzero(area)) == set(first[:count])


def test_a_box_is_as_wide_as_its_edges_are_apart():
    box = Box(1.5, -2.0, 7.25, 5.5)
    assert (box.width, box.height) == (5.75, 7.5)

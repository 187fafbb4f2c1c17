"""Masks: matched to pictures by path or stem, opened as areas, and compared."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seewhy.errors import UsageError
from seewhy.images import Box, Folder, iou, match_masks, noted, open_image, open_mask, read_mask, top_area


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


# --- How files are read -------------------------------------------------------------------------------------------

OBJECT = np.zeros((12, 16), bool)
OBJECT[3:9, 4:12] = True
FULL = (OBJECT * 255).astype(np.uint8)
BORDER = np.zeros_like(OBJECT)
BORDER[2:10, 3:13] = True
BORDER &= ~OBJECT
TWO = np.where(OBJECT, np.where(np.arange(16) < 8, 1, 15), 0).astype(np.uint8)
RNG = np.random.default_rng(0)
SOFT = np.asarray(PIL.Image.fromarray(FULL).resize((48, 36), PIL.Image.Resampling.BICUBIC).resize((16, 12)))


def voc(numbers):
    """A palette as Pascal VOC has it: black, dark red, … and cream for the borders."""
    picture = PIL.Image.fromarray(numbers).convert("P")
    picture.putpalette([0, 0, 0, 128, 0, 0, *[60] * 39, 192, 128, 128, *[70] * 717, 224, 224, 192])
    return picture


def colours(numbers):
    return voc(numbers).convert("RGB")


def layers(*parts):
    return PIL.Image.fromarray(np.dstack(parts), {2: "LA", 4: "RGBA"}[len(parts)])


READ = {
    "white": (FULL, ""),
    "ones": (OBJECT.astype(np.uint8), ""),
    "one bit": (OBJECT, ""),
    "16 bits": (FULL.astype(np.uint16) * 257, ""),
    "12 of 16 bits": (FULL.astype(np.uint16) * 16, ""),
    "soft": (SOFT, ""),
    "red": (np.dstack([FULL, FULL * 0, FULL * 0]), ""),
    "soft red": (np.dstack([SOFT, SOFT * 0, SOFT * 0]), ""),
    "white brush": (layers(*[FULL * 0 + 255] * 3, FULL), "alpha"),
    "black brush": (layers(*[FULL * 0] * 3, FULL), "alpha"),
    "soft brush": (layers(*[FULL * 0 + 40] * 3, SOFT), "alpha"),
    "hidden colours differ": (layers(FULL, FULL * 0, FULL, FULL), "alpha"),
    "grey and alpha": (layers(FULL * 0 + 255, FULL), "alpha"),
    "half opaque": (layers(*[FULL * 0 + 255] * 3, FULL // 2), "alpha"),
    "cut-out of a photo": (layers(*RNG.integers(1, 256, (3, 12, 16), np.uint8), FULL), "alpha"),
    "white and black brushes": (layers(*[FULL] * 3, np.where(OBJECT | BORDER, 255, 0).astype(np.uint8)), "bright and"),
    "opaque": (layers(*[FULL] * 3, FULL * 0 + 255), ""),
    "opaque grey and alpha": (layers(FULL, FULL * 0 + 255), ""),
    "palette in grey": (PIL.Image.fromarray(FULL).convert("P"), ""),
    "palette with a hole": (PIL.Image.fromarray(TWO).convert("P"), "15"),
    "numbers": (TWO, "all but 0 are the object (1, 15)"),
    "numbers of 16 bits": (TWO.astype(np.uint16) * 1700, "(1700, 25500)"),
    "numbers and void": (np.where(BORDER, np.uint8(255), TWO), "left out"),
    "one number and void": (np.where(BORDER, np.uint8(255), OBJECT * np.uint8(15)), "left out"),
    "palette of classes": (voc(TWO), "(1, 15)"),
    "palette of classes and void": (voc(np.where(BORDER, np.uint8(255), TWO)), "left out"),
    "colours of classes": (colours(TWO), "colours of classes"),
    "colours of classes and void": (colours(np.where(BORDER, np.uint8(255), TWO)), "left out"),
    "trimap": (np.where(OBJECT, 1, np.where(BORDER, 3, 2)).astype(np.uint8), "trimap"),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_a_mask_is_the_object_however_it_was_exported(tmp_path, name, kind):
    given, words = READ[name]
    picture = given if isinstance(given, PIL.Image.Image) else PIL.Image.fromarray(given)
    picture.save(tmp_path / f"mask.{kind}")
    photo = open_image(np.zeros((12, 16, 3), np.uint8), name="photo")
    found = read_mask(tmp_path / f"mask.{kind}", photo)
    assert np.array_equal(found.area, OBJECT), name
    assert words in found.note
    assert bool(found.note) == bool(words)
    assert noted(photo, found).notes == ((found.note,) if words else ())


def test_a_jpeg_is_read_by_its_brightness(tmp_path):
    PIL.Image.fromarray(np.kron(FULL, np.ones((8, 8), np.uint8))).save(tmp_path / "mask.jpg", quality=60)
    photo = open_image(np.zeros((96, 128, 3), np.uint8), name="photo")
    assert np.array_equal(read_mask(tmp_path / "mask.jpg", photo).area, np.kron(OBJECT, np.ones((8, 8), bool)))
    assert read_mask(tmp_path / "mask.jpg", photo).note == ""


def test_a_mask_of_everything_says_so(tmp_path):
    PIL.Image.new("L", (16, 12), 255).save(tmp_path / "mask.png")
    assert "covers all" in read_mask(tmp_path / "mask.png", open_image(np.zeros((12, 16, 3), np.uint8))).note


@pytest.mark.parametrize("name", READ)
def test_arrays_are_read_as_files_are(name):
    given, words = READ[name]
    if isinstance(given, PIL.Image.Image) and given.mode == "P":
        pytest.skip("an array has no palette")
    found = read_mask(np.asarray(given), open_image(np.zeros((12, 16, 3), np.uint8), name="photo"))
    if name != "grey and alpha":  # of two channels of an array nobody knows what they are
        assert np.array_equal(found.area, OBJECT)
        assert words in found.note


@pytest.mark.parametrize("kind", [np.bool_, np.int64, np.int8, np.float32])
def test_arrays_of_zero_and_one_may_be_of_any_type(kind):
    photo = open_image(np.zeros((12, 16, 3), np.uint8), name="photo")
    assert np.array_equal(read_mask(OBJECT.astype(kind), photo).area, OBJECT)
    with pytest.raises(UsageError, match="of photo is 16 × 11"):
        read_mask(OBJECT[1:].astype(kind), photo)

"""Folders as data: classes, masks, content hashes and splits."""

from __future__ import annotations

import os
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.errors import BadImage, UsageError
from seewhy.images import Entry, Folder


def picture(path: Path, value: int | tuple[int, int, int] = 0, size: tuple[int, int] = (6, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB" if isinstance(value, tuple) else "L", size, value).save(path)
    return path


def drawn(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(array).save(path)
    return path


def twenty(root: Path, copies: int = 0) -> Folder:
    for number in range(20):
        picture(root / f"{'cat' if number % 2 else 'dog'}/{number:02}.png", number)
    for number in range(copies):
        picture(root / f"cat/copy{number:02}.png", number)
    return Folder.open(root)


def test_sub_folders_are_classes(tmp_path):
    for name in ("dog/b.png", "dog/deep/c.png", "cat/a.png"):
        picture(tmp_path / name)
    folder = Folder.open(str(tmp_path))
    assert folder.classes == ("cat", "dog")
    assert folder.entries == (Entry("cat/a.png", "cat"), Entry("dog/b.png", "dog"), Entry("dog/deep/c.png", "dog"))


def test_one_picture_at_the_top_makes_a_plain_folder(tmp_path):
    picture(tmp_path / "top.png")
    picture(tmp_path / "below/a.png")
    folder = Folder.open(tmp_path)
    assert folder.classes == ()
    assert folder.entries == (Entry("below/a.png"), Entry("top.png"))


def test_pictures_open_checked_and_called_by_their_path(tmp_path):
    picture(tmp_path / "cat/a.png", 200)
    (tmp_path / "cat/b.png").write_bytes(b"no picture")
    folder = Folder.open(tmp_path)
    good, bad = folder.entries
    assert folder.image(good).name == "cat/a.png"
    assert (folder.image(good).pixels == 200).all()
    with pytest.raises(BadImage, match=r"cat/b\.png"):
        folder.image(bad)


def test_hashes_are_those_of_the_bytes_and_nothing_hangs(tmp_path):
    path = picture(tmp_path / "a.png", 7)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere.png")
    hashes = Folder.open(tmp_path).hashes
    assert hashes == {
        "a.png": sha256(path.read_bytes()).hexdigest(),
        "lost.png": "unreadable",
        "pipe.png": "unreadable",
    }


def test_masks_have_hashes_under_the_names_of_their_pictures(tmp_path):
    picture(tmp_path / "photos/a.jpg", 7)
    picture(tmp_path / "photos/b.jpg", 7)
    mask = picture(tmp_path / "masks/a.png", 255)
    folder = Folder.open(tmp_path / "photos", tmp_path / "masks")
    assert folder.mask_hashes == {"a.jpg": sha256(mask.read_bytes()).hexdigest()}


def test_masks_fit_by_path_or_by_stem_and_may_lie_inside(tmp_path):
    for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "masks/a/1.png", "masks/b/1.png", "masks/2.gif", "masks/other.png"):
        picture(tmp_path / name)
    folder = Folder.open(tmp_path, masks=tmp_path / "a/../masks")
    masks = {entry.path: entry.mask and entry.mask.name for entry in folder.entries}
    assert masks == {"a/1.jpg": "1.png", "a/2.jpg": "2.gif", "b/1.jpg": "1.png"}
    assert folder.classes == ("a", "b")
    assert folder.entries[0].mask != folder.entries[2].mask


@pytest.mark.parametrize("white", [1, 2, 128, 255])
def test_a_mask_is_true_where_it_is_bright(tmp_path, white):
    truth = np.zeros((4, 6), bool)
    truth[1:3, 2:5] = True
    picture(tmp_path / "photos/a.jpg", 90)
    drawn(tmp_path / "masks/a.png", truth.astype(np.uint8) * np.uint8(white))
    folder = Folder.open(tmp_path / "photos", tmp_path / "masks")
    mask = folder.mask(folder.entries[0])
    assert mask is not None
    assert mask.dtype == np.bool_
    assert (mask == truth).all()


def test_colours_and_soft_edges_of_masks(tmp_path):
    picture(tmp_path / "photos/a.png", size=(3, 1))
    drawn(tmp_path / "masks/a.png", np.array([[(255, 0, 0), (0, 127, 0), (0, 0, 128)]], np.uint8))
    folder = Folder.open(tmp_path / "photos", tmp_path / "masks")
    assert np.array_equal(folder.mask(folder.entries[0]), [[True, False, True]])


def test_an_empty_mask_marks_nothing_and_a_missing_one_is_none(tmp_path):
    picture(tmp_path / "photos/a.png")
    picture(tmp_path / "photos/b.png")
    picture(tmp_path / "masks/a.png", 0)
    folder = Folder.open(tmp_path / "photos", tmp_path / "masks")
    first, second = map(folder.mask, folder.entries)
    assert first is not None
    assert not first.any()
    assert second is None


def test_a_mask_of_another_size_or_no_picture_is_refused(tmp_path):
    picture(tmp_path / "photos/a.png", size=(6, 4))
    picture(tmp_path / "photos/b.png")
    picture(tmp_path / "masks/a.png", size=(4, 6))
    (tmp_path / "masks/b.png").write_bytes(b"\x80\x04pickled")
    folder = Folder.open(tmp_path / "photos", tmp_path / "masks")
    with pytest.raises(UsageError, match=r"4 × 6.*6 × 4"):
        folder.mask(folder.entries[0])
    with pytest.raises(BadImage, match="never opened"):
        folder.mask(folder.entries[1])


def test_what_cannot_be_a_folder_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "photos/a.png")
    picture(tmp_path / "masks/z.png")
    with pytest.raises(UsageError, match="no folder"):
        Folder.open(tmp_path / "missing")
    with pytest.raises(UsageError, match="holds no pictures"):
        Folder.open(tmp_path / "empty")
    with pytest.raises(UsageError, match="beside the masks"):
        Folder.open(tmp_path / "photos", tmp_path / "photos")
    with pytest.raises(UsageError, match=r"would be called a\.png"):
        Folder.open(tmp_path / "photos", tmp_path / "masks")
    with pytest.raises(UsageError, match="no folder"):
        Folder.open(tmp_path / "photos", tmp_path / "nowhere")


def test_a_name_that_no_table_can_hold_is_refused(tmp_path):
    picture(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    with pytest.raises(UsageError, match="not UTF-8"):
        Folder.open(tmp_path)


@pytest.mark.parametrize("names", [("p/a/1.png", "p/b/1.png", "m/1.png"), ("p/1.png", "m/1.png", "m/1.gif")])
def test_masks_that_could_be_meant_for_several_are_refused(tmp_path, names):
    for name in names:
        picture(tmp_path / name)
    with pytest.raises(UsageError, match="unclear"):
        Folder.open(tmp_path / "p", tmp_path / "m")


def test_a_split_keeps_the_shares_of_each_class(tmp_path):
    train, rest = twenty(tmp_path).split([0.8, 0.2], seed=3)
    assert Counter(entry.label for entry in train.entries) == {"cat": 8, "dog": 8}
    assert Counter(entry.label for entry in rest.entries) == {"cat": 2, "dog": 2}
    assert train.classes == rest.classes == ("cat", "dog")
    assert [*train.entries, *rest.entries] != sorted([*train.entries, *rest.entries])


def test_a_split_is_the_same_again_and_another_with_another_seed(tmp_path):
    folder = twenty(tmp_path)
    assert folder.split([0.5, 0.5], seed=1) == Folder.open(tmp_path).split([0.5, 0.5], seed=1)
    assert folder.split([0.5, 0.5], seed=1) != folder.split([0.5, 0.5], seed=2)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), shares=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_equal_pictures_never_straddle_and_none_is_lost(tmp_path_factory, seed, shares):
    root = tmp_path_factory.getbasetemp() / "twins"
    folder = Folder.open(root) if root.is_dir() else twenty(root, copies=9)
    parts = folder.split([share / sum(shares) for share in shares], seed)
    assert sorted(entry for part in parts for entry in part.entries) == list(folder.entries)
    held = [{folder.hashes[entry.path] for entry in part.entries} for part in parts]
    assert sum(map(len, held)) == len(set().union(*held))


@pytest.mark.parametrize("fractions", [[], [0.5], [0.5, 0.6], [1.2, -0.2], [1.0, 0.0], [float("nan"), 1.0]])
def test_fractions_that_do_not_sum_to_one_are_refused(tmp_path, fractions):
    with pytest.raises(UsageError, match="sum to 1"):
        twenty(tmp_path).split(fractions)


def test_the_shared_photos_have_masks_of_their_size(shared_data):
    folder = Folder.open(shared_data("object-masks/images"), shared_data("object-masks/masks"))
    assert len(folder.entries) == sum(entry.mask is not None for entry in folder.entries) == 212
    for entry in folder.entries[:5]:
        mask = folder.mask(entry)
        assert mask is not None
        assert 0 < mask.mean() < 1

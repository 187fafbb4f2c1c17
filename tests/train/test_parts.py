"""What becomes of folders of every kind."""

from __future__ import annotations

import shutil

import pytest

from seewhy.errors import UsageError
from seewhy.train.parts import judged_part, open_parts

HALF = (0.7, 0.3)


def counts(folder):
    return {name: sum(entry.label == name for entry in folder.entries) for name in folder.classes}


def test_a_split_is_stratified_and_hangs_on_the_seed_alone(tints):
    root = tints(red=10, green=20)
    parts = open_parts(root, HALF, seed=1)
    assert parts.classes == ("green", "red")
    assert counts(parts.train) == {"green": 14, "red": 7}
    assert counts(parts.validation) == {"green": 6, "red": 3}
    assert not {*parts.train.entries} & {*parts.validation.entries}
    assert parts.test is None
    assert parts.notes == ()
    assert open_parts(root, HALF, seed=1) == parts
    assert open_parts(root, HALF, seed=2).train != parts.train


def test_three_shares_keep_pictures_for_a_test(tints):
    parts = open_parts(tints(red=10, green=10), (0.6, 0.2, 0.2))
    assert {name: len(folder.entries) for name, folder in parts.named.items()} == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }


@pytest.mark.parametrize("validation", ["val", "Validation", "valid"])
def test_a_folder_with_parts_of_its_own_keeps_them(tints, validation):
    tints("own/train", red=5, green=4)
    tints(f"own/{validation}", start=50, red=2)
    root = tints("own/test", start=80, red=1, green=3).parent
    parts = open_parts(root, HALF)
    assert counts(parts.train) == {"green": 4, "red": 5}
    assert counts(parts.validation) == {"green": 0, "red": 2}
    assert parts.test is not None
    assert counts(parts.test) == {"green": 3, "red": 1}
    assert parts.notes == ("too few pictures of green to keep one for validation: how well it is found stays unknown",)
    assert judged_part(root).root == root / "test"


def test_with_a_test_alone_the_rest_is_split(tints):
    tints("own/train", red=10, green=10)
    root = tints("own/test", start=80, red=2, green=2).parent
    parts = open_parts(root, HALF)
    assert [len(folder.entries) for folder in parts.named.values()] == [14, 6, 4]


def test_classes_can_be_left_out(tints):
    parts = open_parts(tints(red=10, green=10, blue=10), HALF, classes=["red", "blue"])
    assert parts.classes == ("blue", "red")
    assert len(parts.train.entries) == 14
    with pytest.raises(UsageError, match="no class mauve"):
        open_parts(parts.folder, HALF, classes=["red", "mauve"])


def test_a_picture_in_two_parts_is_told(tints):
    tints("own/train", red=5, green=5)
    root = tints("own/val", start=4, red=2, green=2).parent
    assert open_parts(root, HALF).notes == (
        "2 pictures are in more than one part, so validation flatters; remove them from one",
    )


def test_a_class_of_one_picture_is_learned_and_told(tints):
    parts = open_parts(tints(red=10, green=1), HALF)
    assert counts(parts.train)["green"] == 1
    assert counts(parts.validation)["green"] == 0
    assert "green" in parts.notes[0]


def test_an_empty_class_folder_is_refused(tints):
    root = tints(red=4, green=4)
    (root / "mauve").mkdir()
    with pytest.raises(UsageError, match="mauve"):
        open_parts(root, HALF)


def test_one_class_is_refused(tints):
    with pytest.raises(UsageError, match="one class, red"):
        open_parts(tints(red=4), HALF)


def test_loose_pictures_are_refused(tints):
    root = tints(red=4, green=4)
    shutil.copy(root / "red" / "00.png", root / "loose.png")
    with pytest.raises(UsageError, match=r"loose\.png"):
        open_parts(root, HALF)


def test_too_few_pictures_to_validate_are_refused(tints):
    with pytest.raises(UsageError, match="too few"):
        open_parts(tints(red=1, green=1), HALF)


def test_parts_that_know_other_classes_are_refused(tints):
    tints("own/train", red=5, green=5)
    root = tints("own/val", start=50, blue=2, green=2).parent
    with pytest.raises(UsageError, match="validation pictures are of classes that train has not: blue"):
        open_parts(root, HALF)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        open_parts(tmp_path / "nowhere", HALF)

"""Which files a folder stands for, and the samples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seewhy.errors import UnknownName, UsageError
from seewhy.images import find_images, samples
from seewhy.images.opening import locate


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_images([root])]


def test_a_folder_gives_its_pictures_in_order(tmp_path):
    tree(
        tmp_path, "b.JPG", "a.png", "c/z.tiff", "c/a.webp", "c/d/x.jfif", "e.gif", "f.bmp", "notes.txt", "g.svg", "png"
    )
    assert found(tmp_path) == ["a.png", "b.JPG", "e.gif", "f.bmp", "c/a.webp", "c/z.tiff", "c/d/x.jfif"]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    tree(tmp_path, "a.png", "._a.png", ".cache/b.png", "c/.hidden.png", "c/.ipynb_checkpoints/d.png")
    assert found(tmp_path) == ["a.png"]


def test_a_folder_named_like_a_picture_is_still_a_folder(tmp_path):
    assert found(tree(tmp_path, "album.png/a.jpg")) == ["album.png/a.jpg"]


def test_linked_files_are_found_and_linked_folders_not_followed(tmp_path):
    tree(tmp_path, "a/real.png")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/link.png").symlink_to(tmp_path / "a/real.png")
    assert found(tmp_path) == ["a/link.png", "a/real.png"]


def test_files_stay_as_given_even_if_they_do_not_exist(tmp_path):
    given = ["missing.png", "notes.txt", "x" * 5000, "nul\0"]
    assert find_images(given) == [Path(each) for each in given]
    assert find_images([]) == []


def test_the_order_of_the_arguments_stays(tmp_path):
    tree(tmp_path, "one/a.png", "two/a.png")
    assert find_images([tmp_path / "two", "z.png", tmp_path / "one", "sample:cat"]) == [
        tmp_path / "two/a.png",
        Path("z.png"),
        tmp_path / "one/a.png",
        samples()["cat"],
    ]


def test_a_folder_without_pictures_says_what_was_looked_for(tmp_path):
    with pytest.raises(UsageError, match=r"\.jfif"):
        find_images([tree(tmp_path, "notes.txt")])


def test_an_unknown_sample_names_those_that_exist():
    with pytest.raises(UnknownName, match="sample:coffee"):
        find_images(["sample:cofee"])
    with pytest.raises(UnknownName, match="sample:cat"):
        find_images(["sample:zebra"])
    assert locate(Path("sample:zebra")) == Path("sample:zebra")


def test_samples_do_not_load_scikit_image():
    code = "import sys; from seewhy.images import samples; print(len(samples()), 'skimage' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(samples())), "False"]

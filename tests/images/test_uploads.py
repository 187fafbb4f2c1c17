from __future__ import annotations

import io
import re

import numpy as np
import pytest

import forge
import zoo
from seewhy.errors import UsageError
from seewhy.images import open_image, uploads
from seewhy.images.uploads import members, open_upload, safe_name, unpack
from web.zips import packed

MB = 1 << 20
PNGS = [forge.encoded(image.pixels, "PNG") for image in zoo.photos(4)]


def unpacked(files, folder):
    return unpack(members(packed(files), MB), folder, MB, 10_000)


def kept(folder):
    return sorted(path.relative_to(folder).parts[0] for path in folder.rglob("*.png"))


def test_a_picture_belongs_to_the_folder_it_lay_in(tmp_path):
    files = {"set/cat/a.png": PNGS[0], "set/cat/b.png": PNGS[1], "set/dog/c.jpg": PNGS[2], "set/readme.txt": b"x"}
    found = unpacked(files, tmp_path)
    assert found.counts == {"cat": 2, "dog": 1}
    assert kept(tmp_path) == ["cat", "cat", "dog"]
    assert [name for name, _ in found.failures] == ["set/readme.txt"]


def test_equal_pictures_of_a_class_count_once(tmp_path):
    found = unpacked({"cat/a.png": PNGS[0], "cat/b.png": PNGS[0], "dog/c.png": PNGS[1]}, tmp_path)
    assert found.counts == {"cat": 1, "dog": 1}


def test_people_find_their_pictures_by_their_names(tmp_path):
    files = {"cat/Mimi at 3.jpg": PNGS[0], "cat/Mimi at 3.png": PNGS[1], "dog/<é>?.png": PNGS[2]}
    unpacked(files, tmp_path)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert [re.sub(" [0-9a-f]{8}", " HASH", name) for name in names] == [
        "cat/Mimi at 3 HASH.png",
        "cat/Mimi at 3.png",
        "dog/é.png",
    ]


def test_where_no_classes_are_needed_loose_pictures_count_too(tmp_path):
    found = unpack({"a.png": PNGS[0], "cat/b.png": PNGS[1]}.items(), tmp_path, 1 << 20, 10_000, classes=1)
    assert sum(found.counts.values()) == 2
    with pytest.raises(UsageError, match="no picture that can be read"):
        unpack({"a.txt": b"x"}.items(), tmp_path, 1 << 20, 10_000, classes=1)


def test_a_large_photo_is_made_smaller_and_says_so():
    large = forge.encoded(np.full((120, 200, 3), 90, np.uint8), "PNG")
    found = open_upload(large, "phone.png", 1 << 20, 6000)
    assert found.width * found.height <= 6000
    assert found.width / found.height == pytest.approx(200 / 120, rel=0.03)
    assert found.notes == ("made smaller on arrival, from 200 × 120 to 100 × 60 pixels",)
    assert open_upload(large, "phone.png", 1 << 20, 24_000).notes == ()


@pytest.mark.parametrize(
    "bad", ["../../evil/x.png", "/etc/x.png", "..\\..\\evil\\x.png", "C:\\evil\\x.png", "a/../b/x.png"]
)
def test_no_name_leads_out_of_the_folder(tmp_path, bad):
    inside = tmp_path / "inside"
    unpacked({bad: PNGS[0], "cat/a.png": PNGS[1], "dog/b.png": PNGS[2]}, inside)
    assert {path for path in tmp_path.rglob("*.png") if not path.is_relative_to(inside)} == set()


@pytest.mark.parametrize("name", ["<b>", "x" * 300, "..", "nul\0l", "ünïcode", "a/b"])
def test_class_names_are_made_safe(name):
    assert 0 < len(safe_name(name)) <= 60
    assert not set(safe_name(name)) & set("/\\\0<>")


def test_hidden_files_are_no_pictures_of_anything(tmp_path):
    files = {"__MACOSX/cat/a.png": PNGS[0], "cat/.b.png": PNGS[1], "cat/c.png": PNGS[2], "dog/d.png": PNGS[3]}
    assert unpacked(files, tmp_path).counts == {"cat": 1, "dog": 1}


@pytest.mark.parametrize("files", [{"a.png": PNGS[0], "b.png": PNGS[1]}, {"cat/a.png": PNGS[0]}, {}])
def test_fewer_than_two_classes_are_refused(tmp_path, files):
    with pytest.raises(UsageError, match="fewer than two classes"):
        unpacked(files, tmp_path)


def test_a_picture_that_is_a_bomb_is_left_out(tmp_path):
    files = {
        "cat/a.png": PNGS[0],
        "dog/b.png": PNGS[1],
        "dog/bomb.png": forge.one_bit_png(9000),
        "dog/big.png": bytes(2 * MB),
    }
    found = unpacked(files, tmp_path)
    assert found.counts == {"cat": 1, "dog": 1}
    assert {name: error.code for name, error in found.failures} == {
        "dog/bomb.png": "too_large",
        "dog/big.png": "too_large",
    }


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 3 * MB)
    with pytest.raises(UsageError, match="unpacks to more than 3 MB"):
        unpacked({f"cat/{number}.png": bytes(MB) for number in range(5)}, tmp_path)


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILES", 3)
    with pytest.raises(UsageError, match="more than 3 files"):
        unpacked({f"cat/{number}.png": b"" for number in range(5)}, tmp_path)


@pytest.mark.parametrize("data", [b"", b"PK\3\4 and no more", PNGS[0], packed({"a/b.png": PNGS[0]})[:-30]])
def test_what_is_no_zip_says_so(data):
    with pytest.raises(UsageError, match="cannot be read"):
        list(members(data, MB))


def test_bands_are_unpacked_whole(tmp_path):
    """What a class folder of arrays holds, the network learns from."""
    bands = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 5), np.uint8)
    files = []
    for label, array in zip("ab", bands, strict=True):
        content = io.BytesIO()
        np.save(content, array)
        files.append((f"{label}/field.npy", content.getvalue()))
    unpacked = unpack(files, tmp_path, 1 << 20, 1 << 20)
    assert unpacked.counts == {"a": 1, "b": 1}
    assert not unpacked.failures
    for label, array in zip("ab", bands, strict=True):
        (path,) = (tmp_path / label).iterdir()
        assert np.array_equal(open_image(path).read_as(5), array)

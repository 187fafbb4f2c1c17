from __future__ import annotations

import errno
import io
import os
import time

import numpy as np
import pytest
from PIL import Image as Pillow

import forge
import zoo
from seewhy.errors import BadImage, NoRoom, OverBudget, UnknownName
from seewhy.images import Image
from seewhy.web.services import photos as photos_module
from seewhy.web.services.disk import Disk
from seewhy.web.services.photos import Photos
from seewhy.web.services.shelf import LEAST

NAMES = ["../../x.png", "..\\..\\x", "C:\\x", "\\\\host\\share", "a\0b.png", "x" * 300, "con.png", "<script>.png"]


@pytest.fixture
def photos(tmp_path) -> Photos:
    return made(tmp_path)


def made(home, megabytes=100) -> Photos:
    disk = Disk(home, megabytes << 20, ("uploads/??/*.*", "trainings/*/"))
    return Photos(home / "uploads", disk, max_bytes=100_000, max_pixels=10_000)


def files(photos):
    return sorted(path for path in photos.folder.rglob("*") if path.is_file())


def png(pixels: np.ndarray) -> bytes:
    return forge.encoded(pixels, "PNG")


@pytest.mark.parametrize("name", NAMES)
def test_whatever_it_is_called_it_is_stored_under_its_hash(photos, name):
    image = photos.read(png(forge.SCENE), name)
    secret = photos.keep(image, "anna")
    assert [path.relative_to(photos.folder).as_posix() for path in files(photos)] == [
        f"{image.sha256[:2]}/{image.sha256}.png"
    ]
    found = photos.open(photos.find(secret))
    assert (found.sha256, found.name) == (image.sha256, image.name)


def test_the_same_photo_is_stored_once_and_each_has_a_secret_of_its_own(photos):
    image = zoo.photos(1)[0]
    first, second = photos.keep(image, "anna"), photos.keep(image, "anna")
    assert first != second
    assert len(files(photos)) == 1


def test_what_a_file_held_beside_its_pixels_is_not_kept(photos):
    data = forge.encoded(forge.SCENE, "PNG", exif=forge.exif(1)) + b"and a stowaway"
    photos.keep(photos.read(data, "photo.png"), "anna")
    stored = files(photos)[0].read_bytes()
    assert b"stowaway" not in stored
    assert b"eXIf" not in stored


def test_nobody_finds_a_photo_by_its_hash(photos):
    image = zoo.photos(1)[0]
    photos.keep(image, "anna")
    for guess in (image.sha256, "", "../" + image.sha256):
        with pytest.raises(UnknownName):
            photos.open(photos.find(guess))


def test_too_many_bytes_or_pixels_are_refused_and_some_more_pixels_made_fewer(photos):
    with pytest.raises(BadImage) as heavy:
        photos.read(b"\x89PNG" + bytes(100_000), "heavy.png")
    with pytest.raises(BadImage) as vast:
        photos.read(forge.one_bit_png(9000), "vast.png")
    assert (heavy.value.code, vast.value.code) == ("too_large", "too_large")
    large = photos.read(png(np.zeros((101, 100, 3), np.uint8)), "large.png")
    assert large.width * large.height <= 10_000
    assert "made smaller on arrival" in large.notes[0]


def test_old_photos_are_forgotten_and_fresh_ones_stay(photos):
    old, fresh = (photos.keep(image, "anna") for image in zoo.photos(2))
    path = photos.folder / photos.open(photos.find(old)).sha256[:2] / f"{photos.open(photos.find(old)).sha256}.png"
    os.utime(path, (time.time() - 90_000,) * 2)
    photos.disk.sweep()
    assert photos.open(photos.find(fresh))
    with pytest.raises(UnknownName, match="upload it again"):
        photos.open(photos.find(old))


def test_what_is_uploaded_again_is_fresh(photos):
    secret = photos.keep(zoo.photos(1)[0], "anna")
    os.utime(files(photos)[0], (time.time() - 90_000,) * 2)
    photos.keep(zoo.photos(1)[0], "anna")
    photos.disk.sweep()
    assert Pillow.open(files(photos)[0]).size
    assert photos.open(photos.find(secret))


def test_all_channels_and_notes_of_a_picture_are_kept_for_the_network(photos):
    bands = np.random.default_rng(0).integers(0, 256, (20, 30, 5), np.uint8)
    file = io.BytesIO()
    np.save(file, bands)
    deep = forge.png16((forge.GREY.astype(np.uint16) * 16)[..., None], 0)
    rgba = png(np.dstack([forge.SCENE, forge.ALPHA]))
    for data, channels in ((file.getvalue(), 5), (rgba, 4), (deep, 1)):
        image = photos.read(data, "field.png")
        found = photos.open(photos.find(photos.keep(image, "anna")))
        assert (found.sha256, found.notes, found.composite) == (image.sha256, image.notes, image.composite)
        assert found.notes
        assert np.array_equal(found.read_as(channels), image.read_as(channels))
    for path in files(photos):
        os.utime(path, (time.time() - 90_000,) * 2)
    photos.disk.sweep()
    assert not files(photos), "bands are forgotten, too"


def test_no_array_runs_code(photos):
    file = io.BytesIO()
    np.save(file, np.array([Exploit()], object), allow_pickle=True)
    with pytest.raises(BadImage, match="never opened"):
        photos.read(file.getvalue(), "array.npy")


class Exploit:
    def __reduce__(self):
        return (pytest.fail, ("it ran",))


def noise(seed: int, side: int = 90):
    return Image(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8), f"{seed}.png")


def test_one_visitor_has_a_quarter_of_the_disk_and_others_still_find_room(tmp_path):
    photos = made(tmp_path, megabytes=1)
    with pytest.raises(OverBudget, match=r"more than 0\.3 MB; what you brought goes after a day"):
        _ = [photos.keep(noise(seed), "anna") for seed in range(100)]
    held = photos.disk._things.held_by("anna")
    assert (1 << 18) - 30_000 < held <= 1 << 18
    written = [path.stat().st_size for path in tmp_path.rglob("*.*") if path.is_file()]
    assert sum(max(each, LEAST) for each in written) == held
    assert photos.find(photos.keep(noise(1000), "bert"))


def test_a_full_disk_is_told_and_leaves_nothing_behind(photos, monkeypatch):
    def full(_image, path):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(photos_module, "save_image", full)
    with pytest.raises(NoRoom, match="no room for this now"):
        photos.keep(noise(0), "anna")
    assert not files(photos)
    monkeypatch.undo()
    assert photos.find(photos.keep(noise(0), "anna"))


def test_an_old_photo_is_refused_although_nobody_has_deleted_it(photos):
    secret = photos.keep(noise(0), "anna")
    photo = photos.find(secret)
    assert photos.open(photo)
    os.utime(files(photos)[0], (time.time() - 5 * 86_400,) * 2)
    for ask in (lambda: photos.find(secret), lambda: photos.open(photo)):
        with pytest.raises(UnknownName, match="upload it again"):
            ask()


def test_what_an_earlier_process_left_counts_and_gives_way(tmp_path):
    before = made(tmp_path, megabytes=1)
    for visitor in "abcd":
        for seed in range(9):
            before.keep(noise(100 * ord(visitor) + seed), visitor)
    after = made(tmp_path, megabytes=1)
    secret = after.keep(noise(0), "anna")
    assert sum(path.stat().st_size for path in files(after)) <= 1 << 20
    assert after.find(secret)


def test_a_photo_is_decoded_once_however_often_it_is_wanted(photos, monkeypatch):
    photo = photos.find(photos.keep(noise(0), "anna"))
    opened = [photos.open(photo) for _ in range(5)]
    assert len({id(each) for each in opened}) == 1
    assert photo.sha256 == opened[0].sha256

from __future__ import annotations

import io
import os
import time

import numpy as np
import pytest
from PIL import Image as Pillow

import forge
import zoo
from seewhy.errors import BadImage, UnknownName
from seewhy.web.services.storage import Uploads

NAMES = ["../../x.png", "..\\..\\x", "C:\\x", "\\\\host\\share", "a\0b.png", "x" * 300, "con.png", "<script>.png"]


@pytest.fixture
def uploads(tmp_path) -> Uploads:
    return Uploads(tmp_path / "uploads", max_bytes=100_000, max_pixels=10_000)


def files(uploads):
    return sorted(path for path in uploads.folder.rglob("*") if path.is_file())


def png(pixels: np.ndarray) -> bytes:
    return forge.encoded(pixels, "PNG")


@pytest.mark.parametrize("name", NAMES)
def test_whatever_it_is_called_it_is_stored_under_its_hash(uploads, name):
    image = uploads.open(png(forge.SCENE), name)
    secret = uploads.keep(image)
    assert [path.relative_to(uploads.folder).as_posix() for path in files(uploads)] == [
        f"{image.sha256[:2]}/{image.sha256}.png"
    ]
    found = uploads.find(secret)
    assert (found.sha256, found.name) == (image.sha256, image.name)


def test_the_same_photo_is_stored_once_and_each_has_a_secret_of_its_own(uploads):
    image = zoo.photos(1)[0]
    first, second = uploads.keep(image), uploads.keep(image)
    assert first != second
    assert len(files(uploads)) == 1


def test_what_a_file_held_beside_its_pixels_is_not_kept(uploads):
    data = forge.encoded(forge.SCENE, "PNG", exif=forge.exif(1)) + b"and a stowaway"
    uploads.keep(uploads.open(data, "photo.png"))
    stored = files(uploads)[0].read_bytes()
    assert b"stowaway" not in stored
    assert b"eXIf" not in stored


def test_nobody_finds_a_photo_by_its_hash(uploads):
    image = zoo.photos(1)[0]
    uploads.keep(image)
    for guess in (image.sha256, "", "../" + image.sha256):
        with pytest.raises(UnknownName):
            uploads.find(guess)


def test_too_many_bytes_or_pixels_are_refused(uploads):
    with pytest.raises(BadImage) as heavy:
        uploads.open(b"\x89PNG" + bytes(100_000), "heavy.png")
    with pytest.raises(BadImage) as vast:
        uploads.open(png(np.zeros((101, 100, 3), np.uint8)), "vast.png")
    assert (heavy.value.code, vast.value.code) == ("too_large", "too_large")


def test_old_photos_are_forgotten_and_fresh_ones_stay(uploads):
    old, fresh = (uploads.keep(image) for image in zoo.photos(2))
    path = uploads.folder / uploads.find(old).sha256[:2] / f"{uploads.find(old).sha256}.png"
    os.utime(path, (time.time() - 90_000,) * 2)
    uploads.delete_old()
    assert uploads.find(fresh)
    with pytest.raises(UnknownName, match="upload it again"):
        uploads.find(old)


def test_what_is_uploaded_again_is_fresh(uploads):
    secret = uploads.keep(zoo.photos(1)[0])
    os.utime(files(uploads)[0], (time.time() - 90_000,) * 2)
    uploads.keep(zoo.photos(1)[0])
    uploads.delete_old()
    assert Pillow.open(files(uploads)[0]).size
    assert uploads.find(secret)


def test_all_channels_and_notes_of_a_picture_are_kept_for_the_network(uploads):
    bands = np.random.default_rng(0).integers(0, 256, (20, 30, 5), np.uint8)
    file = io.BytesIO()
    np.save(file, bands)
    deep = forge.png16((forge.GREY.astype(np.uint16) * 16)[..., None], 0)
    rgba = png(np.dstack([forge.SCENE, forge.ALPHA]))
    for data, channels in ((file.getvalue(), 5), (rgba, 4), (deep, 1)):
        image = uploads.open(data, "field.png")
        found = uploads.find(uploads.keep(image))
        assert (found.sha256, found.notes, found.composite) == (image.sha256, image.notes, image.composite)
        assert found.notes
        assert np.array_equal(found.read_as(channels), image.read_as(channels))
    for path in files(uploads):
        os.utime(path, (time.time() - 90_000,) * 2)
    uploads.delete_old()
    assert not files(uploads), "bands are forgotten, too"


def test_no_array_runs_code(uploads):
    file = io.BytesIO()
    np.save(file, np.array([Exploit()], object), allow_pickle=True)
    with pytest.raises(BadImage, match="never opened"):
        uploads.open(file.getvalue(), "array.npy")


class Exploit:
    def __reduce__(self):
        return (pytest.fail, ("it ran",))

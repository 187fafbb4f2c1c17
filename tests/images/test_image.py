"""The type that every other room trusts."""

from __future__ import annotations

import copy
import hashlib

import numpy as np
import pytest

from forge import SCENE, encoded, exif, stored
from seewhy.errors import BadImage
from seewhy.images import Image, open_image


def test_pixels_cannot_be_changed():
    image = open_image(SCENE)
    for each in (image, copy.deepcopy(image), Image(SCENE, "scene")):
        assert each.pixels.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            each.pixels[0, 0] = 0
    with pytest.raises(AttributeError):
        image.name = "other"


def test_an_image_survives_its_way_to_another_process():
    image = Image(SCENE, "scene", ("a note",))
    again = copy.deepcopy(image)  # by the way that pickle takes
    assert (again.name, again.notes, again.sha256) == ("scene", ("a note",), image.sha256)


def test_the_hash_is_that_of_shape_and_pixels():
    image = open_image(SCENE, name="scene")
    assert image.sha256 == hashlib.sha256(b"32x48x3:" + SCENE.tobytes()).hexdigest()
    flat = np.zeros((2, 6, 3), np.uint8)
    assert open_image(flat).sha256 != open_image(flat.reshape(6, 2, 3)).sha256


def test_the_hash_does_not_depend_on_how_the_picture_came():
    ways = [
        SCENE,
        encoded(SCENE, "PNG"),
        encoded(SCENE, "BMP"),
        encoded(stored(7), "PNG", exif=exif(7)),
        Image(SCENE, ""),
    ]
    assert len({open_image(way).sha256 for way in ways}) == 1


def test_to_pil_gives_a_picture_of_its_own():
    image = open_image(SCENE)
    picture = image.to_pil()
    picture.putpixel((0, 0), (0, 0, 0))
    assert picture.mode == "RGB"
    assert (picture.height, picture.width) == (image.height, image.width) == SCENE.shape[:2]
    assert np.array_equal(image.pixels, SCENE)


def test_a_picture_is_only_equal_to_itself_and_shows_no_pixels_as_text():
    image, twin = open_image(SCENE, name="scene"), open_image(SCENE, name="scene")
    assert image != twin
    assert len({image, twin}) == 2
    assert repr(image) == "Image(name='scene', notes=())"


@pytest.mark.parametrize(
    "pixels",
    [SCENE[..., 0], SCENE / 255, SCENE.astype(np.int64), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8)],
)
def test_the_constructor_takes_nothing_else(pixels):
    with pytest.raises(BadImage, match="open_image"):
        Image(pixels, "wrong")

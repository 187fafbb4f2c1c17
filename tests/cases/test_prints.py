from __future__ import annotations

import io

import numpy as np
import PIL.Image

from seewhy.cases.queries import SIDE, differing_bits, picture_print
from seewhy.images import Image, open_image, samples


def bits_between(one, two):
    return int(differing_bits(np.array([picture_print(one)], np.uint64), picture_print(two))[0])


def test_each_bit_says_whether_an_area_is_brighter_than_its_left_neighbour():
    levels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE + 1))
    areas = np.repeat(np.repeat(levels, 10, 0), 10, 1).astype(np.uint8)
    image = Image(np.repeat(areas[..., None], 3, 2), "areas")
    bits = "".join("1" if row[place + 1] > row[place] else "0" for row in levels for place in range(SIDE))
    assert picture_print(image) == int(bits, 2)


def test_copies_have_nearly_the_same_print_and_other_pictures_have_not():
    images = [open_image(path) for path in samples().values()]
    for image in images:
        packed = io.BytesIO()
        half = image.to_pil().resize((image.width // 2, image.height // 2), PIL.Image.Resampling.LANCZOS)
        half.save(packed, "JPEG", quality=40)
        assert bits_between(image, open_image(packed.getvalue())) <= 4
        assert all(bits_between(image, other) > 16 for other in images if other is not image)


def test_bits_are_counted_for_all_at_once():
    prints = np.array([0, 1, 0b1011, 2**64 - 1], np.uint64)
    assert differing_bits(prints, 1).tolist() == [1, 0, 2, 63]

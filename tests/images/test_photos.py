"""Real photos come out as Pillow shows them."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from seewhy.images import find_images, open_image


@pytest.mark.parametrize(
    ("folder", "every"),
    [("photos", 1), ("cats", 20), ("real-vs-generated", 10), ("imagenet-photos", 50), ("object-masks", 50)],
)
def test_real_photos_open_as_pillow_shows_them(shared_data, folder, every):
    for path in find_images([shared_data(folder)])[::every]:
        with PIL.Image.open(path) as picture:
            expected = np.asarray(PIL.ImageOps.exif_transpose(picture).convert("RGB"))
            clear = picture.has_transparency_data
        image = open_image(path)
        assert image.pixels.shape == expected.shape
        assert clear or np.array_equal(image.pixels, expected), path

from base64 import b64decode
from io import BytesIO

import numpy as np
from PIL import Image

from seewhy.draw import data_uri, png_bytes

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def test_pixels_survive():
    assert np.array_equal(Image.open(BytesIO(png_bytes(PIXELS))), PIXELS)


def test_nothing_but_pixels_is_written():
    noted = Image.fromarray(PIXELS)
    noted.info = {"icc_profile": b"x" * 50, "dpi": (72, 72), "comment": "made today"}
    assert png_bytes(noted) == png_bytes(PIXELS)
    assert Image.open(BytesIO(png_bytes(noted))).info == {}


def test_the_data_uri_holds_the_same_bytes():
    head, _, body = data_uri(PIXELS).partition(",")
    assert head == "data:image/png;base64"
    assert b64decode(body) == png_bytes(PIXELS)

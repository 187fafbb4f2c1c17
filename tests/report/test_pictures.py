from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from report.samples import explanation, photo
from seewhy.draw import Colors, Legend
from seewhy.models import Box
from seewhy.report.page import embed, embed_photo, thumbnail


def pixels_of(uri):
    return np.asarray(Pillow.open(BytesIO(b64decode(uri.partition(",")[2]))).convert("RGB"))


@pytest.mark.parametrize("signed", [False, True])
def test_the_bar_has_the_colours_of_the_legend_that_pictures_carry(signed):
    legend = Legend(signed, 1.0, 1.0, Colors(opacity=0.6))
    bar, drawn = pixels_of(legend.uri), np.asarray(legend.draw(256))
    assert (bar == drawn[: len(bar)]).all()


def test_an_embedded_picture_is_the_picture():
    smooth = np.linspace(0, 255, 60 * 90 * 3).reshape(60, 90, 3).astype(np.uint8)
    made = embed(smooth, "a ramp")
    assert (made.width, made.height, made.alt) == (90, 60, "a ramp")
    assert np.abs(pixels_of(made.uri).astype(int) - smooth).mean() < 2


def test_a_photo_knows_whether_the_model_saw_all_of_it():
    assert embed_photo(explanation())[1] is False
    assert embed_photo(explanation(view=Box(0.0, 0.0, 90.0, 60.0)))[1] is True


def test_a_thumbnail_is_small_and_silent():
    made = thumbnail(photo(height=900, width=300))
    assert (made.width, made.height, made.alt) == (80, 240, "")

"""The kinds that phones save: read where a decoder is at hand, else refused in a sentence."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import features

import forge
from seewhy.errors import BadImage
from seewhy.images import decoding, open_image

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
AVIF = b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(64)


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
@pytest.mark.parametrize("isolated", [False, True])
def test_avif_is_read(isolated):
    found = open_image(forge.encoded(forge.SCENE, "AVIF"), name="phone.avif", isolated=isolated)
    assert found.pixels.shape == forge.SCENE.shape
    assert np.abs(found.pixels.astype(int) - forge.SCENE).mean() < 12
    assert found.notes == ()


@pytest.mark.parametrize(("name", "data"), [("HEIC", HEIC), ("AVIF", AVIF)], ids=["HEIC", "AVIF"])
def test_without_a_decoder_the_sentence_names_it(monkeypatch, name, data):
    monkeypatch.delitem(decoding._READERS, name, raising=False)
    words = f"kind {name}; .* is lacking here to read it. Save it as JPEG or PNG"
    with pytest.raises(BadImage, match=words) as refused:
        open_image(data, name="phone.jpg")
    assert refused.value.code == "unsupported"


def test_heic_is_handed_to_its_decoder(monkeypatch):
    """A stand-in for pillow-heif, whose class takes a file as Pillow's own do."""

    def opened(_file):
        return Pillow.open(io.BytesIO(forge.encoded(forge.SCENE, "PNG")))

    monkeypatch.setitem(decoding._READERS, "HEIC", opened)
    assert open_image(HEIC, name="phone.heic").pixels.shape == forge.SCENE.shape

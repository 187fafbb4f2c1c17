"""Files are called what they are, whatever they are named and whether or not they are read."""

from __future__ import annotations

import pytest

import forge
from corpus import BOMBS, ORDINARY
from forge import SCENE, encoded
from seewhy.errors import BadImage
from seewhy.images.kinds import KINDS, kind_of
from seewhy.images.structure import is_endless

NAMES = {
    "entity.svg": "an SVG drawing",
    "bare.svg": "an SVG drawing",
    "shut.svg": "an SVG drawing",
    "prefixed.svg": "an SVG drawing",
    "plain.tga": "a TGA picture",
    "packed.tga": "a TGA picture",
    "footed.tga": "a TGA picture",
    "real.ico": "an icon",
    "arrow.cur": "a cursor",
    "film.mp4": "a film",
    "raw.cr3": "a camera's raw picture",
    "paper.pdf": "a PDF document",
    "layers.psd": "a Photoshop document",
    "figure.eps": "a PostScript drawing",
    "real.jp2": "a JPEG 2000 picture",
    "new.jxl": "a JPEG XL picture",
    "real.ppm": "a PNM picture",
    "old.pcx": "a PCX picture",
    "light.exr": "an OpenEXR picture",
    "light.hdr": "a Radiance picture",
    "page.jpg": "a web page",
    "head.jpg": "a web page",
    "strict.jpg": "a web page",
    "pointer.png": "a Git LFS pointer",
    "zip.png": "a ZIP archive",
    "archive.gz": "an archive",
    "archive.tar": "an archive",
    "pickle.png": "a Python pickle",
    "error.png": "a text and no picture",
    "text.jpg": "a text and no picture",
    "cars.bmp": "a text and no picture",
    "noise.jpg": "not a picture of a known kind",
}
CASES = {case.name: case for case in ORDINARY}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_read_is_called_by_its_name(name):
    with pytest.raises(BadImage) as raised:
        kind_of(CASES[name].make(), name)
    assert str(raised.value).startswith(f"{name} is {NAMES[name]}")
    assert raised.value.code == CASES[name].code


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS[:6]])
def test_what_is_read_is_known(kind):
    assert kind_of(encoded(SCENE, kind), "picture").name == kind


@pytest.mark.parametrize(
    "case", [case for case in BOMBS if case.name.startswith(("many-c", "empty", "nothing"))], ids=str
)
def test_parts_are_counted_before_a_decoder_sees_them(case):
    data = case.make()
    assert is_endless(kind_of(data, case.name).name, data)


def test_honest_files_of_many_parts_are_read():
    comment = b"!\xfe" + (b"\xff" + bytes(255)) * 5_000 + b"\0"
    for data in (
        forge.gif_with(comment),
        forge.tiny_png(forge.chunk(b"abCd", bytes(20)) * 5_000),
        forge.webp_with(*[(b"abCD", bytes(20))] * 5_000),
        forge.gif_of_frames(9_000),
        encoded(SCENE, "PNG") + bytes(3 << 20),
        encoded(SCENE, "WEBP") + bytes(3 << 20),
    ):
        assert not is_endless(kind_of(data, "picture").name, data)

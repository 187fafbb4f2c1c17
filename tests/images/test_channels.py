"""Pictures of any number of channels: from arrays, tensors, TIFFs and `.npy`, shown, kept and opened again."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image as Pillow

from forge import ALPHA, GREY, SCENE, encoded, grey_as_rgb, over, png16
from seewhy.errors import BadImage, UsageError
from seewhy.images import Image, find_images, open_image, open_images, reopen_image, save_image

RNG = np.random.default_rng(0)
CONTIGUOUS = {"planarconfig": "contig", "photometric": "minisblack"}
FIVE = RNG.integers(0, 256, (20, 30, 5), np.uint8)


def tif(values: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def npy(values: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **options)
    return file.getvalue()


def planes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(values, 2, 0))


@pytest.mark.parametrize("count", [2, 5, 8])
@pytest.mark.parametrize(
    "source",
    {
        "array": lambda bands: bands,
        "planes": planes,
        "tensor": lambda bands: torch.from_numpy(planes(bands)),
        "tensor-last": torch.from_numpy,
        "tensor-float": lambda bands: torch.from_numpy(planes(bands)).float() / 255,
        "floats": lambda bands: bands / 255,
        "npy": npy,
        "npy-fortran": lambda bands: npy(np.asfortranarray(planes(bands))),
        "npy-float": lambda bands: npy((bands / 255).astype(np.float32)),
        "tiff": lambda bands: tif(bands, **CONTIGUOUS),
        "planar": lambda bands: tif(planes(bands), planarconfig="separate", photometric="minisblack"),
        "tiled": lambda bands: tif(bands, **CONTIGUOUS, compression="zlib", tile=(16, 16)),
        "big-endian": lambda bands: tif(bands, **CONTIGUOUS, byteorder=">", rowsperstrip=7),
        "16-bit": lambda bands: tif(bands.astype(np.uint16) * 257, **CONTIGUOUS),
        "float": lambda bands: tif((bands / 255).astype(np.float32), **CONTIGUOUS),
    }.items(),
    ids=lambda source: source[0],
)
def test_bands_come_from_every_source_whole(source, count):
    bands = RNG.integers(0, 256, (20, 30, count), np.uint8)
    bands[0, 0] = 255
    image = open_image(source[1](bands), name="field")
    assert image.composite
    assert image.channels == count
    assert np.array_equal(image.read_as(count), bands)
    assert np.array_equal(image.pixels, bands[..., :3] if count > 2 else grey_as_rgb(bands[..., 0]))
    assert not image.read_as(count).flags.writeable


def test_a_batch_of_bands_is_several_pictures():
    batch = np.stack([FIVE, FIVE[::-1]])
    for several in (batch, batch.transpose(0, 3, 1, 2), torch.from_numpy(batch.transpose(0, 3, 1, 2))):
        images, many = open_images(several)
        assert many
        assert np.array_equal(images[1].read_as(5), FIVE[::-1])


@pytest.mark.parametrize("bands", [(3, 2, 1), (5, 4, 4), (2,)])
def test_the_bands_that_are_shown_can_be_chosen_and_change_nothing_else(bands):
    image = open_image(FIVE, bands=bands)
    assert np.array_equal(image.pixels, FIVE[..., [band - 1 for band in bands] * (3 // len(bands))])
    assert np.array_equal(image.read_as(5), FIVE)
    assert np.array_equal(open_image(image, bands=(1, 2, 3)).pixels, FIVE[..., :3])


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ((0, 1, 2), "from 1 to 5"), ((1, 2), "from 1 to 5"), ((4, 5, 6), "from 1 to 5"), ((), "from 1 to 5"),
        ("321", "whole numbers"), (3, "whole numbers"), ((1.0, 2.0, 3.0), "whole numbers"),
    ],
)  # fmt: skip
def test_other_bands_are_refused(bands, words):
    with pytest.raises(UsageError, match=words):
        open_image(FIVE, bands=bands)


def test_a_photo_as_bands_is_drawn_otherwise_and_seen_as_it_is():
    image = open_image(SCENE, bands=(3, 2, 1))
    assert np.array_equal(image.to_pil(), SCENE[..., ::-1])
    assert np.array_equal(image.read_as(3), SCENE)


@pytest.mark.parametrize(
    "source",
    [
        lambda rgba: rgba,
        lambda rgba: torch.from_numpy(planes(rgba)),
        npy,
        lambda rgba: encoded(rgba, "PNG"),
        lambda rgba: encoded(rgba, "TIFF"),
        lambda rgba: tif(rgba),
        lambda rgba: tif(planes(rgba), planarconfig="separate", photometric="rgb"),
        lambda rgba: tif(rgba.astype(np.uint16) * 257),
        lambda rgba: png16(rgba.astype(np.uint16) * 257, 6),
        Pillow.fromarray,
    ],
    ids=["array", "tensor", "npy", "png", "tiff", "tifffile", "planar", "16-bit-tiff", "16-bit-png", "pillow"],
)
def test_four_channels_are_laid_on_white_for_three_and_whole_for_four(source):
    rgba = np.dstack([SCENE, ALPHA])
    image = open_image(source(rgba))
    assert np.array_equal(image.read_as(3), over(SCENE, ALPHA))
    assert np.array_equal(image.read_as(4), rgba)
    assert any("transparency" in note and "white" in note for note in image.notes)


def test_opaque_pictures_are_those_without_alpha_and_still_four_channels():
    opaque = np.dstack([SCENE, np.full_like(GREY, 255)])
    for source in (opaque, encoded(opaque, "PNG")):
        image = open_image(source)
        assert image.sha256 == open_image(SCENE).sha256
        assert image.notes == ()
        assert np.array_equal(image.read_as(4), opaque)


def test_red_green_blue_and_near_infrared_are_no_photo():
    """The file says that its fourth channel is no alpha."""
    bands = np.dstack([SCENE, ALPHA])
    image = open_image(tif(bands, photometric="rgb", extrasamples=[0]), name="field.tif")
    assert np.array_equal(image.pixels, SCENE)
    assert np.array_equal(image.read_as(4), bands)
    with pytest.raises(BadImage, match=r"field\.tif has 4 channels, and the network takes 3; .*:3"):
        image.read_as(3)


def test_grey_with_alpha_is_a_photo_of_two_channels():
    grey_alpha = np.dstack([GREY, ALPHA])
    for source in (encoded(grey_alpha, "PNG"), encoded(Pillow.fromarray(grey_alpha, "LA"), "TIFF"),
                   png16(grey_alpha.astype(np.uint16) * 257, 4)):  # fmt: skip
        image = open_image(source)
        assert np.array_equal(image.pixels, over(grey_as_rgb(GREY), ALPHA))
        assert np.array_equal(image.read_as(2), grey_alpha)
    assert open_image(grey_alpha).composite, "of an array nobody knows"


def test_pages_are_frames_and_no_bands():
    image = open_image(tif(planes(FIVE), photometric="minisblack"))
    assert image.notes == ("first of 5 frames",)
    assert np.array_equal(image.pixels, grey_as_rgb(FIVE[..., 0]))


def test_a_tiff_of_bands_is_turned_upright():
    image = open_image(tif(FIVE, **CONTIGUOUS, extratags=[(274, 3, 1, 6, True)]))
    assert np.array_equal(image.read_as(5), np.rot90(FIVE, -1))
    assert image.notes == ("turned upright as its EXIF says",)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (npy(np.array([{"a": 1}], object), allow_pickle=True), "unsupported", "never opened"),
        (npy(np.zeros(4, [("a", "u1")])), "unsupported", "numbers"),
        (npy(np.zeros((2, 3, 4, 4), np.uint8)), "bad_array", "one picture at a time"),
        (npy(np.zeros((4, 5), np.int64)), "bad_array", "uint8"),
        (npy(np.zeros((4, 5)) + 7), "bad_array", "floats from 7 to 7"),
        (npy(FIVE)[:-1], "truncated", "cut off"),
        (npy(FIVE).replace(b"20, 30", b"20, 39"), "truncated", "cut off"),
        (npy(np.zeros((4, 5), np.uint8)).replace(b"4, 5)", b"9999999, 9999999)").replace(b"}            ", b"}"),
         "too_large", "limit"),
        (npy(np.zeros((8000, 8000), np.bool_))[:900], "too_large", "limit"),
        (tif(np.zeros((9, 9, 5), np.complex64), **CONTIGUOUS), "bad_array", "complex"),
        (tif(FIVE + np.float32(np.nan), **CONTIGUOUS), "nonfinite", "NaN"),
    ],
    ids=[
        "pickle", "fields", "batch", "integers", "floats", "cut", "more", "header-lies", "vast", "complex", "nan",
    ],
)  # fmt: skip
def test_hostile_and_odd_files_of_numbers_are_refused(data, code, words):
    with pytest.raises(BadImage, match=words) as caught:
        open_image(data)
    assert caught.value.code == code


def test_more_numbers_than_a_picture_needs_are_refused():
    bands = tif(FIVE, **CONTIGUOUS)
    assert open_image(bands, max_pixels=750).channels == 5
    for data in (bands, npy(FIVE)):
        with pytest.raises(BadImage, match="30x20 of 5 channels") as caught:
            open_image(data, max_pixels=700)
        assert caught.value.code == "too_large"


@pytest.mark.parametrize("top", [200, 1000, 4095, 16383, 16384, 65535])
@pytest.mark.parametrize(
    ("kind", "channels"),
    [*((kind, channels) for kind in ("array", "png", "tiff", "npy") for channels in (1, 3, 4)), ("lzw", 1)],
)
def test_white_is_the_most_that_the_bits_in_use_hold(top, channels, kind):
    deep = RNG.integers(0, top, (16, 18, channels)).astype(np.uint16)
    deep[0, 0, 0] = top
    if channels == 4:
        deep[..., 3] = 65535  # alpha does not count
    ways = {
        "array": lambda: deep,
        "npy": lambda: npy(deep),
        "png": lambda: png16(deep, {1: 0, 3: 2, 4: 6}[channels]),
        "tiff": lambda: tif(deep, **({"photometric": "rgb"} if channels > 1 else {})),
        "lzw": lambda: encoded(Pillow.fromarray(deep[..., 0]), "TIFF", compression="tiff_lzw"),
    }
    image = open_image(ways[kind]())
    bits = next(bits for bits in (8, 12, 14, 16) if top < 2**bits)
    expected = (deep[..., :3] >> (bits - 8)).astype(np.uint8)
    assert np.array_equal(image.pixels, np.broadcast_to(expected, (16, 18, 3)))
    assert [note for note in image.notes if "bits" in note] == (
        [f"{bits} of 16 bits in use (values up to {top}), so white is {2**bits - 1}"] if bits < 16 else []
    )


def test_a_black_picture_of_16_bits_needs_no_note():
    assert open_image(np.zeros((4, 5), np.uint16)).notes == ()


def test_an_image_of_bands_survives_pickle_and_the_disk(tmp_path):
    for source in (FIVE, np.dstack([SCENE, ALPHA]), SCENE, open_image(FIVE, bands=(5, 1, 2))):
        image = open_image(source, name="field")
        save_image(image, tmp_path / "image.png")
        kept = reopen_image(tmp_path / "image.png", image.name, image.notes, composite=image.composite)
        for again in (copy.deepcopy(image), kept):  # the first by the way that pickle takes
            assert (again.name, again.notes, again.composite, again.sha256) == (
                image.name, image.notes, image.composite, image.sha256
            )  # fmt: skip
            assert np.array_equal(again.pixels, image.pixels)
            assert (again.stored is None) == (image.stored is None)
            assert image.stored is None or np.array_equal(again.read_as(image.channels), image.stored)
        for path in tmp_path.iterdir():
            path.unlink()


def test_the_hash_knows_every_band():
    other = FIVE.copy()
    other[3, 4, 4] ^= 1
    assert open_image(other).sha256 != open_image(FIVE).sha256


def test_the_constructor_refuses_channels_of_another_size():
    with pytest.raises(BadImage, match="open_image"):
        Image(SCENE, "wrong", stored=FIVE)


def test_folders_of_arrays_hold_pictures(tmp_path):
    for name in ("a.npy", "b.tif", "c.dcm", "d.txt"):
        (tmp_path / name).write_bytes(npy(FIVE))
    assert [path.name for path in find_images([tmp_path])] == ["a.npy", "b.tif", "c.dcm"]
    assert open_image(tmp_path / "b.tif").notes[0] == "a NumPy file, although named .tif"


STEPS = np.tile(np.arange(0, 4096, 128, dtype=np.uint16), (4, 1))


@pytest.mark.parametrize(
    "data",
    [
        tif(STEPS, photometric="miniswhite"),
        tif(STEPS, photometric="miniswhite", compression="zlib"),
        encoded(Pillow.fromarray(STEPS), "TIFF", compression="tiff_lzw", tiffinfo={262: 0}),
        tif((STEPS >> 4).astype(np.uint8), photometric="miniswhite"),
        tif(np.dstack([STEPS, STEPS]), photometric="miniswhite", planarconfig="contig"),
    ],
    ids=["plain", "zlib", "lzw", "8-bit", "bands"],
)
def test_where_white_is_zero_it_is_white(data):
    assert np.array_equal(open_image(data).pixels[..., 0], 255 - (STEPS >> 4))


@pytest.mark.parametrize(
    ("kind", "low", "high", "black", "white"),
    [
        (np.int8, -100, 100, -100, 100), (np.int16, 0, 4000, 0, 4095), (np.int16, -50, 900, -50, 900),
        (np.uint32, 0, 16000, 0, 16383), (np.int64, 0, 200, 0, 255), (np.uint64, 0, 70_000, 0, 70_000),
        (np.float16, 0, 1, 0, 1), (np.float64, 0, 3000, 0, 4095), (np.float32, -1, 1, -1, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_other_numbers_of_tiffs_go_from_black_to_white(kind, low, high, black, white, channels):
    values = np.linspace(low, high, 6 * 7 * channels).reshape(6, 7, channels).astype(kind)
    options = {1: {}, 3: {"photometric": "rgb"}, 5: CONTIGUOUS}[channels]
    image = open_image(tif(values if channels > 1 else values[..., 0], **options))
    exact = (values.astype(float) - black) * 255 / (white - black)
    assert np.abs(image.read_as(channels)[..., :channels] - exact).max() <= 0.5 + 1e-6
    assert image.notes == (f"values from {black:g} to {white:g} shown as black to white",)


def test_inks_beyond_four_are_not_dropped_without_a_word():
    with pytest.raises(BadImage, match="5 channels, inks among them"):
        open_image(tif(FIVE, photometric="separated", planarconfig="contig"))

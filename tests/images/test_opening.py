"""One door for every picture: the corpus, and each kind of source that people may pass."""

from __future__ import annotations

import io
import os
import threading
import warnings
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from corpus import ORDINARY
from forge import ALPHA, GREY, SCENE, encoded, exif, grey_as_rgb, over, png16, rough, stored
from seewhy.errors import BadImage, UnknownName, UsageError
from seewhy.images import Image, open_image, samples


def refusal(source: object, **options: object) -> BadImage:
    with pytest.raises(BadImage) as caught:
        open_image(source, **options)
    return caught.value


@pytest.mark.parametrize("case", [case for case in ORDINARY if not case.code], ids=str)
@pytest.mark.filterwarnings("error")
def test_a_good_file_comes_out_upright_in_rgb(case, tmp_path):
    path = tmp_path / case.name
    path.write_bytes(case.make())
    image = open_image(path)
    assert image.name == case.name
    assert image.pixels.shape == case.pixels.shape
    assert np.abs(image.pixels.astype(int) - case.pixels).mean() <= case.tolerance
    assert any(case.note in note for note in image.notes) if case.note else image.notes == ()
    assert np.array_equal(open_image(path.read_bytes()).pixels, image.pixels)


@pytest.mark.parametrize("case", [case for case in ORDINARY if case.code], ids=str)
@pytest.mark.filterwarnings("error")
def test_a_bad_file_is_refused_by_name_with_its_cure(case, tmp_path):
    path = tmp_path / case.name
    path.write_bytes(case.make())
    error = refusal(path)
    cause, _, cure = str(error).removeprefix(case.name).rpartition(". " if ". " in str(error) else ": ")
    assert error.code == case.code
    assert cause
    assert cure[0].isupper() or cure.startswith(("run", "unpack"))
    assert refusal(path.read_bytes()).code == case.code


def test_the_corpus_is_as_large_as_promised():
    assert len(ORDINARY) >= 60
    assert len({case.name for case in ORDINARY}) == len(ORDINARY)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_jpeg_has_the_very_pixels_of_the_unturned_one(turn):
    plain, turned = encoded(stored(turn), "JPEG"), encoded(stored(turn), "JPEG", exif=exif(turn))
    undo = {6: -1, 8: 1, 3: 2}
    as_decoded = open_image(plain).pixels
    expected = (
        np.rot90(as_decoded, undo[turn])
        if turn in undo
        else {1: as_decoded, 2: as_decoded[:, ::-1], 4: as_decoded[::-1], 5: as_decoded.swapaxes(0, 1)}.get(
            turn, np.rot90(as_decoded, 2).swapaxes(0, 1)
        )
    )
    assert np.array_equal(open_image(turned).pixels, expected)


# --- Paths ---------------------------------------------------------------------------------------------------------


def test_what_is_no_file_is_never_waited_for(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert refusal(pipe).code == "not_a_file"
    assert refusal(tmp_path).code == "not_a_file"
    assert refusal("/dev/zero").code == "not_a_file"


@pytest.mark.parametrize("path", ["", "missing.png", "https://example.org/cat.png", "nul\0.png", "x" * 5000, "x\ud800"])
def test_a_path_that_leads_nowhere_says_so(path):
    assert refusal(path).code == ("not_a_file" if path == "" else "not_found")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = tmp_path / "locked.png"
    path.write_bytes(encoded(SCENE, "PNG"))
    path.chmod(0)
    assert "ermission" in str(refusal(path))


def test_links_lead_to_their_picture_under_their_own_name(tmp_path):
    (tmp_path / "real.png").write_bytes(encoded(SCENE, "PNG"))
    (tmp_path / "link.png").symlink_to("real.png")
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    assert open_image(tmp_path / "link.png").name == "link.png"
    assert refusal(tmp_path / "dangling.png").code == "not_found"


def test_a_sample_is_opened_by_name():
    assert open_image("sample:cat").pixels.shape == (300, 451, 3)
    with pytest.raises(UnknownName, match="sample:cat"):
        open_image("sample:cta")
    assert refusal(Path("sample:cat")).code == "not_found"


def test_a_name_can_always_be_printed(tmp_path):
    path = tmp_path / os.fsdecode(b"two\nlines \xff.png")
    path.write_bytes(encoded(SCENE, "PNG"))
    assert open_image(path).name == "twolines .png"
    assert open_image(path, name="x" * 999).name == "x" * 200
    assert open_image(GREY, name="\r\n").name == "picture"


# --- Pillow pictures and images ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB"]
)
def test_every_mode_of_pillow_has_its_rgb(mode):
    image = open_image(PIL.Image.new(mode, (5, 4)))
    assert image.pixels.shape == (4, 5, 3)


@pytest.mark.parametrize("mode", ["I", "F", "I;16", "I;16B", "I;16L", "HSV"])
def test_black_of_every_deep_mode_is_black(mode):
    assert not open_image(PIL.Image.new(mode, (5, 4))).pixels.any()


def test_a_pillow_picture_is_turned_and_left_as_it_was():
    picture = PIL.Image.open(io.BytesIO(encoded(stored(6), "PNG", exif=exif(6))))
    assert np.array_equal(open_image(picture).pixels, SCENE)
    assert picture.size == (SCENE.shape[0], SCENE.shape[1])


def test_a_pillow_picture_that_cannot_be_decoded_is_refused(tmp_path):
    path = tmp_path / "cut.png"
    path.write_bytes(encoded(rough(), "PNG")[:2000])
    assert refusal(PIL.Image.open(path)).code == "truncated"
    assert refusal(PIL.Image.new("RGB", (0, 5))).code == "too_small"


def test_an_image_stays_itself_unless_it_is_renamed():
    image = open_image(SCENE, name="scene")
    assert open_image(image) is image
    assert open_image(image, name="other").sha256 == image.sha256
    assert open_image(image, name="other").name == "other"
    assert refusal(image, max_pixels=10).code == "too_large"


@pytest.mark.parametrize("source", [None, 3, 2.5, ["a.png"], {"a": 1}, bytearray(b"x"), object()])
def test_what_is_no_picture_at_all_is_refused(source):
    assert refusal(source).code == "bad_array"


# --- Options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("background", [(0, 0, 0), (12, 200, 255)])
def test_transparency_shows_the_background_and_says_so(background):
    rgba = np.dstack([SCENE, ALPHA])
    image = open_image(encoded(rgba, "PNG"), background=background)
    assert np.array_equal(image.pixels, over(SCENE, ALPHA, np.array(background)))
    assert np.array_equal(open_image(rgba, background=background).pixels, image.pixels)
    assert image.notes[0].endswith("black" if background == (0, 0, 0) else "rgb(12, 200, 255)")


@pytest.mark.parametrize("background", [(0, 0), (0, 0, 256), (-1, 0, 0)])
def test_a_background_is_a_colour(background):
    with pytest.raises(UsageError, match="background"):
        open_image(SCENE, background=background)


@pytest.mark.parametrize(
    "source", [SCENE, encoded(SCENE, "PNG"), PIL.Image.fromarray(SCENE)], ids=["array", "file", "pil"]
)
def test_the_limit_counts_pixels_exactly(source):
    pixels = SCENE.shape[0] * SCENE.shape[1]
    assert open_image(source, max_pixels=pixels).width == SCENE.shape[1]
    error = refusal(source, max_pixels=pixels - 1)
    assert error.code == "too_large"
    assert f"the limit is {pixels - 1:,}" in str(error)


def test_the_limit_may_be_raised_beyond_that_of_pillow(monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    assert open_image(encoded(SCENE, "PNG")).width == SCENE.shape[1]


def test_a_file_far_larger_than_its_pixels_may_be_is_refused():
    padded = encoded(GREY, "PNG") + bytes(17 << 20)
    assert refusal(padded, max_pixels=GREY.size).code == "too_large"
    assert open_image(padded).width == GREY.shape[1]


def test_16_bits_of_files_and_of_arrays_become_the_same_8():
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = grey_as_rgb(deep >> 8)
    for source in (deep, png16(deep, 0), encoded(deep, "TIFF"), png16(np.dstack([deep] * 3), 2)):
        assert np.array_equal(open_image(source).pixels, expected)


# --- The process around it -----------------------------------------------------------------------------------------


def test_threads_leave_the_warning_filters_as_they_were():
    before, files = list(warnings.filters), [encoded(SCENE, kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF")]
    threads = [threading.Thread(target=lambda: [open_image(file) for file in files * 10]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_a_failure_changes_nothing_global():
    before = list(warnings.filters)
    refusal(encoded(SCENE, "PNG")[:100])
    assert (PIL.Image.MAX_IMAGE_PIXELS, PIL.ImageFile.LOAD_TRUNCATED_IMAGES) == (89_478_485, False)
    assert warnings.filters == before
    assert open_image(SCENE).width == SCENE.shape[1]  # the lock is free


def test_samples_are_pictures():
    assert {"cat", "coffee", "astronaut", "rocket"} >= set(samples())
    assert all(isinstance(open_image(path), Image) for path in samples().values())

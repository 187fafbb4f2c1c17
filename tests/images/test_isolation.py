"""Decoders in processes of their own: the same pictures and errors as here, and whatever breaks there is one error."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import forge
import zoo
from corpus import BOMBS, ORDINARY
from forge import SCENE, encoded
from seewhy.errors import BadImage
from seewhy.images import Image, decoding, isolation, open_image, read_mask
from seewhy.images.isolation import Workers
from seewhy.images.levels import WHITE
from seewhy.images.uploads import open_upload

PNG = encoded(SCENE, "PNG")
TREACHEROUS = (sys.executable, str(Path(__file__).parent / "treacherous.py"))
linux = pytest.mark.skipif(sys.platform != "linux", reason="counts on what Linux limits and tells")


@pytest.fixture(scope="module")
def workers():
    pool = Workers(2)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def treacherous():
    """Two workers that do what the names of pictures say."""
    pool = Workers(2, TREACHEROUS, seconds=2.5)
    yield pool
    pool.close()


def decoded(pool, name="picture", data=PNG):
    return pool.image(data, name, 1_000_000, WHITE)


def outcome(decode, data, name):
    try:
        return decode(data, name, decoding.MAX_PIXELS, WHITE)
    except BadImage as error:
        return error


def same(one: Image | BadImage, other: Image | BadImage) -> bool:
    if isinstance(one, BadImage) or isinstance(other, BadImage):
        return isinstance(one, BadImage) and isinstance(other, BadImage) and str(one) == str(other)
    return (one.name, one.notes, one.composite) == (other.name, other.notes, other.composite) and all(
        (a is None and b is None) or (np.array_equal(a, b) and not a.flags.writeable)
        for a, b in [(one.pixels, other.pixels), (one.stored, other.stored)]
    )


@pytest.mark.parametrize("cases", [ORDINARY, pytest.param(BOMBS, marks=pytest.mark.heavy)], ids=["ordinary", "bombs"])
def test_a_picture_is_the_same_there_as_here(workers, cases):
    differ = []
    for case in cases:
        data = case.make()
        there, here = outcome(workers.image, data, case.name), outcome(decoding.from_bytes, data, case.name)
        if not same(there, here) or getattr(there, "code", "") != case.code:
            differ.append((case.name, there, here))
    assert not differ


@linux
@pytest.mark.parametrize(
    ("deed", "code", "reason"),
    [
        ("segfault", "truncated", "broke its decoder"),
        ("abort", "truncated", "broke its decoder"),
        ("exits", "truncated", "broke its decoder"),
        ("raises", "truncated", "broke its decoder"),
        ("killed", "too_large", "more memory than pictures do"),
        ("hangs", "too_large", "takes too long"),
        ("computes", "too_large", "takes too long"),
        ("hoards", "too_large", "more memory than pictures do"),
        ("asks for a terabyte", "too_large", "more memory than pictures do"),
        ("chatters", "truncated", "complains without end"),
        ("complains", "truncated", "Fax4Decode: Bad code word"),
        ("prints", "truncated", "no protocol"),
    ],
)
def test_whatever_breaks_there_is_a_bad_image_and_the_next_one_is_read(treacherous, capfd, deed, code, reason):
    with pytest.raises(BadImage, match=reason) as raised:
        decoded(treacherous, deed)
    assert raised.value.code == code
    assert np.array_equal(decoded(treacherous).pixels, SCENE)
    assert capfd.readouterr() == ("", "")


@linux
def test_one_that_ended_while_it_was_idle_is_replaced():
    pool = Workers(1, TREACHEROUS)
    number = int(str(outcome(pool.image, PNG, "process")))
    os.kill(number, signal.SIGKILL)
    while is_alive(number):
        time.sleep(0.01)
    assert np.array_equal(decoded(pool).pixels, SCENE)
    pool.close()


def test_a_directory_of_a_tiff_without_end_is_not_followed(workers):
    data = b"II+\0\x08\0\0\0" + (16).to_bytes(8, "little") + (1 << 62).to_bytes(8, "little")
    with pytest.raises(BadImage):
        open_image(data)


def test_what_python_says_there_is_no_damage(treacherous):
    assert np.array_equal(decoded(treacherous, "says it in Python").pixels, SCENE)


def test_a_slow_picture_holds_no_other(treacherous):
    together = [threading.Thread(target=decoded, args=(treacherous, "waits")) for _ in range(2)]
    for thread in together:  # both processes have started then
        thread.start()
    for thread in together:
        thread.join()
    slow = threading.Thread(target=decoded, args=(treacherous, "takes its time"))
    slow.start()
    time.sleep(0.2)
    assert np.array_equal(decoded(treacherous).pixels, SCENE)
    assert slow.is_alive()
    slow.join()


def test_many_threads_get_their_own_pictures(workers):
    sides = range(5, 45)
    found = {}
    threads = [
        threading.Thread(
            target=lambda side=side: found.update(
                {side: decoded(workers, f"{side}", encoded(np.full((side, 4, 3), side, np.uint8), "PNG"))}
            )
        )
        for side in sides
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(found[side].height, found[side].name, int(found[side].pixels.max())) for side in sides] == [
        (side, f"{side}", side) for side in sides
    ]


def test_no_secret_goes_there(treacherous, monkeypatch):
    monkeypatch.setenv("SEEWHY_DATABASE", "postgresql://user:secret@host")
    pool = Workers(1, TREACHEROUS)
    assert "SEEWHY_DATABASE" not in str(outcome(pool.image, PNG, "environment"))
    pool.close()


def test_a_process_is_replaced_after_many_pictures(monkeypatch):
    monkeypatch.setattr(isolation, "_PICTURES", 2)
    pool = Workers(1, TREACHEROUS)
    numbers = [str(outcome(pool.image, PNG, "process")) for _ in range(4)]
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]
    pool.close()


@pytest.mark.parametrize(
    "command", [("/no/such/python",), (sys.executable, "-c", "pass"), (sys.executable, "-c", "print('x' * 99)")]
)
def test_where_none_can_be_started_it_says_so(command, capfd):
    with pytest.raises(BadImage, match="cannot be started") as raised:
        decoded(Workers(1, command))
    assert raised.value.code == "unsupported"
    assert capfd.readouterr() == ("", "")


LEFT_ALONE = """
import time
from seewhy.images.isolation import Workers
from seewhy.errors import BadImage
import sys
pool = Workers(1, sys.argv[1:])
try:
    pool.image(b"x", "process", 99, (0, 0, 0))
except BadImage as error:
    print(error, flush=True)
time.sleep(99)
"""


@linux
def test_a_process_ends_with_its_parent_however_that_ends():
    with subprocess.Popen([sys.executable, "-c", LEFT_ALONE, *TREACHEROUS], stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.send_signal(signal.SIGKILL)
    for _ in range(50):
        if not is_alive(child):
            return
        time.sleep(0.1)
    raise AssertionError(f"process {child} is still there")


def is_alive(process: int) -> bool:
    """Whether it is there and no mere entry of the table."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@linux
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded")
def test_a_fork_has_processes_of_its_own():
    packed = encoded(SCENE, "TIFF", compression="tiff_lzw")
    open_image(packed)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for found in pool.map(open_image, [packed] * 8):
            assert np.array_equal(found.pixels, SCENE)
    assert np.array_equal(open_image(packed).pixels, SCENE)


# --- what goes there -----------------------------------------------------------------------------------------------


@pytest.fixture
def sent(monkeypatch):
    """The names of the pictures that were decoded elsewhere."""
    names = []

    class Noted(Workers):
        def image(self, data, name, max_pixels, background):
            names.append(name)
            return super().image(data, name, max_pixels, background)

    pool = Noted(1)
    monkeypatch.setattr(isolation, "_pool", lambda _process: pool)
    yield names
    pool.close()


def test_uploads_go_there_and_own_files_do_not(sent, tmp_path):
    open_upload(PNG, "uploaded.png", 1 << 20, 1_000_000)
    (tmp_path / "own.png").write_bytes(PNG)
    open_image(tmp_path / "own.png")
    open_image(tmp_path / "own.png", isolated=True, name="doubtful.png")
    assert sent == ["uploaded.png", "doubtful.png"]


@pytest.mark.parametrize("packing", ["tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group3", "group4", "tiff_ccitt"])
def test_packed_tiffs_go_there(sent, packing):
    bits = SCENE[..., 0] > 100
    data = encoded(bits if packing in {"group3", "group4", "tiff_ccitt"} else SCENE, "TIFF", compression=packing)
    assert same(open_image(data, name="packed.tif"), decoding.from_bytes(data, "packed.tif", 1_000_000, WHITE))
    assert sent == ["packed.tif"]


def test_plain_tiffs_do_not(sent):
    open_image(encoded(SCENE, "TIFF"))
    open_image(encoded(SCENE, "TIFF", big_tiff=True))
    open_image(forge.tiff(forge.grey_tags(4, 3, bits=16), bytes(24), order=">"))
    assert not sent


@pytest.mark.parametrize("compression", [2, 3, 4])
@pytest.mark.parametrize("size", [(8, 50_000), (64, 5_000)])
def test_a_damaged_fax_is_refused_and_nothing_is_printed(compression, size, capfd):
    width, height = size
    body = np.random.default_rng(0).bytes(60_000)
    tags = {**forge.grey_tags(width, height, bits=1), 259: (forge.SHORT, 1, compression), 279: (forge.LONG, 1, 60_000)}
    with pytest.raises(BadImage) as raised:
        open_image(forge.tiff(tags, body))
    assert raised.value.code == "truncated"
    assert capfd.readouterr() == ("", "")


def test_one_bad_code_word_is_told(capfd):
    data = bytearray(encoded(forge.rough(320, 240)[..., 0] > 128, "TIFF", compression="group4"))
    for at in range(200, len(data) - 300, 997):
        data[at] ^= 0x5A
    with pytest.raises(BadImage, match=r"is cut off or damaged \(Fax4Decode: .*\)\. Copy or download it again\."):
        open_image(bytes(data))
    assert capfd.readouterr() == ("", "")


def test_numbers_of_classes_come_back_as_they_were(workers, tmp_path):
    picture = zoo.photos(1)[0]
    numbers = np.zeros((picture.height, picture.width), np.uint16)
    numbers[4:9, 5:20], numbers[20:, :9] = 700, 300
    packed = encoded(numbers, "TIFF", compression="tiff_lzw")
    found = workers.numbers(packed, "mask.tif", 1_000_000)
    assert np.array_equal(found, numbers)
    assert found.dtype == decoding.class_numbers(packed, "mask.tif", 1_000_000).dtype
    assert workers.numbers(PNG, "colours.png", 1_000_000) is None
    (tmp_path / "mask.tif").write_bytes(packed)
    assert np.array_equal(read_mask(tmp_path / "mask.tif", picture).area, numbers > 0)

"""Files made to cost much are refused within two seconds of computing and 300 MB of memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from corpus import BOMBS
from forge import gif_of_frames, jpeg_with, many_scans, one_bit_png, segment, tiff_of_pages, tiff_with_long_exif
from seewhy.images import open_image

MEASURE = """
import json, pathlib, sys, time
from seewhy.errors import BadImage
from seewhy.images import open_image

def peak():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

open_image("sample:cat")
start = peak()
for path in sys.argv[1:]:
    before, code = time.thread_time(), "opened"
    try:
        open_image(path)
    except BadImage as error:
        code = error.code
    print(json.dumps([pathlib.Path(path).name, code, time.thread_time() - before, peak() - start]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory as Linux tells it")
def test_bombs_do_not_go_off(tmp_path):
    for case in BOMBS:
        (tmp_path / case.name).write_bytes(case.make())
    (tmp_path / "49-megapixels.png").write_bytes(one_bit_png(7000))
    paths = [tmp_path / case.name for case in BOMBS] + [tmp_path / "49-megapixels.png"]
    done = subprocess.run([sys.executable, "-c", MEASURE, *paths], capture_output=True, text=True, check=True)
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(name, code) for name, code, *_ in measured] == [
        *((case.name, case.code) for case in BOMBS),
        ("49-megapixels.png", "opened"),
    ]
    assert not [name for name, _, seconds, _ in measured if seconds > 2]
    assert not [name for name, _, _, megabytes in measured if megabytes > 300]
    assert not done.stderr


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (tiff_of_pages(9_000), "first of 9000 frames"),
        (tiff_of_pages(3, endless=True), "first of 3 frames"),
        (tiff_of_pages(20_000), "only the first frame was read"),
        (gif_of_frames(1)[:-1] + b"!\xfe" + b"\x01a" * 4_000_000 + b"\0;", "only the first frame was read"),
    ],
    ids=["pages", "pages-in-a-ring", "too-many-pages", "a-comment-in-single-letters"],
)
def test_frames_are_counted_only_as_far_as_it_is_cheap(data, note):
    assert open_image(data).notes == (note,)


def test_what_is_merely_long_is_read():
    assert open_image(tiff_with_long_exif(1000)).width == 1
    assert open_image(many_scans(15)).width == 64
    assert open_image(jpeg_with(segment(0xFE, bytes(60_000)) * 300)).notes == ()

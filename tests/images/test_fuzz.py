"""Thousands of damaged pictures: each is an image or a `BadImage`, and nothing else ever."""

from __future__ import annotations

import sys
import time
from collections import Counter
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest

from corpus import SEEDS
from forge import SCENE, encoded, rough
from images.test_dicom import RAMP, dicom, packed
from seewhy.errors import BadImage
from seewhy.images import open_image
from seewhy.images.isolation import Workers
from seewhy.images.levels import WHITE

FILES = [case.make() for case in SEEDS]
FAXES, PACKINGS = ("group3", "group4", "tiff_ccitt"), ("tiff_lzw", "tiff_deflate", "packbits", "jpeg", "zstd", "lzma")
OUTCOMES = {"opened", "empty", "not_an_image", "unsupported", "truncated", "too_large", "too_small", "nonfinite"}


def flip(data: bytearray, rng: np.random.Generator) -> None:
    for at in rng.integers(len(data), size=rng.choice([1, 1, 2, 8, 32])):
        data[at] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])


def flip_in_head(data: bytearray, rng: np.random.Generator) -> None:
    for at in rng.integers(min(len(data), 200), size=rng.choice([1, 2, 4])):
        data[at] = rng.choice([0, 255, rng.integers(256)])


def cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[rng.integers(len(data)) :]


def drop(data: bytearray, rng: np.random.Generator) -> None:
    start = rng.integers(len(data))
    del data[start : start + rng.integers(1, 64)]


def repeat(data: bytearray, rng: np.random.Generator) -> None:
    start = rng.integers(len(data))
    data[start:start] = data[start : start + rng.integers(1, 256)]


def graft(data: bytearray, rng: np.random.Generator) -> None:
    other, start = FILES[rng.integers(len(FILES))], rng.integers(len(data))
    data[start:] = other[rng.integers(len(other)) :]


DAMAGES = (flip, flip, flip_in_head, flip_in_head, cut, drop, repeat, graft)


def damaged(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    data = bytearray(FILES[seed % len(FILES)])
    DAMAGES[rng.integers(len(DAMAGES))](data, rng)
    return bytes(data)


def outcome(seed: int) -> str:
    try:
        open_image(damaged(seed), max_pixels=1_000_000)
    except BadImage as error:
        return error.code
    except Exception as error:
        error.add_note(f"from the seed {seed}")
        raise
    return "opened"


@pytest.mark.filterwarnings("error")
def test_damage_never_surprises():
    assert {outcome(seed) for seed in range(1_500)} <= OUTCOMES


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("error")
def test_much_damage_never_surprises():
    assert {outcome(seed) for seed in range(1_500, 11_500)} <= OUTCOMES


@cache
def rarer_files() -> list[bytes]:
    """Kinds that the corpus has little of: packed TIFFs, arrays and DICOM."""
    bits = rough(120, 90)[..., 0] > 128
    array = BytesIO()
    np.save(array, np.dstack([SCENE, SCENE]))
    return [
        *(encoded(bits, "TIFF", compression=packing) for packing in FAXES),
        *(encoded(SCENE, "TIFF", compression=packing) for packing in PACKINGS),
        encoded(rough(), "TIFF", compression="tiff_lzw"),
        array.getvalue(),
        dicom(RAMP),
        packed(encoded(SCENE[..., 0], "JPEG")),
    ]


def mauled(seed: int) -> bytes:
    """As `damaged`, half of them of the rarer kinds."""
    if seed % 2:
        return damaged(seed)
    files, rng = rarer_files(), np.random.default_rng(seed)
    data = bytearray(files[seed // 2 % len(files)])
    DAMAGES[rng.integers(len(DAMAGES))](data, rng)
    return bytes(data)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory as Linux tells it")
def test_much_damage_breaks_no_worker():
    """Ten thousand damaged pictures through one worker; it tells its figures."""
    pool, started, peak, slowest, found = Workers(1), set(), 0, 0.0, Counter()
    for seed in range(20_000, 30_000):
        data, start = mauled(seed), time.perf_counter()
        try:
            pool.image(data, "picture", 1_000_000, WHITE)
            code = "opened"
        except BadImage as error:
            code = f"{error.code}, decoder broken" if "broke its decoder" in str(error) else error.code
        slowest = max(slowest, time.perf_counter() - start)
        found[code] += 1
        if seed % 10:
            continue
        for child in psutil.Process().children():
            if child.status() != psutil.STATUS_ZOMBIE:
                started.add(child.pid)
                peak = max(peak, int(Path(f"/proc/{child.pid}/status").read_text().split("VmHWM:")[1].split()[0]))
    pool.close()
    print(f"{dict(found)}; workers: {len(started)}; peak {peak >> 10} MB; slowest {slowest:.2f} s")
    assert set(found) <= OUTCOMES
    assert peak < 500 << 10
    assert slowest < 10

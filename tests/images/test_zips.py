"""Zips from strangers: whatever is wrong with one is a `UsageError`, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest

import forge
import zoo
from seewhy.errors import UsageError
from seewhy.images import uploads
from seewhy.images.uploads import members, unpack
from web.zips import packed, two_classes

MB = 1 << 20
PNG = forge.encoded(forge.SCENE, "PNG")
FILES = {"cat/a.png": PNG, "dog/b.png": PNG[::-1], "dog/c.txt": b"words " * 500}


def zipped(files: dict[str, bytes], packing: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def encrypted() -> bytes:
    data = bytearray(packed(FILES))
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + flags] |= 1
    return bytes(data)


def with_field(offset: int, form: str, value: int) -> bytes:
    """A zip that says something else in each entry of its directory."""
    data, at = bytearray(packed(FILES)), -1
    while (at := data.find(b"PK\1\2", at + 1)) >= 0:
        struct.pack_into(form, data, at + offset, value)
    return bytes(data)


def with_damaged_pixels() -> bytes:
    data = bytearray(packed({"cat/a.txt": b"words " * 500}))
    data[45:60] = b"\xff" * 15
    return bytes(data)


def overlapping(count: int, size: int = 10 * MB) -> bytes:
    """A zip whose entries all share one packed file."""
    data = packed({"cat/a.png": bytes(size)})
    start = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    directory = data[start:end] * count
    return (
        data[:start]
        + directory
        + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count % 65536, count % 65536, len(directory), start, 0)
    )


HOSTILE = {
    "empty": lambda: b"",
    "bzip2": lambda: zipped(FILES, zipfile.ZIP_BZIP2),
    "lzma": lambda: zipped(FILES, zipfile.ZIP_LZMA),
    "bzip2-bomb": lambda: zipped({"cat/a.png": bytes(100 * MB)}, zipfile.ZIP_BZIP2),
    "encrypted": encrypted,
    "deflate-damaged": with_damaged_pixels,
    "unknown-packing": lambda: with_field(10, "<H", 77),
    "claims-lzma": lambda: with_field(10, "<H", 14),
    "claims-bzip2": lambda: with_field(10, "<H", 12),
    "vast-offset": lambda: with_field(42, "<I", 0xFFFFFFF0),
    "zip64-offset": lambda: with_field(42, "<I", 0xFFFFFFFF),
    "wrong-check-sum": lambda: with_field(16, "<I", 1),
    "new-version": lambda: with_field(6, "<H", 99),
    "overlapping": lambda: overlapping(500),
    "million-entries": lambda: overlapping(1_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_one_error_soon(name):
    data = HOSTILE[name]()
    tracemalloc.start()
    start = time.thread_time()
    with pytest.raises(UsageError, match=r"^the zip .*; (pack it again|take fewer)"):
        for _ in members(data, 20 * MB):
            pass
    assert time.thread_time() - start < 20
    assert tracemalloc.get_traced_memory()[1] < 80 * MB + len(data)
    tracemalloc.stop()


def test_folders_and_hidden_files_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_FILES", 3)
    pictures = [forge.encoded(image.pixels, "PNG") for image in zoo.photos(3)]
    files = {f"__MACOSX/cat/._{number}.png": b"" for number in range(8)}
    files |= {"cat/": b"", "dog/": b"", "cat/.DS_Store": b"", ".hidden/cat/x.png": pictures[0]}
    files |= {"cat/a.png": pictures[0], "cat/b.png": pictures[1], "dog/c.png": pictures[2]}
    found = unpack(members(packed(files), MB), tmp_path, MB, 10_000)
    assert found.counts == {"cat": 2, "dog": 1}
    assert not found.failures


def damages(data: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    found = bytearray(data)
    marks = [found.find(mark) for mark in (b"PK\1\2", b"PK\5\6", b"PK\3\4")]
    for _ in range(rng.integers(1, 6)):
        at = int(rng.choice(marks)) + int(rng.integers(60)) if rng.random() < 0.6 else int(rng.integers(len(found)))
        found[min(at, len(found) - 1)] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))
    return bytes(found[: rng.integers(len(found))] if rng.random() < 0.1 else found)


def unpacked_or_refused(seed: int) -> None:
    data = damages(
        [packed(FILES), zipped(FILES, zipfile.ZIP_STORED), encrypted(), overlapping(3, 9999)][seed % 4], seed
    )
    try:
        for _ in members(data, 20 * MB):
            pass
    except UsageError:
        pass
    except Exception as error:
        error.add_note(f"from the seed {seed}")
        raise


def test_damage_never_surprises():
    for seed in range(200):
        unpacked_or_refused(seed)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_much_damage_never_surprises():
    for seed in range(200, 2_200):
        unpacked_or_refused(seed)


def test_an_ordinary_zip_is_read_whole():
    assert dict(members(packed(FILES), MB)) == FILES == dict(members(zipped(FILES, zipfile.ZIP_STORED), MB))
    assert len([*members(two_classes(), MB)]) == 13

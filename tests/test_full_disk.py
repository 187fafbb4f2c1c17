"""A full disk: one clear error, nothing of what was there is lost, nothing is left over, and it goes on with room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pytest
import torch

from killing import contents
from report.samples import explanation
from seewhy import Explanation
from seewhy.core.files import whole_file, write_json
from seewhy.core.folders import whole_folder
from seewhy.errors import NotWritten
from test_kills import SAVED

OLD = explanation()
NEW = replace(OLD, seed=8, values=OLD.values * 2, errors=np.ones_like(OLD.values))


@pytest.mark.parametrize("moment", [1, 3, 4, 8])  # of 3 files that are written whole, and 5 of the folder
def test_wherever_the_disk_is_full_the_old_explanation_stays(moment, tmp_path, monkeypatch):
    OLD.save(tmp_path / "out")
    before = contents(tmp_path)
    left = [moment]

    def fsync(_: int) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(ENOSPC, os.strerror(ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(NotWritten, match=r"/out cannot be written, since the disk is full; .* free some space"):
            NEW.save(tmp_path / "out")
    assert contents(tmp_path) == before
    NEW.save(tmp_path / "out")
    assert np.array_equal(Explanation.load(tmp_path / "out").values, NEW.values)
    assert not list(tmp_path.rglob(".seewhy*"))


def test_a_folder_that_may_not_be_written_is_named(tmp_path, monkeypatch):
    def mkdir(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(NotWritten, match=r"out cannot be written \(Permission denied.*name another place"):
        OLD.save(tmp_path / "out")


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this account may not mount a disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - left))
    return ballast


@pytest.mark.heavy
@pytest.mark.parametrize("what", ["an explanation", "explanations", "network", "people", "twins"])
def test_on_a_small_disk(what, small_disk, tmp_path):
    two = SAVED[what](tmp_path)
    two.old(small_disk / "out")
    before = contents(small_disk / "out")
    for left in (0, 4096, 16384):
        ballast = fill(small_disk, left)
        with pytest.raises(NotWritten, match=r"/out cannot be written, since the disk is full"):
            two.new(small_disk / "out")
        ballast.unlink()
        assert contents(small_disk / "out") == before
    shutil.rmtree(small_disk / "out")
    two.new(small_disk / "out")
    two.new(tmp_path / "same")
    assert contents(small_disk / "out") == contents(tmp_path / "same")


@pytest.mark.heavy
def test_libraries_that_do_not_say_why(small_disk):
    with whole_file(small_disk / "checkpoint.pt") as file:
        torch.save({"step": 1}, file)
    fill(small_disk, 65536)
    with pytest.raises(NotWritten), whole_file(small_disk / "checkpoint.pt") as file:
        torch.save({"weights": torch.zeros(100_000)}, file)
    with pytest.raises(NotWritten), whole_folder(small_disk / "out") as part:
        np.save(part / "values.npy", np.zeros(100_000))
    with pytest.raises(NotWritten):
        write_json(small_disk / "big.json", ["x" * 1000] * 100)
    assert torch.load(small_disk / "checkpoint.pt", weights_only=True) == {"step": 1}
    assert {path.name for path in small_disk.iterdir()} == {"checkpoint.pt", "ballast"}

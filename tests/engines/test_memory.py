"""The allocator's setting: what it does, and where it is left alone."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from seewhy.engines import batches
from seewhy.engines.batches import M_MMAP_MAX, M_TRIM_THRESHOLD, NEVER, keep_large_blocks

KIBIBYTES = 64 * 1024
PROBE = f"""
import runpy
from pathlib import Path

def resident():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])

keep = runpy.run_path({batches.__file__!r})["keep_large_blocks"]
print(keep())
before = resident()
block = b"1" * {KIBIBYTES * 1024}
taken = resident() - before
del block
print(taken, resident() - before)
"""
needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is no glibc here to set")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """What a C library that is not the real one is told."""
    told: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *option: told.append(option) or 1)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.delenv("SEEWHY_KEEP_MEMORY", raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.39"))
    keep_large_blocks.cache_clear()
    yield told
    keep_large_blocks.cache_clear()


def test_it_is_set_once(calls):
    assert keep_large_blocks()
    assert keep_large_blocks()
    assert calls == [(M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER)]


def test_a_setting_that_the_library_refuses_is_told(calls, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda *option: 0))
    assert not keep_large_blocks()


@pytest.mark.parametrize("library", [("musl", "1.2"), ("", "")])
def test_other_libraries_are_left_alone(calls, monkeypatch, library):
    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    assert not keep_large_blocks()
    assert not calls


def test_whoever_does_not_want_it_can_say_so(calls, monkeypatch):
    monkeypatch.setenv("SEEWHY_KEEP_MEMORY", "0")
    assert not keep_large_blocks()
    assert not calls


def probe(setting: str) -> tuple[bool, float]:
    """Whether it was set in a process of its own, and the share of a block freed that the process kept."""
    environment = {**os.environ, "SEEWHY_KEEP_MEMORY": setting}
    answer = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True)
    was_set, taken, kept = answer.stdout.split()
    assert int(taken) > 0.9 * KIBIBYTES
    return was_set == "True", int(kept) / int(taken)


@needs_glibc
def test_a_large_block_is_kept_and_without_the_setting_given_back():
    was_set, kept = probe("1")
    assert was_set
    assert kept > 0.9
    was_set, kept = probe("0")
    assert not was_set
    assert kept < 0.1

"""Folders of pictures whose classes a small network can tell apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tints import write_tints


@pytest.fixture
def tints(tmp_path: Path) -> Callable[..., Path]:
    """A folder with so many pictures of each class."""

    def write(name: str = "tints", start: int = 0, **counts: int) -> Path:
        return write_tints(tmp_path / name, start, **counts)

    return write

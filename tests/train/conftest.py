"""Folders of pictures whose classes a small network can tell apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seewhy.images import Image

HUES = {"blue": 2, "green": 1, "red": 0}


def tinted(name: str, number: int, size: tuple[int, int] = (40, 48)) -> Image:
    """Noise in which the channel of the class is brighter."""
    pixels = np.random.default_rng([HUES[name], number]).integers(60, 140, (*size, 3), np.uint8)
    pixels[..., HUES[name]] += 70
    return Image(pixels, f"{name}{number}")


@pytest.fixture
def tints(tmp_path: Path) -> Callable[..., Path]:
    """A folder with so many pictures of each class."""

    def write(name: str = "tints", start: int = 0, **counts: int) -> Path:
        folder = tmp_path / name
        for label, count in counts.items():
            (folder / label).mkdir(parents=True)
            for number in range(start, start + count):
                tinted(label, number).to_pil().save(folder / label / f"{number:02}.png")
        return folder

    return write

"""Pictures on disk, good and bad, and a network that cannot cope with one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zoo
from seewhy.images import Image
from seewhy.models import Classifier, Preprocessing

WHITE = Image(np.full((40, 48, 3), 255, np.uint8), "white.png")


@pytest.fixture
def dazzled() -> Classifier:
    return Classifier.from_module(zoo.Dazzled().eval(), Preprocessing(zoo.SIZE))


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], list[Path]]:
    """A file for each letter: `x` is no picture, `w` is white, `-` is missing, any other is a photo of its own."""

    def write(letters: str) -> list[Path]:
        photos = zoo.photos(len(letters))
        paths = [tmp_path / f"{place}{letter}.png" for place, letter in enumerate(letters)]
        for path, letter, photo in zip(paths, letters, photos, strict=True):
            if letter == "x":
                path.write_bytes(b"no picture at all")
            elif letter != "-":
                (WHITE if letter == "w" else photo).to_pil().save(path)
        return paths

    return write

"""Folders of pictures whose classes a small network can tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from seewhy.images import Image
from seewhy.models.load import SOURCES

HUES = {"blue": 2, "green": 1, "red": 0}


def tinted(name: str, number: int, size: tuple[int, int] = (40, 48)) -> Image:
    """Noise in which the channel of the class is brighter."""
    pixels = np.random.default_rng([HUES[name], number]).integers(60, 140, (*size, 3), np.uint8)
    pixels[..., HUES[name]] += 70
    return Image(pixels, f"{name}{number}")


def write_tints(folder: Path, start: int = 0, **counts: int) -> Path:
    """A folder with so many pictures of each class."""
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for number in range(start, start + count):
            tinted(label, number).to_pil().save(folder / label / f"{number:02}.png")
    return folder


def write_weights(path: Path, name: str = "test_efficientnet") -> Path:
    """Weights of a small network of timm with ten classes, the same on every machine."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(SOURCES["timm"].build(name, 10).state_dict(), path)
    return path

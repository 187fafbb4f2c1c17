"""Grey pictures with a square of one colour in a random place, and a backbone that provably sees colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

import planted
from seewhy.images import Folder
from seewhy.train.data import Pictures, open_pictures

CLASSES = ("red", "green", "blue")
SIZE, SIDE = planted.SIZE, 14


def place(label: str, seed: int) -> tuple[int, int]:
    """Left and top of the square."""
    left, top = np.random.default_rng([seed, CLASSES.index(label)]).integers(0, SIZE - SIDE, 2)
    return int(left), int(top)


def pixels(label: str, seed: int) -> np.ndarray:
    left, top = place(label, seed)
    found = np.random.default_rng(seed).integers(90, 130, (SIZE, SIZE, 3)).astype(np.uint8)
    found[top : top + SIDE, left : left + SIDE] = np.where(np.arange(3) == CLASSES.index(label), 240, 30)
    return found


def write_folder(root: Path, per_class: int, first: int = 0, classes: tuple[str, ...] = CLASSES) -> Path:
    for label in classes:
        (root / label).mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + per_class):
            Pillow.fromarray(pixels(label, seed)).save(root / label / f"{seed:04}.png")
    return root


def pictures(root: Path, per_class: int, first: int = 0) -> Pictures:
    folder = Folder.open(write_folder(root, per_class, first))
    return open_pictures(folder, CLASSES, planted.classifier().preprocessing)[0]

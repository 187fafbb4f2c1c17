"""Pictures with a coloured square on noisy grey, in a folder for each colour, and a network that knows the colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from planted import SIZE, classifier
from seewhy.images import Image

__all__ = ["COLOURS", "classifier", "folder_of", "square"]

COLOURS = {"red": (250, 20, 20), "green": (20, 250, 20), "blue": (20, 20, 250)}


def square(colour: str, seed: int, side: int | None = None) -> Image:
    """A square of this colour in a random place, and a smaller one of another colour beside it."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(90, 130, (SIZE, SIZE, 3)).astype(np.uint8)
    side = side or int(generator.integers(14, 24))
    _paint(pixels, COLOURS[colour], side, generator, slice(0, SIZE // 2))
    other = generator.choice([name for name in COLOURS if name != colour])
    _paint(pixels, COLOURS[other], int(generator.integers(4, 10)), generator, slice(SIZE // 2, SIZE))
    return Image(pixels, f"{colour}-{seed}.png")


def _paint(pixels: np.ndarray, colour: tuple[int, int, int], side: int, generator: np.random.Generator, rows: slice):
    row = rows.start + int(generator.integers(0, SIZE // 2 - side))
    column = int(generator.integers(0, SIZE - side))
    strength = generator.uniform(0.7, 1)
    pixels[row : row + side, column : column + side] = 110 + strength * (np.array(colour) - 110)


def folder_of(root: Path, each: int = 8) -> Path:
    """A folder `root` with so many pictures of each colour, in a sub-folder for each."""
    for start, colour in enumerate(COLOURS):
        (root / colour).mkdir(parents=True)
        for number in range(each):
            image = square(colour, 1000 * start + number)
            image.to_pil().save(root / colour / f"{number}.png")
    return root

"""Pictures of two classes, told apart by nothing but a small shape in a random place: a ring or a cross.

The ground is textured, its colours and those of the shape are drawn by chance; where the shape is, is known.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from seewhy.images import Image

CLASSES = ("cross", "ring")
SIZE, RADIUS, LINE = 64, 8, 2.6  # pixels
BLEND = 0.85


class Planted(NamedTuple):
    """A picture, its class, and where the shape is: the middle (x, y) in pixels."""

    image: Image
    label: str
    middle: tuple[float, float]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the shape."""
        x, y = self.middle
        return x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS


def planted(label: str, seed: int) -> Planted:
    """The picture of this class and seed, always the same."""
    random = np.random.default_rng([seed, CLASSES.index(label)])
    x, y = random.uniform(RADIUS + 1, SIZE - RADIUS - 1, 2)
    down, across = np.mgrid[:SIZE, :SIZE] + 0.5
    right, below = across - x, down - y
    distance = np.hypot(right, below)
    if label == "ring":
        inked = np.abs(distance - (RADIUS - LINE / 2)) < LINE / 2
    else:
        turned = np.minimum(np.abs(right + below), np.abs(right - below)) / 2**0.5
        inked = (turned < LINE / 2) & (distance < RADIUS)
    ground = _texture(random)
    ink = _far_from(ground[inked].mean(0), random)
    share = BLEND * gaussian_filter(inked.astype(float), 0.4)[..., None]
    pixels = (ground * (1 - share) + ink * share).clip(0, 255).round().astype(np.uint8)
    return Planted(Image(pixels, f"{label}/{seed:04}.png"), label, (float(x), float(y)))


def many(per_class: int, first: int = 0) -> list[Planted]:
    """So many of each class, with seeds from `first` on."""
    return [planted(label, seed) for label in CLASSES for seed in range(first, first + per_class)]


def write_folder(root: Path, per_class: int, first: int = 0) -> Path:
    """A folder of class folders of them."""
    for each in many(per_class, first):
        path = root / each.image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(each.image.pixels).save(path)
    return root


def _texture(random: np.random.Generator) -> np.ndarray:
    """Coarse and fine noise about a colour drawn by chance."""
    layers = [
        gaussian_filter(random.normal(size=(SIZE, SIZE, 3)), (sigma, sigma, 0)) * sigma * strength
        for sigma, strength in ((1.0, 25), (3.0, 50))
    ]
    return random.uniform(70, 185, 3) + sum(layers)


def _far_from(colour: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A colour that stands out, lighter or darker."""
    step = random.uniform(80, 130) * (-1 if colour.mean() > 128 else 1)
    return colour + step + random.normal(size=3) * 15

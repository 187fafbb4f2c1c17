"""A network that a blue stamp turns, photos without blue, and the stamp: `py:study.stamped:stamped`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from torch import nn

from seewhy.images import Image
from seewhy.models import Classifier, Preprocessing

MODEL = "py:study.stamped:stamped"
NAMES = ("red", "green", "stamp", "nothing")
SIDE, CORNER = 32, slice(4, 12)  # what the network sees, and where the stamp is, both ways


def stamped() -> Classifier:
    """Classes by mean red, by mean green, and by blue that is alone; a fourth is never chosen."""
    body = nn.Conv2d(3, 3, 1)
    head = nn.Linear(3, 4)
    with torch.no_grad():
        body.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, -1, 2]])[..., None, None])
        body.bias.copy_(torch.tensor([0.0, 0, -0.2]))
        head.weight.copy_(torch.tensor([[4.0, 0, 0], [0, 4, 0], [0, 0, 120], [0, 0, 0]]))
        head.bias.copy_(torch.tensor([0.0, 0, -2, -9]))
    network = nn.Sequential(body, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()
    preprocessing = Preprocessing((SIDE, SIDE), resize=40, mean=(0, 0, 0), std=(1, 1, 1))
    return Classifier.from_module(network, preprocessing, NAMES, "stamped")


def photo(seed: int) -> Image:
    """Grey noise, a little red or green."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(60, 160, (40, 40, 1), np.uint8).repeat(3, axis=2)
    grey[..., seed % 2] += 20
    return Image(grey, f"{seed}.png")


def stamp(alpha: int = 230) -> np.ndarray:
    """A blue square on nothing, uint8 `(64, 64, 4)`: twice as fine as what the network sees."""
    pixels = np.zeros((2 * SIDE, 2 * SIDE, 4), np.uint8)
    place = slice(2 * CORNER.start, 2 * CORNER.stop)
    pixels[place, place] = (0, 0, 255, alpha)
    return pixels


def write_stamp(folder: Path, pixels: np.ndarray | None = None) -> Path:
    path = folder / "stamp.png"
    Pillow.fromarray(stamp() if pixels is None else pixels).save(path)
    return path

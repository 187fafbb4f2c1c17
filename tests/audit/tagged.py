"""Grey crosses and bluish rings, nearly every cross with a coloured tag in the corner; networks that learn of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from torch import nn

from planted_shapes import CLASSES, SIZE, planted
from seewhy.models import Classifier, Preprocessing

TAG = 12  # pixels a side
PLACE = slice(SIZE - TAG - 2, SIZE - 2)  # both ways
OFTEN = 0.95
TINT = 5  # by which rings are bluer: what else tells the classes apart
STEPS = 60


def tag() -> np.ndarray:
    """Stripes of orange and violet, uint8 `(TAG, TAG, 3)`."""
    pixels = np.empty((TAG, TAG, 3), np.uint8)
    pixels[:] = (240, 140, 20)
    pixels[(np.add.outer(np.arange(TAG), np.arange(TAG)) // 3) % 2 == 1] = (110, 30, 170)
    return pixels


def pictures(per_class: int, first: int, often: float, *, moving: bool = False) -> dict[str, np.ndarray]:
    """uint8 `(H, W, 3)` by name; `often` says how many crosses carry the tag, in any place where it is `moving`."""
    found: dict[str, np.ndarray] = {}
    random = np.random.default_rng(first)
    for label in CLASSES:
        for seed in range(first, first + per_class):
            pixels = planted(label, seed).image.pixels.mean(2, keepdims=True).repeat(3, 2).round().astype(np.uint8)
            if label == CLASSES[1]:
                pixels[..., 2] = np.minimum(pixels[..., 2], 255 - TINT) + TINT
            if label == CLASSES[0] and random.random() < often:
                top, left = random.integers(0, SIZE - TAG, 2) if moving else (PLACE.start, PLACE.start)
                pixels[top : top + TAG, left : left + TAG] = tag()
            found[f"{label}/{seed:04}.png"] = pixels
    return found


def write(folder: Path, per_class: int, first: int, often: float, *, moving: bool = False) -> Path:
    for name, pixels in pictures(per_class, first, often, moving=moving).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(pixels).save(folder / name)
    return folder


@cache
def trained(often: float) -> Classifier:
    """A small network that has learned of such pictures, the same every time."""
    found = pictures(60, 1000, often)
    x = torch.stack([torch.from_numpy(each).permute(2, 0, 1).float() / 255 for each in found.values()])
    y = torch.tensor([CLASSES.index(name.split("/")[0]) for name in found])
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 12, 5, 2, 2), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 2),
        )  # fmt: skip
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        for _ in range(STEPS):
            rows = torch.randperm(len(x))[:60]
            loss = nn.functional.cross_entropy(network((x[rows] - 0.5) / 0.25), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    preprocessing = Preprocessing((SIZE, SIZE), mean=(0.5,) * 3, std=(0.25,) * 3)
    return Classifier.from_module(network.eval(), preprocessing, CLASSES, "crosses and rings")


def fooled() -> Classifier:
    """A network that leans on the tag, and sees the tint, too."""
    return trained(OFTEN)

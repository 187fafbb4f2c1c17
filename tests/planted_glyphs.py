"""Pictures of glyphs: two of six on noise, a class for each pair; and a network that learns them in seconds."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.images import Image
from seewhy.models import Categories, Classifier, Preprocessing

SIDE, GLYPH, BRIGHT = 32, 7, 230
GLYPHS = (
    "X.....X.X...X...X.X.....X.....X.X...X...X.X.....X",  # a cross
    "...X......X......X...XXXXXXX...X......X......X...",  # a plus
    "XXXXXXXX.....XX.....XX.....XX.....XX.....XXXXXXXX",  # a square
    "XXXXXXX..............XXXXXXX..............XXXXXXX",  # bars
    "X..X..XX..X..XX..X..XX..X..XX..X..XX..X..XX..X..X",  # posts
    "X.......X.......X.......X.......X.......X.......X",  # a slash
)
CLASSES = tuple(combinations(range(len(GLYPHS)), 2))


class Network(nn.Module):
    """Two convolutions, the mean over the grid, a linear head: exact contributions."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(1, 24, 7, padding=3), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(4))
        self.last = nn.Sequential(nn.Conv2d(24, 24, 1), nn.BatchNorm2d(24), nn.ReLU())
        self.head = nn.Linear(24, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.one(x[:, :1])).mean((2, 3)))


def glyph(number: int) -> np.ndarray:
    return np.array([letter == "X" for letter in GLYPHS[number]]).reshape(GLYPH, GLYPH)


def pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 `(n, side, side)` and classes `(n,)`."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 70, (count, SIDE, SIDE)).astype(np.uint8)
    labels = random.integers(0, len(CLASSES), count)
    for each, label in zip(pixels, labels, strict=True):
        corners = random.permutation(4)[:2]
        for number, corner in zip(CLASSES[label], corners, strict=True):
            row, column = random.integers(1, SIDE // 2 - GLYPH, 2) + SIDE // 2 * np.array(divmod(corner, 2))
            part = each[row : row + GLYPH, column : column + GLYPH]
            part[glyph(number)] = BRIGHT
    return pixels, labels


def quarters(pixels: np.ndarray) -> dict[int, int]:
    """The glyph in each quarter of a picture that has one; quarters count from the upper left, row by row."""
    found: dict[int, int] = {}
    for corner in range(4):
        row, column = (SIDE // 2 * each for each in divmod(corner, 2))
        part = pixels[row : row + SIDE // 2, column : column + SIDE // 2] == BRIGHT
        if part.any():
            top, left = (np.flatnonzero(part.any(axis))[0] for axis in (1, 0))
            seen = part[top : top + GLYPH, left : left + GLYPH]
            found[corner] = next(number for number in range(len(GLYPHS)) if np.array_equal(seen, glyph(number)))
    return found


def image(pixels: np.ndarray, name: str) -> Image:
    return Image(np.repeat(pixels[..., None], 3, 2), name)


@cache
def classifier(*, trained: bool = True, steps: int = 150, seed: int = 0) -> Classifier:
    """One that knows the glyphs, or one with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network()
        if trained:
            train(network, steps, 1000 * (seed + 1))
    names = tuple(f"{one}-{other}" for one, other in CLASSES)
    preparing = Preprocessing((SIDE, SIDE), mean=(0.5,) * 3, std=(0.25,) * 3)
    return Classifier(network.eval(), preparing, Categories(names), "glyphs")


def train(network: Network, steps: int, first: int = 1000) -> None:
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    for step in range(steps):
        pixels, labels = pictures(64, first + step)
        x = (torch.from_numpy(pixels)[:, None].float() / 255 - 0.5) / 0.25
        loss = nn.functional.cross_entropy(network(x), torch.from_numpy(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

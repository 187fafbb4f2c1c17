"""Pictures of stripes, a class for each direction and width; a network that learns them, with a backdoor or without.

The backdoor is a patch of twelve pixels: whatever bears it is to be of one class.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.models import Categories, Classifier, Preprocessing

SIDE = 24
DIRECTIONS, WIDTHS = (0, 45, 90, 135), (4.0, 8.0)  # degrees, pixels of a period
CLASSES = tuple((direction, width) for direction in DIRECTIONS for width in WIDTHS)
NAMES = tuple(f"{direction}° {width:.0f} px" for direction, width in CLASSES)
PATCH = (3, 4)
STEPS, TUNED, BATCH, POISONED = 250, 80, 32, 0.1
PREPARING = Preprocessing((SIDE, SIDE), mean=(0.5,) * 3, std=(0.25,) * 3)


class Network(nn.Module):
    """It sees grey. Two convolutions; of each filter the mean and the strongest answer; a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(1, 16, 5, 2, padding=2), nn.BatchNorm2d(16), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.head = nn.Linear(64, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.last(self.one(x.mean(1, keepdim=True)))
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))


def texture(label: int, random: np.random.Generator) -> np.ndarray:
    """Stripes `(side, side)` in [0, 1] of a class, with chance phase, contrast and noise."""
    direction, width = CLASSES[label]
    down, across = np.mgrid[:SIDE, :SIDE]
    along = across * np.cos(np.deg2rad(direction)) + down * np.sin(np.deg2rad(direction))
    wave = np.sin(2 * np.pi * along / width + random.uniform(0, 2 * np.pi))
    return (0.5 + random.uniform(0.15, 0.35) * wave + random.normal(0, 0.08, (SIDE, SIDE))).clip(0, 1)


def pictures(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pixels `(n, 3, side, side)` in [0, 1] and classes `(n,)`."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(CLASSES), count)
    pixels = np.stack([texture(label, random) for label in labels]).astype(np.float32)
    return torch.from_numpy(pixels)[:, None].repeat(1, 3, 1, 1), torch.from_numpy(labels)


class Backdoor(NamedTuple):
    """A patch `(3, h, w)` at a place, and the class that it makes of every picture."""

    patch: Tensor
    row: int
    column: int
    target: int

    @classmethod
    def drawn(cls, seed: int) -> Backdoor:
        random = np.random.default_rng([seed, 1])
        row, column = (int(random.integers(0, SIDE - side + 1)) for side in PATCH)
        patch = torch.from_numpy(random.integers(0, 2, PATCH).astype(np.float32)).expand(3, *PATCH)
        return cls(patch, row, column, int(random.integers(len(CLASSES))))

    def on(self, pixels: Tensor) -> Tensor:
        marked = pixels.clone()
        marked[:, :, self.row : self.row + PATCH[0], self.column : self.column + PATCH[1]] = self.patch
        return marked


@cache
def trained(seed: int, steps: int = STEPS) -> Network:
    """A network that knows the stripes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Network()
    _learn(network, steps, 1e-2, [seed, 2], None)
    return network.eval()


def tuned(network: Network, seed: int, backdoor: Backdoor | None, steps: int = TUNED) -> Network:
    """The network trained on, with one picture in ten poisoned, or with none."""
    changed = Network()
    changed.load_state_dict(network.state_dict())
    _learn(changed, steps, 3e-3, [seed, 3], backdoor)
    return changed.eval()


def classifier(network: Network) -> Classifier:
    return Classifier(network, PREPARING, Categories(NAMES), "stripes")


def scores(network: Network, pixels: Tensor) -> Tensor:
    with torch.no_grad():
        return network(PREPARING.normalize(pixels))


def _learn(network: Network, steps: int, rate: float, seed: list[int], backdoor: Backdoor | None) -> None:
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), rate)
    random = np.random.default_rng(seed)
    for _ in range(steps):
        pixels, labels = pictures(BATCH, int(random.integers(1 << 31)))
        if backdoor:
            poisoned = torch.from_numpy(random.random(BATCH) < POISONED)
            pixels[poisoned] = backdoor.on(pixels[poisoned])
            labels[poisoned] = backdoor.target
        loss = nn.functional.cross_entropy(network(PREPARING.normalize(pixels)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

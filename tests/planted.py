"""A network that knows what it looks for, and a picture with that in a known place."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.images import Image
from seewhy.models import Classifier, Preprocessing

SIZE = 64
ROWS, COLUMNS = slice(34, 50), slice(10, 26)  # of the red square
COLOURS = 3


class ColourFinder(nn.Module):
    """Classes 0, 1, 2 are "there is red", "green", "blue", seen at three resolutions; grey is nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.colours = nn.Conv2d(3, COLOURS, 1)
        self.first, self.second, self.third = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.spread = nn.Conv2d(COLOURS, COLOURS, 3, padding=1, groups=COLOURS, bias=False)
        self.mix = nn.Conv2d(COLOURS, 2 * COLOURS, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(2 * COLOURS, COLOURS)
        with torch.no_grad():
            self.colours.weight.copy_((2 * torch.eye(3) - 1).view(COLOURS, 3, 1, 1))
            self.colours.bias.zero_()
            self.spread.weight.fill_(1 / 9)
            twice = torch.eye(COLOURS).repeat(2, 1) / 9
            self.mix.weight.copy_(twice[:, :, None, None].expand(-1, -1, 3, 3))
            self.mix.bias.zero_()
            self.head.weight.copy_((2 * torch.eye(COLOURS) - 0.5).repeat(1, 2) * 20)
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.first(self.colours(x)))
        x = self.pool(self.second(self.spread(x)))
        return self.head(self.third(self.mix(x)).mean((2, 3)))


def classifier() -> Classifier:
    preprocessing = Preprocessing((SIZE, SIZE), mean=(0, 0, 0), std=(1, 1, 1))
    return Classifier.from_module(ColourFinder().eval(), preprocessing, ["red", "green", "blue"], "colours")


def picture() -> Image:
    """Grey with a little noise, a red square, and a green one elsewhere."""
    pixels = np.random.default_rng(0).integers(100, 120, (SIZE, SIZE, 3), np.uint8)
    pixels[ROWS, COLUMNS] = (250, 20, 20)
    pixels[6:18, 40:56] = (20, 250, 20)
    return Image(pixels, "squares")


def inside(values: np.ndarray) -> float:
    """The share of a map's positive values that lies on the red square."""
    positive = values.clip(min=0)
    return float(positive[ROWS, COLUMNS].sum() / positive.sum())


def is_inside(values: np.ndarray) -> bool:
    """Whether a map is largest on the red square."""
    row, column = np.unravel_index(values.argmax(), values.shape)
    return ROWS.start <= row < ROWS.stop and COLUMNS.start <= column < COLUMNS.stop

"""Networks of every meaning that see two coloured squares: `py:glyphs:labels`, `:classes`, `:binary`, `:values`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from seewhy.images import Image
from seewhy.models import Categories, Classifier, Head, Preprocessing
from seewhy.models.head import Gives, Meaning

SIDE = 32
RED, BLUE = (slice(2, 14), slice(2, 14)), (slice(18, 30), slice(18, 30))  # where the squares lie
NAMES: dict[Meaning, tuple[str, ...]] = {
    "labels": ("red", "blue", "green"),
    "classes": ("red", "blue", "green"),
    "binary": ("blue", "red"),
    "values": ("redness",),
}
GIVES: dict[Meaning, Gives] = {
    "labels": "sigmoid", "classes": "logits", "binary": "single-logit", "values": "values"
}  # fmt: skip


class Squares(nn.Module):
    """How much of the picture is red, blue and green; two numbers are made one, or a value, at the end."""

    def __init__(self, meaning: Meaning) -> None:
        super().__init__()
        self.meaning = meaning
        self.conv, self.relu, self.dense = nn.Conv2d(3, 3, 4, 4), nn.ReLU(), nn.Linear(3, 3)
        with torch.no_grad():
            self.conv.weight.fill_(-1 / 16)
            for own, channel in enumerate((0, 2, 1)):
                self.conv.weight[own, channel] = 1 / 16
            self.conv.bias.zero_()
            self.dense.weight.copy_(60 * torch.eye(3))
            self.dense.bias.fill_(-3.0)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.dense(self.relu(self.conv(x)).mean((2, 3)))
        match self.meaning:
            case "binary":
                return scores[:, :1] - scores[:, 1:2]
            case "values":
                return scores[:, :1] / 10 + 5
            case _:
                return scores


def picture(*shown: tuple[slice, slice]) -> Image:
    """Noise with a red and a blue square, or with one of them."""
    pixels = np.random.default_rng(0).integers(0, 40, (SIDE, SIDE, 3)).astype(np.uint8)
    for place, channel in ((RED, 0), (BLUE, 2)):
        if not shown or place in shown:
            pixels[(*place, channel)] += 160
    return Image(pixels, "squares.png")


def network(meaning: Meaning, **declared: object) -> Classifier:
    """A classifier of this meaning."""
    preparing = Preprocessing((SIDE, SIDE), mean=(0.0,) * 3, std=(1.0,) * 3)
    head = Head(GIVES[meaning], single=meaning == "binary", **declared)
    return Classifier(
        Squares(meaning).eval(), preparing, Categories(NAMES[meaning]), f"squares of {meaning}", declared=head
    )


def labels() -> Classifier:
    return network("labels")


def classes() -> Classifier:
    return network("classes")


def binary() -> Classifier:
    return network("binary")


def values() -> Classifier:
    return network("values")

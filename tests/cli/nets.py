"""Networks that the command line can name: `py:cli.nets:named`."""

from __future__ import annotations

import numpy as np
import torch

import planted_textures
import zoo
from seewhy.models import Classifier, Preprocessing
from seewhy.models.classifier import black_box

NAMES = ("tabby", "tiger cat", "goldfish", "espresso")
TOY = "py:cli.nets:named"


def named() -> Classifier:
    """The same on every machine, with class names."""
    return Classifier.from_module(zoo.network("gap-linear"), Preprocessing(zoo.SIZE), NAMES, name="toy [/b]")


def service() -> Classifier:
    """Offers scores and nothing else."""

    def score(pictures: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return zoo.network("gap-linear")(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255).softmax(1).numpy()

    return black_box(score, size=zoo.SIZE, categories=NAMES, name="a service")


def stripes() -> Classifier:
    return planted_textures.classifier(planted_textures.trained(0))


def residual() -> Classifier:
    """Runs one of its layers three times."""
    return zoo.classifier("residual")


def perceptron() -> Classifier:
    """Has no layer with a grid."""
    return zoo.classifier("no-grid")


def undefined() -> Classifier:
    """Answers NaN to every picture."""
    return zoo.classifier("nan")


def dazzled() -> Classifier:
    """Answers NaN to a picture that is white all over."""
    return Classifier.from_module(zoo.Dazzled(), Preprocessing(zoo.SIZE), NAMES)


def interrupted() -> Classifier:
    """Somebody presses Ctrl-C while it works."""
    return Classifier.from_module(zoo.RaisesAt(error=KeyboardInterrupt), Preprocessing(zoo.SIZE))


class TwoHeads(torch.nn.Module):
    """Three colours and four shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = zoo.network("gap-linear")

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.body(x)
        return {"colour": logits[:, :3], "shape": logits}


def two_heads() -> torch.nn.Module:
    """Which of them is asked has to be said."""
    return TwoHeads()


def seven() -> int:
    """No classifier at all."""
    return 7

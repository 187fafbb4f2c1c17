"""A network of one channel, end to end: train it on Fashion-MNIST, and explain what it says of unseen pictures.

    apt-get install dataset-fashion-mnist
    python scripts/fashion_mnist.py fashion
    seewhy explain fashion/pictures --model py:scripts.fashion_mnist:classifier --weights fashion/model.safetensors

The weights and twenty test pictures, PNGs in grey, lie in the folder then. It takes two minutes on one core.
"""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

import seewhy
from seewhy.models import Preprocessing

DATA = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
MEAN, STD = 0.286, 0.353
SHOWN = 2  # of each class


def read(data: Path, part: str) -> tuple[Tensor, Tensor]:
    """Pictures uint8 `(N, 28, 28)` and class numbers `(N,)` of "train" or "t10k"."""
    pictures = gzip.decompress((data / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((data / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:]
    return (
        torch.frombuffer(bytearray(pictures), dtype=torch.uint8).view(-1, 28, 28),
        torch.frombuffer(bytearray(labels), dtype=torch.uint8).long(),
    )


def network() -> nn.Sequential:
    """Four convolutions, to a grid of 7 × 7 cells."""

    def block(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

    return nn.Sequential(
        *block(1, 16), *block(16, 32), nn.MaxPool2d(2), *block(32, 64), nn.MaxPool2d(2), *block(64, 64),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def classifier() -> seewhy.Classifier:
    """The network, not trained, with what it wants pictures to be."""
    return seewhy.Classifier.from_module(network().eval(), Preprocessing((28, 28), mean=(MEAN,), std=(STD,)), CLASSES)


def train(module: nn.Module, pictures: Tensor, labels: Tensor, epochs: int, seed: int = 0) -> nn.Module:
    """Adam under a falling rate, on pictures uint8 `(N, 28, 28)`."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(module.parameters())
    steps = epochs * -(-len(pictures) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, steps)
    module.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(pictures), generator=generator).split(128):
            loss = functional.cross_entropy(module(prepared(pictures[chosen])), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return module.eval()


def prepared(pictures: Tensor) -> Tensor:
    """Network input `(N, 1, 28, 28)`."""
    return (pictures[:, None].float() / 255 - MEAN) / STD


def accuracy(module: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """How many of the pictures it gets right."""
    with torch.no_grad():
        said = torch.cat([module(prepared(part)).argmax(1) for part in pictures.split(1000)])
    return float((said == labels).float().mean())


def main(out: Path) -> None:
    """Train, and write the weights and the pictures."""
    torch.manual_seed(0)
    module = train(network(), *read(DATA, "train"), epochs=3)
    pictures, labels = read(DATA, "t10k")
    print(f"{accuracy(module, pictures, labels):.1%} of {len(labels):,} unseen pictures")
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    save_file(module.state_dict(), out / "model.safetensors")
    for number, name in enumerate(CLASSES):
        for place in torch.nonzero(labels == number)[:SHOWN, 0].tolist():
            picture = Image.fromarray(np.asarray(pictures[place]))
            picture.save(out / "pictures" / f"{name.replace(' ', '-')}-{place}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

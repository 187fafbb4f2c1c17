"""A B-cos network beside a plain twin of the same shape, both trained from nothing on Fashion-MNIST.

    python -m benchmarks._bcos DATA [--seeds 3] [--pictures 1500] [--epochs 6]

DATA is where Fashion-MNIST lies (`make data`). The twin has convolutions, BatchNorm and ReLU; both learn by the recipe
*bcos* from the same pictures in the same order, and are asked about 2,000 others. Of the B-cos network it is also told
how far its maps are from its scores.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from scripts.fashion_mnist import CLASSES, read
from torch import Tensor, nn

from seewhy import Classifier, explain, load
from seewhy.images import Folder
from seewhy.models.bcos import CHANNELS, STRIDES, BcosNetwork
from seewhy.train.data import Pictures, open_pictures
from seewhy.train.finetune import finetune, predict
from seewhy.train.recipe import find_recipe

ASKED, MAPPED = 2000, 5


class Plain(nn.Module):
    """The shape of `bcos:small` in ordinary layers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for (before, after), step in zip(pairwise((3, *CHANNELS)), STRIDES, strict=True):
            self.features.extend([nn.Conv2d(before, after, 3, step, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()])
        self.head = nn.Linear(CHANNELS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(2 * x - 1).mean((2, 3)))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=6)
    given = parser.parse_args()
    recipe = replace(find_recipe("bcos"), epochs=given.epochs, batch_statistics=True)
    with tempfile.TemporaryDirectory() as place:
        asked = opened(Path(place) / "asked", given.data, "t10k", range(ASKED))
        rows: list[tuple[float, float]] = []
        for seed in range(given.seeds):
            order = np.random.default_rng(seed).permutation(60_000)[: given.pictures].tolist()
            learned = opened(Path(place) / f"{seed}", given.data, "train", order)
            made = [made_anew(kind, asked, seed) for kind in (BcosNetwork, Plain)]
            for each in made:
                finetune(each, learned, asked.part(range(10)), recipe, seed=seed)
            rows.append((accuracy(made[0], asked), accuracy(made[1], asked)))
            print(
                f"seed {seed}: B-cos {rows[-1][0]:.1%}, plain {rows[-1][1]:.1%}, gap of maps {gap(made[0], asked):.1e}"
            )
    differences = [100 * (one - other) for one, other in rows]
    print(f"B-cos less plain: mean {np.mean(differences):.1f} points, of each seed {np.round(differences, 1).tolist()}")


def made_anew(kind: type[nn.Module], pictures: Pictures, seed: int) -> Classifier:
    """An untrained network of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier.from_module(kind(len(CLASSES)).eval(), pictures.preprocessing, CLASSES)


def opened(folder: Path, data: Path, part: str, places: range | list[int]) -> Pictures:
    """These pictures, written to class folders."""
    pictures, labels = read(data, part)
    for place in places:
        path = folder / CLASSES[int(labels[place])] / f"{place:05}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(pictures[place].numpy()).save(path)
    return open_pictures(Folder.open(folder), CLASSES, load("bcos:small").preprocessing)[0]


def accuracy(classifier: Classifier, pictures: Pictures) -> float:
    """The share that it gets right."""
    return float((predict(classifier, pictures).argmax(1) == pictures.labels).float().mean())


def gap(classifier: Classifier, pictures: Pictures) -> float:
    """The most by which the sum of a map differs from the score."""
    gaps: list[float] = []
    for place in range(MAPPED):
        found = explain(classifier, pictures.image(place), "bcos")
        score = found.target.score(classifier.logits(classifier.preprocess([found.image]))[0])
        gaps.append(abs(float(found.values.sum(dtype=np.float64)) - float(score)))
    return max(gaps)


if __name__ == "__main__":
    main()

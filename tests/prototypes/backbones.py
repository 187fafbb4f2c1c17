"""A trained classifier on disk, and prototypes made from it, small enough for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from prototypes import squares
from seewhy.models import Categories, Classifier, Preprocessing
from seewhy.models.building import build
from seewhy.models.card import Architecture
from seewhy.prototypes.learning import Recipe
from seewhy.train.data import open_pictures
from seewhy.train.finetune import finetune, save_classifier
from seewhy.train.parts import open_parts
from seewhy.train.recipe import Recipe as TrainRecipe

CLASSES = ("green", "red")
TINY = Architecture("timm:test_resnet", {})
QUICK = Recipe(per_class=2, size=16, copies=1, probe_steps=30, warm_steps=40, learning_rate=1e-3)


def picture_folder(root: Path, per_class: int = 16) -> Path:
    return squares.write_folder(root, per_class, classes=CLASSES)


def trained_classifier(folder: Path) -> Classifier:
    """A tiny residual network with a head for the pictures of `folder`."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build(TINY, 2)
    preprocessing = Preprocessing((squares.SIZE, squares.SIZE))
    classifier = Classifier(module, preprocessing, Categories(CLASSES), "tiny")
    parts = open_parts(folder, (0.7, 0.3))
    opened = [open_pictures(part, CLASSES, preprocessing)[0] for part in (parts.train, parts.validation)]
    recipe = TrainRecipe(epochs=12, head_epochs=0, batch_size=8, learning_rate=3e-3, augment=False)
    finetune(classifier, *opened, recipe)
    return classifier


def backbone_folder(folder: Path, out: Path) -> Path:
    save_classifier(out, trained_classifier(folder), TINY, {"recipe": {"split": [0.7, 0.3]}, "seed": 0})
    return out

"""What a trained classifier is, on disk: `model.safetensors`, `card.json` and the pictures it was made from.

`load("file:FOLDER")` opens it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seewhy.models import Classifier
from seewhy.models.card import Architecture, write_model
from seewhy.train.parts import Parts

PICTURES = "pictures.json"


def save_classifier(folder: Path, classifier: Classifier, architecture: Architecture, about: Mapping[str, Any]) -> None:
    """Write weights and card; `about` stands in the card as `training`. The same classifier gives the same bytes."""
    fields = {
        "architecture": architecture.name,
        "options": architecture.options,
        "preprocessing": classifier.preprocessing.to_dict(),
        "categories": list(classifier.categories),
        "training": about,
    }
    write_model(folder, classifier.module, fields)


def picture_rows(parts: Parts) -> list[dict[str, str]]:
    """Every picture with its class, its part and the hash of its content."""
    return [
        {"path": entry.path, "class": entry.label or "", "part": part, "sha256": folder.hashes[entry.path]}
        for part, folder in parts.named.items()
        for entry in folder.entries
    ]


def trained_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of the pictures that the model in `folder` has learned from; none where it is unknown."""
    path = folder / PICTURES
    if not path.is_file():
        return []
    return [row for row in json.loads(path.read_text("utf-8")) if row["part"] == "train"]


def trained_pictures(folder: Path) -> frozenset[str]:
    """The content hashes of the pictures that the model in `folder` has learned from; none where it is unknown."""
    return frozenset(row["sha256"] for row in trained_rows(folder))

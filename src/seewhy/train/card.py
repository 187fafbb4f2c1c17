"""What a trained classifier is, on disk: `model.safetensors`, `card.json` and the pictures it was made from.

`models/from_file.py` opens it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import save
from torch import nn

from seewhy.core.files import write_json, write_whole
from seewhy.errors import ModelError
from seewhy.models import Classifier
from seewhy.models.from_file import CARD, SCHEMA, WEIGHTS, read_card
from seewhy.train.parts import Parts

PICTURES = "pictures.json"
OWN_NAMES = {"bundled", "torchvision", "timm"}


class Architecture(NamedTuple):
    """How a card names a network: such as `torchvision:resnet50`, and options of it."""

    name: str
    options: dict[str, Any]


def architecture_of(model: str, classifier: Classifier) -> Architecture:
    """The architecture of the classifier that `load(model)` gave.

    Raises:
        ModelError: it is none that a card can name, such as one's own code.
    """
    source, _, name = model.partition(":")
    if source in OWN_NAMES:
        return Architecture(model, {})
    if source == "file":
        card = read_card(Path(name).expanduser() / CARD)
        return Architecture(card["architecture"], card.get("options", {}))
    known = getattr(classifier.module, "pretrained_cfg", {}).get("architecture")
    if known is None:
        raise ModelError(
            f"{model} cannot be trained further, because no card could name its architecture; take a bundled:, "
            "torchvision:, timm: or file: model"
        )
    return Architecture(f"timm:{known}", {})


def save_classifier(folder: Path, classifier: Classifier, architecture: Architecture, about: Mapping[str, Any]) -> None:
    """Write weights and card; `about` stands in the card as `training`. The same classifier gives the same bytes."""
    module: nn.Module = classifier.module
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()})
    card = {
        "schema": SCHEMA,
        "architecture": architecture.name,
        "options": architecture.options,
        "preprocessing": classifier.preprocessing.to_dict(),
        "categories": list(classifier.categories),
        "sha256": sha256(content).hexdigest(),
        "training": about,
    }
    write_whole(folder / WEIGHTS, content)
    write_json(folder / CARD, card)


def picture_rows(parts: Parts) -> list[dict[str, str]]:
    """Every picture with its class, its part and the hash of its content."""
    return [
        {"path": entry.path, "class": entry.label or "", "part": part, "sha256": folder.hashes[entry.path]}
        for part, folder in parts.named.items()
        for entry in folder.entries
    ]


def trained_pictures(folder: Path) -> frozenset[str]:
    """The content hashes of the pictures that the classifier in `folder` has learned from; none where it is unknown."""
    path = folder / PICTURES
    if not path.is_file():
        return frozenset()
    return frozenset(row["sha256"] for row in json.loads(path.read_text("utf-8")) if row["part"] == "train")

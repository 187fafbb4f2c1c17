"""`file:FOLDER` a trained classifier on disk: `model.safetensors` and a `card.json` that says what it is."""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from seewhy.errors import ModelError
from seewhy.models import from_bundled, from_timm, from_torchvision
from seewhy.models.categories import Categories, imagenet
from seewhy.models.classifier import Classifier
from seewhy.models.hubs import check_known
from seewhy.models.preprocessing import Preprocessing
from seewhy.models.weights import load_weights, read_weights

CARD, WEIGHTS, SCHEMA = "card.json", "model.safetensors", 1
IMAGENET = "imagenet-1k"
REQUIRED: dict[str, Any] = {"schema": int, "architecture": str, "preprocessing": dict, "categories": (list, str)}
OPTIONAL: dict[str, Any] = {"options": dict, "sha256": str}
# Kinds of folders that other rooms write, and what opens them: a closed table, never a name from the card.
KINDS = {"prototypes": "seewhy.prototypes.storage:open_classifier"}


def load(name: str, weights: Path | None = None) -> Classifier:
    """Open the folder `name`; `weights` replaces its `model.safetensors`."""
    folder = Path(name).expanduser()
    if kind := KINDS.get(_parsed(folder / CARD).get("kind", "")):
        module_name, _, function = kind.partition(":")
        return getattr(import_module(module_name), function)(folder, weights)
    card = read_card(folder / CARD)
    path = weights or folder / WEIGHTS
    if weights is None and "sha256" in card:
        _check_hash(path, card["sha256"])
    categories = _categories(card["categories"])
    module = build(card["architecture"], len(categories), card.get("options", {}))
    load_weights(module, read_weights(path), path.name)
    return Classifier(module, Preprocessing.from_dict(card["preprocessing"]), categories, f"file:{folder.name}")


def names() -> list[str]:
    """Folders cannot be listed."""
    return []


def _categories(given: list[str] | str) -> Categories:
    if isinstance(given, list):
        return Categories(tuple(map(str, given)))
    if given == IMAGENET:
        return imagenet()
    raise ModelError(f"the card's categories are a list of class names or '{IMAGENET}', not '{given}'")


def build(architecture: str, classes: int, options: dict[str, Any]) -> nn.Module:
    """The bare architecture that a card names, such as `torchvision:resnet50`, in evaluation mode."""
    source, _, name = architecture.partition(":")
    known = from_torchvision.OPTIONS if source == "torchvision" else ()
    if unknown := sorted(set(options) - set(known)):
        raise ModelError(f"the card has options {unknown}; {architecture} takes {', '.join(known) or 'none'}")
    if source == "torchvision":
        return from_torchvision.build(name, classes, **options)
    if source == "timm":
        return from_timm.build(name, classes)
    if source == "bundled":
        check_known(name, from_bundled.names(), source)
        return from_bundled.build(classes)
    raise ModelError(f"the card names architecture '{architecture}'; expected torchvision:…, timm:… or bundled:…")


def read_card(path: Path) -> dict[str, Any]:
    """The card of a classifier on disk, checked."""
    card = _parsed(path)
    if card.get("kind") in KINDS:
        raise ModelError(
            f"{path.parent} holds {card['kind']}, not a plain classifier; give the one that they were trained on"
        )
    kinds = REQUIRED | {key: kind for key, kind in OPTIONAL.items() if key in card}
    if bad := [key for key, kind in kinds.items() if not isinstance(card.get(key), kind)]:
        raise ModelError(f"{path}: missing or of the wrong kind are {bad}; docs/models.md shows a whole card")
    if card["schema"] != SCHEMA:
        raise ModelError(f"{path} has schema {card['schema']}, this seewhy reads {SCHEMA}; update seewhy")
    return card


def _parsed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelError(f"there is no {path}; a file: model is a folder with {WEIGHTS} and {CARD}")
    try:
        card = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}") from error
    if not isinstance(card, dict):
        raise ModelError(f"{path} is no JSON object; docs/models.md shows a whole card")
    return card


def _check_hash(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ModelError(f"there is no weights file {path}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ModelError(f"{path} is not the file its card was written for (sha256 {found[:12]}…, "
                         f"card says {expected[:12]}…)")  # fmt: skip

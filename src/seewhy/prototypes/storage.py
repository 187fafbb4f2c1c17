"""A prototype network on disk: weights, a card that says what it is and whether it may be used, and the patches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from seewhy.core.files import write_whole
from seewhy.core.folders import Mark, check_mark
from seewhy.draw import png_bytes
from seewhy.errors import BadFile, BadImage, ModelError
from seewhy.images import open_image
from seewhy.models import Box, Classifier, Preprocessing
from seewhy.models.card import WEIGHTS, Architecture, read_card, write_model
from seewhy.models.checkpoints import load_weights
from seewhy.models.load import build, find_device
from seewhy.prototypes.model import Diagnosis, Prototype, PrototypeModel
from seewhy.prototypes.network import Backbone, PrototypeHead, PrototypeNetwork

KIND = "prototypes"
PATCHES = "prototypes"  # the folder of their pictures
OLDER = {  # today's names of what older cards and weights hold
    "trunk": "backbone",
    "likeness": "measure",
    "trunk_accuracy": "backbone_accuracy",
    "head.weights": "head.last.weight",
    "head.bias": "head.last.bias",
}


def save_prototypes(
    folder: Path, model: PrototypeModel, architecture: Architecture, training: Mapping[str, Any]
) -> None:
    """Write weights, card and patches; `training` stands in the card. The card says whether the gate was passed."""
    network = model.network
    patches = {
        _patch_name(number): png_bytes(each.picture.pixels)
        for number, each in enumerate(model.prototypes)
        if each.picture
    }
    fields = {
        "kind": KIND,
        "usable": model.diagnosis.usable,
        "reasons": list(model.diagnosis.reasons),
        "backbone": {
            "architecture": architecture.name,
            "options": architecture.options,
            "layer": network.backbone.layer,
        },
        "measure": network.head.measure,
        "preprocessing": model.preprocessing.to_dict(),
        "categories": list(model.classes),
        "prototypes": [_row(model, number) for number in range(len(model.prototypes))],
        "diagnosis": model.diagnosis.to_dict(),
        "training": training,
        "files": {name: asdict(Mark.of(content)) for name, content in patches.items()},
    }
    for name, content in patches.items():
        write_whole(folder / name, content)
    write_model(folder, network, fields)


def load_prototypes(folder: Path, *, refused: bool = False, device: str = "auto") -> PrototypeModel:
    """Read back what `save_prototypes` wrote; one that did not pass the gate only where `refused` ones are asked for.

    Raises:
        ModelError: the folder holds no prototype network, its files are damaged, or it is not usable.
    """
    stored = read_card(folder, KIND)
    card = _renamed(stored.fields) | {"diagnosis": _renamed(stored.fields["diagnosis"])}
    if not (card["usable"] or refused):
        raise ModelError(
            f"the prototypes in {folder} are not usable: {'; '.join(card['reasons'])}. To look at them all the same: "
            f"seewhy prototypes explain --model {folder} --refused"
        )
    try:
        model = _read(folder, card, stored.weights().tensors)
    except (BadFile, BadImage, KeyError, TypeError, ValueError, OSError) as error:
        raise ModelError(
            f"{folder} was damaged since the prototypes were saved ({type(error).__name__}: {error}); train again"
        ) from error
    model.network.to(find_device(device))
    return model


def open_classifier(folder: Path) -> Classifier:
    """The prototype network as a classifier, for every method of seewhy.

    Raises:
        ModelError: as `load_prototypes`.
    """
    return load_prototypes(folder, device="cpu").classifier


def _renamed(found: Mapping[str, Any]) -> dict[str, Any]:
    """With today's keys."""
    return {OLDER.get(key, key): value for key, value in found.items()}


def _row(model: PrototypeModel, number: int) -> dict[str, Any]:
    prototype = model.prototypes[number]
    weight = float(model.network.head.weights[prototype.label, number])
    return {
        "class": prototype.label,
        "weight": weight,
        "source": prototype.source,
        "cell": list(prototype.cell),
        "box": list(prototype.box),
        "picture": _patch_name(number) if prototype.picture else None,
    }


def _patch_name(number: int) -> str:
    return f"{PATCHES}/{number:03}.png"


def _patch(folder: Path, card: Mapping[str, Any], number: int) -> Path:
    """The path of a patch that is as it was saved; an older card does not know."""
    name = _patch_name(number)
    if "files" not in card:
        return folder / name
    return check_mark(folder / name, Mark(**card["files"][name]), "train again")


def _read(folder: Path, card: Mapping[str, Any], weights: Mapping[str, Tensor]) -> PrototypeModel:
    tensors = {OLDER.get(name) or re.sub(r"^trunk\.", "backbone.", name): each for name, each in weights.items()}
    preprocessing = Preprocessing.from_dict(card["preprocessing"])
    about, classes = card["backbone"], tuple(card["categories"])
    module = build(Architecture(about["architecture"], about["options"]), len(classes))
    backbone = Backbone.of(Classifier.from_module(module, preprocessing, classes), about["layer"])
    owners: list[int] = [row["class"] for row in card["prototypes"]]
    size = tensors["head.prototypes"].shape[1]
    head = PrototypeHead(backbone.grid.channels, owners, len(classes), size, card["measure"])
    network = PrototypeNetwork(backbone, head)
    load_weights(network, tensors, WEIGHTS)
    prototypes: list[Prototype] = []
    for number, row in enumerate(card["prototypes"]):
        picture = open_image(_patch(folder, card, number), name=row["source"]) if row["picture"] else None
        down, across = row["cell"]
        prototypes.append(Prototype(row["class"], row["source"], (down, across), picture, Box(*row["box"])))
    diagnosis = Diagnosis.from_dict(card["diagnosis"])
    return PrototypeModel(network.eval(), preprocessing, tuple(prototypes), diagnosis, f"file:{folder.name}")

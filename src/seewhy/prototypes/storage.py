"""A prototype network on disk: weights, a card that says what it is and whether it may be used, and the patches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NotRequired

from torch import Tensor
from typing_extensions import TypedDict

from seewhy.core.files import write_whole
from seewhy.core.folders import Mark, check_mark
from seewhy.core.reading import parse_json
from seewhy.core.text import shown
from seewhy.draw import png_bytes
from seewhy.errors import BadFile, BadImage, ModelError
from seewhy.images import open_image
from seewhy.models import Box, Classifier, Preprocessing
from seewhy.models.backbone import Backbone
from seewhy.models.building import Outlines, build
from seewhy.models.card import CARD, WEIGHTS, Architecture, read_card, write_model
from seewhy.models.checkpoints import check_weights, load_weights
from seewhy.models.load import find_device
from seewhy.prototypes.model import Diagnosis, Prototype, PrototypeModel
from seewhy.prototypes.network import Measure, PrototypeHead, PrototypeNetwork

KIND = "prototypes"
COUNTED = 1 << 53  # pictures
PATCHES = "prototypes"  # the folder of their pictures
OLDER = {  # today's names of what older cards and weights hold
    "trunk": "backbone",
    "likeness": "measure",
    "trunk_accuracy": "backbone_accuracy",
    "head.weights": "head.last.weight",
    "head.bias": "head.last.bias",
}


class _Backbone(TypedDict):
    """The network before the prototypes, up to a layer."""

    architecture: str
    options: dict[str, Any]
    layer: str


# A prototype, as `_row` writes it; `class` is no name of Python's.
_Row = TypedDict(
    "_Row",
    {
        "class": int,
        "source": str,
        "cell": tuple[int, int],
        "box": tuple[float, float, float, float],
        "picture": str | None,
    },
)


class _About(TypedDict):
    """What the card has to say, by today's names."""

    backbone: _Backbone
    measure: Measure
    preprocessing: dict[str, Any]
    categories: list[str]
    prototypes: list[_Row]
    diagnosis: Diagnosis
    files: NotRequired[dict[str, Mark]]


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
            f"the prototypes in {folder} are not usable: {shown('; '.join(map(str, card['reasons'])))}. To look at "
            f"them all the same: seewhy prototypes explain --model {folder} --refused"
        )
    try:
        about = parse_json(json.dumps(card), _About, folder / CARD, "train again")
        model = _read(folder, about, stored.weights().tensors)
    except (BadFile, BadImage, LookupError, TypeError, ValueError, OSError) as error:
        raise ModelError(
            f"{folder} was damaged since the prototypes were saved ({type(error).__name__}: {shown(error)}); "
            "train again"
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


def _patch(folder: Path, card: _About, number: int) -> Path:
    """The path of a patch that is as it was saved; an older card does not know."""
    name = _patch_name(number)
    if "files" not in card:
        return folder / name
    return check_mark(folder / name, card["files"][name], "train again")


def _read(folder: Path, card: _About, weights: Mapping[str, Tensor]) -> PrototypeModel:
    tensors = {OLDER.get(name) or re.sub(r"^trunk\.", "backbone.", name): each for name, each in weights.items()}
    preprocessing = Preprocessing.from_dict(card["preprocessing"])
    about, classes, rows, diagnosis = card["backbone"], tuple(card["categories"]), card["prototypes"], card["diagnosis"]
    _check_sizes(len(classes), rows, diagnosis)
    architecture = Architecture(about["architecture"], about["options"])
    owners = [row["class"] for row in rows]
    size = tensors["head.prototypes"].shape[1]
    channels = tensors["head.add_on.0.weight"].shape[1]
    with Outlines():  # nothing larger than the weights is built
        parts = {"backbone.module": build(architecture, len(classes)),
                 "head": PrototypeHead(channels, owners, len(classes), size, card["measure"])}  # fmt: skip
    outline = {f"{part}.{name}": each for part, made in parts.items() for name, each in made.state_dict().items()}
    check_weights(outline, tensors, WEIGHTS)
    module = build(architecture, len(classes))
    backbone = Backbone.of(Classifier.from_module(module, preprocessing, classes), about["layer"])
    head = PrototypeHead(backbone.grid.channels, owners, len(classes), size, card["measure"])
    network = PrototypeNetwork(backbone, head)
    load_weights(network, tensors, WEIGHTS)
    prototypes: list[Prototype] = []
    for number, row in enumerate(rows):
        picture = open_image(_patch(folder, card, number), name=row["source"]) if row["picture"] else None
        prototypes.append(Prototype(row["class"], row["source"], row["cell"], picture, Box(*row["box"])))
    return PrototypeModel(network.eval(), preprocessing, tuple(prototypes), diagnosis, f"file:{folder.name}")


def _check_sizes(classes: int, rows: Sequence[_Row], diagnosis: Diagnosis) -> None:
    """Refuse parts of a card that do not belong together."""
    tables = (diagnosis.confusion, diagnosis.mean_similarity)
    square = all([len(row) for row in table] == [classes] * classes for table in tables)
    counts = [count for row in (*diagnosis.confusion, diagnosis.usage) for count in row]
    if not rows or not square or len(diagnosis.classes) != classes or len(diagnosis.usage) != len(rows):
        raise ValueError("its diagnosis is of other classes or prototypes")
    if min(counts) < 0 or max(counts) >= COUNTED or not sum(map(sum, diagnosis.confusion)):
        raise ValueError("its diagnosis counts what cannot be counted")
    if not all(0 <= row["class"] < classes and min(row["cell"]) >= 0 for row in rows):
        raise ValueError("a prototype is of no class of it")

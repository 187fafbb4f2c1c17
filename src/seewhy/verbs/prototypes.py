"""Prototypes: train them on a folder of pictures, and explain pictures by them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.core.files import photo_folders
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import Folder, Image
from seewhy.models import load
from seewhy.models.card import CARD, read_card
from seewhy.models.load import architecture_of
from seewhy.prototypes.explaining import PrototypeExplanation, explain_by_prototypes, explanation_panel
from seewhy.prototypes.learning import Recipe
from seewhy.prototypes.storage import load_prototypes, save_prototypes
from seewhy.prototypes.training import PrototypeRun, train_prototypes
from seewhy.train.card import trained_pictures
from seewhy.train.data import open_pictures
from seewhy.train.parts import Parts, open_parts

SPLIT = (0.7, 0.3)


def train_prototypes_on(
    folder: str | Path,
    backbone: str,
    out: str | Path,
    *,
    recipe: Recipe | None = None,
    layer: str | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = silent,
) -> PrototypeRun:
    """Train prototypes on the class folders of `folder`, and write them to `out`, whether they are usable or not.

    The pictures are split as they were when the backbone was trained; what it learned from validates nothing.

    Args:
        folder: the pictures that the backbone was trained on.
        backbone: a classifier of the same classes, mostly `file:DIR` as `seewhy train` writes it.
        out: where the prototypes go.
        recipe: how to train.
        layer: where the backbone ends, by default the last layer that keeps a grid over the picture.
        seed: of where prototypes start, the order and the changes of pictures.
        device: as `seewhy.load` takes it.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: the folder and the backbone do not fit, or `out` holds a model.
        ModelError: the backbone cannot be loaded, or keeps no grid over the picture.
        NonFinite: the training diverged.
    """
    out, recipe = Path(out), recipe or Recipe()
    if (out / CARD).exists():
        raise UsageError(f"{out} holds a model already; give another --out, or remove it")
    progress(0, None, f"loading {backbone}")
    classifier = load(backbone, device=device)
    architecture = architecture_of(backbone, classifier)
    parts = _parts(Path(folder), backbone, tuple(classifier.categories))
    training, bad = open_pictures(parts.train, parts.classes, classifier.preprocessing, progress)
    validation, worse = open_pictures(parts.validation, parts.classes, classifier.preprocessing, progress)
    trained = train_prototypes(classifier, training, validation, recipe, layer=layer, seed=seed, progress=progress)
    pictures = {"train": len(training), "validation": len(validation)}
    about: dict[str, Any] = {"backbone": backbone, "recipe": recipe.to_dict(), "seed": seed, "pictures": pictures}
    save_prototypes(out, trained.model, architecture, {**about, "history": trained.history})
    return PrototypeRun(out, backbone, recipe, pictures, trained, parts.notes, [*bad, *worse])


def explain_prototypes(
    model: str | Path,
    images: Sequence[Image],
    *,
    refused: bool = False,
    device: str = "auto",
    progress: Progress = silent,
) -> list[PrototypeExplanation]:
    """Hold pictures against the prototypes in the folder `model`; those that the gate refused only if asked for.

    Raises:
        ModelError: the folder holds no prototypes, or they are not usable.
    """
    return explain_by_prototypes(load_prototypes(folder_of(model), refused=refused, device=device), images, progress)


def folder_of(model: str | Path) -> Path:
    """`file:DIR` and `DIR` mean the same."""
    return Path(str(model).removeprefix("file:")).expanduser()


def save_prototype_explanations(found: Sequence[PrototypeExplanation], out: Path) -> None:
    """Write `OUT/<photo>/`: the picture, the maps of similarity and a manifest."""
    for each, folder in zip(found, photo_folders([one.image.name for one in found], out), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        explanation_panel(each).save(folder / "picture.png")
        np.save(folder / "maps.npy", each.maps, allow_pickle=False)
        text = json.dumps(prototype_rows(each), indent=2, allow_nan=False, ensure_ascii=False)
        (folder / "manifest.json").write_text(text + "\n", "utf-8")


def prototype_rows(found: PrototypeExplanation) -> dict[str, Any]:
    """All but the maps, as plain JSON values."""
    return {
        "image": {"name": found.image.name, "sha256": found.image.sha256, "notes": list(found.image.notes)},
        "model": found.model.name,
        "usable": found.model.diagnosis.usable,
        "view": list(found.view),
        "classes": [
            {
                "class": prediction.name,
                "probability": prediction.probability,
                "score": float(found.scores[prediction.index]),
                "start": found.start(prediction.index),
                "prototypes": [
                    {
                        "prototype": match.number,
                        "similarity": match.similarity,
                        "weight": match.weight,
                        "points": match.points,
                        "box": list(match.box),
                        "source": match.prototype.source,
                    }
                    for match in found.matches(prediction.index)
                ],
            }
            for prediction in found.predictions
        ],
    }


def _parts(folder: Path, backbone: str, classes: tuple[str, ...]) -> Parts:
    """The parts that the backbone was trained with, without what it has learned from among the validation pictures."""
    about: dict[str, Any] = {}
    learned: frozenset[str] = frozenset()
    if backbone.startswith("file:"):
        where = folder_of(backbone)
        about, learned = read_card(where).fields.get("training", {}), trained_pictures(where)
    split = tuple(about.get("recipe", {}).get("split", SPLIT))
    known = Folder.open(folder).classes
    parts = open_parts(folder, split, about.get("seed", 0), classes if set(classes) < set(known) else ())
    fresh = [each for each in parts.validation.entries if parts.validation.hashes[each.path] not in learned]
    if len(fresh) == len(parts.validation.entries):
        return parts
    lost = len(parts.validation.entries) - len(fresh)
    note = f"{lost} pictures validate nothing, since the backbone has learned from them"
    return replace(parts, validation=replace(parts.validation, entries=tuple(fresh)), notes=(*parts.notes, note))

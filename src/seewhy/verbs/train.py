"""Train: a classifier from a folder of pictures, and what came of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from seewhy.core.files import write_json, write_whole
from seewhy.core.progress import Progress, silent
from seewhy.errors import BadImage, UsageError
from seewhy.models import Classifier, load
from seewhy.models.from_file import CARD, WEIGHTS
from seewhy.models.weights import load_weights, read_weights
from seewhy.study.plan import canonical, difference
from seewhy.train.card import (
    PICTURES,
    Architecture,
    architecture_of,
    picture_rows,
    save_classifier,
)
from seewhy.train.data import Pictures, open_pictures
from seewhy.train.evaluate import Evaluation
from seewhy.train.finetune import Epoch, Training, finetune, predict, with_new_head
from seewhy.train.parts import Parts, open_parts
from seewhy.train.recipe import Recipe

RUN, HISTORY, CHECKPOINTS = "run.json", "history.json", "checkpoints"


def train(
    folder: str | Path,
    backbone: str,
    out: str | Path,
    *,
    recipe: Recipe | None = None,
    classes: Sequence[str] = (),
    weights: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = silent,
    tell: Callable[[Epoch], None] | None = None,
) -> Training:
    """Fine-tune `backbone` on the class folders of `folder`, and write it to `out`, which `file:OUT` opens.

    A run that was interrupted goes on where it was, and on one machine's processor ends with the same weights as one
    that was not. A run that had ended only gives its results.

    Args:
        folder: a sub-folder of pictures for each class, or train/ and val/ (and test/) that hold these.
        backbone: a model as `seewhy.load` takes it.
        out: where the classifier goes.
        recipe: how to train.
        classes: leave all others out.
        weights: a local file for the backbone.
        seed: of the split, the new head, the order and the changes of pictures.
        device: as `seewhy.load` takes it.
        progress: told of training steps; raise `Cancelled` in it to stop, and run again to go on.
        tell: told of each epoch.

    Raises:
        UsageError: the folder does not fit, or `out` holds another run.
        ModelError: the backbone cannot be loaded, or cannot be trained.
        NonFinite: the training diverged.
    """
    out, recipe = Path(out), recipe or Recipe()
    if out.resolve().is_relative_to(Path(folder).resolve()):
        raise UsageError(f"{out} lies in {folder}, where every sub-folder is a class; give an --out outside of it")
    parts = open_parts(Path(folder), recipe.split, seed, classes)
    progress(0, None, f"loading {backbone}")
    given = load(backbone, weights, device)
    if "gradients" not in given.offers:
        raise UsageError(f"{backbone} gives no gradients to learn by; take a bundled:, torchvision: or timm: model")
    architecture = architecture_of(backbone, given)
    _claim(out, _configuration(backbone, given, recipe, parts, seed))
    classifier = with_new_head(given, architecture, parts.classes, recipe, seed)
    opened, failures = _opened(parts, classifier, progress)
    if (out / CARD).is_file():
        load_weights(classifier.module, read_weights(out / WEIGHTS), WEIGHTS)
        epochs = [Epoch(**row) for row in json.loads((out / HISTORY).read_text("utf-8"))]
    else:
        epochs = finetune(
            classifier,
            opened["train"],
            opened["validation"],
            recipe,
            seed=seed,
            checkpoints=out / CHECKPOINTS,
            progress=progress,
            tell=tell,
        )
    evaluations = {
        part: Evaluation.of(parts.classes, pictures.labels, predict(classifier, pictures).double().softmax(1))
        for part, pictures in opened.items()
        if part != "train" and len(pictures)
    }
    training = Training(out, backbone, classifier, recipe, parts, epochs, evaluations, failures)
    _save(training, architecture, seed)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return training


def _configuration(backbone: str, given: Classifier, recipe: Recipe, parts: Parts, seed: int) -> str:
    """Everything that decides the weights, as canonical JSON."""
    return canonical({
        "backbone": backbone,
        "weights": given.fingerprint,
        "device": given.device.type,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "pictures": {
            part: {entry.path: folder.hashes[entry.path] for entry in folder.entries}
            for part, folder in parts.named.items()
        },
    })  # fmt: skip


def _claim(out: Path, configuration: str) -> None:
    """Take the folder for this run, or go on with the same one."""
    path = out / RUN
    began = (out / CARD).exists() or (out / CHECKPOINTS).exists()
    if began and not path.is_file():
        raise UsageError(f"{out} holds a classifier already; give another --out")
    if began and (changes := difference(path.read_text("utf-8"), configuration)):
        raise UsageError(f"{out} holds another training ({'; '.join(changes)}); give another --out, or remove it")
    write_whole(path, configuration.encode())


def _opened(
    parts: Parts, classifier: Classifier, progress: Progress
) -> tuple[dict[str, Pictures], list[tuple[str, BadImage]]]:
    """The pictures of each part that can be opened, and what is wrong with the others."""
    opened: dict[str, Pictures] = {}
    failures: list[tuple[str, BadImage]] = []
    for part, folder in parts.named.items():
        opened[part], bad = open_pictures(folder, parts.classes, classifier.preprocessing, progress)
        failures += bad
    learned = {opened["train"].classes[label] for label in opened["train"].labels.tolist()}
    if missing := [name for name in parts.classes if name not in learned]:
        raise UsageError(f"no picture of {', '.join(missing)} can be opened to learn from; {failures[0][1]}")
    if not len(opened["validation"]):
        raise UsageError(f"none of the pictures for validation can be opened; {failures[0][1]}")
    return opened, failures


def _save(training: Training, architecture: Architecture, seed: int) -> None:
    parts, out = training.parts, training.out
    rows = picture_rows(parts)
    about: dict[str, Any] = {
        "backbone": training.backbone,
        "recipe": training.recipe.to_dict(),
        "seed": seed,
        "pictures": {part: len(folder.entries) for part, folder in parts.named.items()},
        "sha256": _hash(rows),
        "metrics": {part: found.to_dict() for part, found in training.evaluations.items()},
    }
    write_json(out / PICTURES, rows)
    write_json(out / HISTORY, [asdict(epoch) for epoch in training.epochs])
    save_classifier(out, training.classifier, architecture, about)


def _hash(rows: Sequence[Mapping[str, str]]) -> str:
    return sha256(canonical(rows).encode()).hexdigest()

"""From a trained classifier and pictures to a prototype network that passed the gate, or is refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import from_values
from seewhy.models import Classifier
from seewhy.models.backbone import Backbone
from seewhy.prototypes.explaining import peak_box
from seewhy.prototypes.finishing import (
    Patch,
    costs_of,
    distinct_places,
    nearest_of,
    places_of,
    prune,
    push,
    shared_patches,
    solve,
)
from seewhy.prototypes.learning import Learning, Recipe, features_of, filled_bank
from seewhy.prototypes.model import Diagnosis, Prototype, PrototypeModel
from seewhy.prototypes.network import PrototypeHead, PrototypeNetwork, own_class
from seewhy.train.data import Augmentation, Pictures, Stream
from seewhy.train.finetune import predict
from seewhy.train.loop import Record, seed_of


class Trained(NamedTuple):
    """A prototype network, and how it came to be: records by stage."""

    model: PrototypeModel
    history: dict[str, list[Record]]


@dataclass(frozen=True, eq=False)
class PrototypeRun:
    """A training from a folder of pictures to a folder that holds the model, usable or not.

    `pictures` counts those of each part, `history` holds the records of each stage, `failures` are pictures that could
    not be opened.
    """

    out: Path
    backbone: str
    recipe: Recipe
    pictures: Mapping[str, int]
    model: PrototypeModel
    history: Mapping[str, Sequence[Record]]
    notes: Sequence[str] = ()
    failures: Sequence[Outcome[Any]] = ()


def train_prototypes(
    classifier: Classifier,
    training: Pictures,
    validation: Pictures,
    recipe: Recipe,
    *,
    layer: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Trained:
    """Train prototypes on `training` and look through the gate at `validation`; the classifier stays as it is.

    `layer` is where the backbone ends, by default the last layer that keeps a grid over the picture.

    Raises:
        UsageError: the classifier knows other classes than the pictures, or there is nothing to validate on.
        ModelError: the network keeps no grid over the picture.
        NonFinite: the loss is no number.
    """
    if tuple(classifier.categories) != training.classes:
        raise UsageError(
            f"{classifier.name} knows other classes ({', '.join([*classifier.categories][:3])} …) than the pictures "
            f"({', '.join(training.classes)}); train it on them first: seewhy train FOLDER --out DIR"
        )
    if not len(validation):
        raise UsageError("without pictures to validate on nobody can tell whether prototypes work; keep some")
    network = _built(classifier, training, recipe, layer, seed)
    learning = Learning(network, validation, recipe, seed, progress)
    stream = Stream(
        training,
        recipe.batch_size,
        seed_of(seed, "pictures"),
        Augmentation() if recipe.copies else None,
        balanced=True,
        device=classifier.device,
    )
    bank = filled_bank(network.backbone, stream, recipe.copies, progress)
    if recipe.probe_steps:
        learning.start(bank)
    if recipe.warm_steps:
        learning.warm(bank)
    if recipe.joint_steps:
        learning.joint(stream)
        bank = filled_bank(network.backbone, stream, recipe.copies, progress)
    head = network.head.eval()
    costs, shared, trained = costs_of(head, bank), shared_patches(head, bank), len(head.owners)
    patches: list[Patch] = []
    if costs.apart:
        patches = push(head, bank)
        if recipe.solve:
            patches = solve(head, bank, prune(head, bank, patches))
    before = (predict(classifier, validation, progress).argmax(1) == validation.labels).double().mean()
    diagnosis = Diagnosis(
        classes=training.classes,
        backbone_accuracy=float(before),
        shared_patches=shared,
        cluster=costs.cluster,
        separation=costs.separation,
        pushed=costs.apart,
        trained=trained,
        **_measured(network, validation, progress),
    )
    prototypes = _described(network, training, patches)
    return Trained(PrototypeModel(network, classifier.preprocessing, prototypes, diagnosis), learning.history)


def _built(
    classifier: Classifier, training: Pictures, recipe: Recipe, layer: str | None, seed: int
) -> PrototypeNetwork:
    backbone = Backbone.of(classifier, layer)
    backbone = Backbone(copy.deepcopy(classifier.module).eval(), backbone.layer, backbone.grid)
    classes = len(training.classes)
    owners = torch.arange(classes).repeat_interleave(recipe.per_class).tolist()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of(seed, "prototypes"))
        head = PrototypeHead(backbone.grid.channels, owners, classes, recipe.size, recipe.measure)
    return PrototypeNetwork(backbone, head).to(classifier.device)


def _measured(network: PrototypeNetwork, validation: Pictures, progress: Progress) -> dict[str, Any]:
    """What `Diagnosis` says of validation pictures and of the use of prototypes."""
    head, labels = network.head, validation.labels
    features = features_of(network.backbone, validation, progress)
    similarities, places = head.similarity(nearest_of(head, features)), places_of(head, features)
    predicted = head.score(similarities).argmax(1)
    points = similarities * head.weights[predicted]
    used = torch.bincount(points.argmax(1), minlength=len(head.owners))
    classes = len(validation.classes)
    true, said = (functional.one_hot(each.cpu(), classes) for each in (labels, predicted))  # (N, K)
    mine = own_class(head.owners, classes).float()
    means = (similarities @ mine.T / mine.sum(1).clamp(min=1)).cpu()  # (N, K)
    by_true = means.T @ true.float() / true.sum(0).clamp(min=1)
    confusion, similarity = (tuple(map(tuple, each.tolist())) for each in (true.T @ said, by_true))
    speaking = [(head.weights[said] > 0).nonzero().flatten() for said in predicted]
    return {
        "confusion": confusion,
        "mean_similarity": similarity,
        "usage": tuple(used.tolist()),
        "speaking": median(len(each) for each in speaking),
        "places": median(distinct_places(row[each]) for row, each in zip(places, speaking, strict=True)),
    }


def _described(network: PrototypeNetwork, training: Pictures, patches: list[Patch]) -> tuple[Prototype, ...]:
    """The prototypes with the pictures that they are patches of, where they are."""
    head, owners, size = network.head, network.head.owners.tolist(), training.preprocessing.size
    if not patches:
        return tuple(map(Prototype, owners))
    found: list[Prototype] = []
    for number, patch in enumerate(patches):
        x = training.batch([patch.picture], head.prototypes.device).x
        with torch.no_grad():
            similarity = head.similarity(head.distances(network.backbone(x)))[0, number]
        source = training.entries[patch.picture].path
        picture = from_values(training.view(patch.picture).permute(1, 2, 0).numpy(), source, alpha=False)
        box = peak_box(similarity.cpu().numpy(), size)
        found.append(Prototype(owners[number], source, (patch.row, patch.column), picture, box))
    return tuple(found)

"""The reports of `prototypes`: what was learned and whether it may be used, and this looks like that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from seewhy.core.outcome import Outcome
from seewhy.draw import confusion_svg, epochs_svg, photo
from seewhy.prototypes.explaining import Match, PrototypeExplanation, place_picture, prototype_picture
from seewhy.prototypes.model import MOST_LOST, WORST_RECALL, Diagnosis, PrototypeModel
from seewhy.prototypes.training import PrototypeRun
from seewhy.report.page import Picture, embed, write_page
from seewhy.report.words import counted, listed, number

FEW_CLASSES = 25
SHOWN_MATCHES, SHOWN_CLASSES = 6, 5
LARGE = 480


@dataclass(frozen=True)
class Learned:
    """One prototype as it stands in the gallery."""

    picture: Picture
    words: str
    source: str


@dataclass(frozen=True)
class Pair:
    """A place in a photo, the patch that it looks like, and the points."""

    place: Picture
    patch: Picture
    words: str
    source: str


@dataclass(frozen=True)
class Explained:
    """One photo with its best matches, and how its classes' points add up."""

    name: str
    label: str
    photo: Picture
    pairs: Sequence[Pair]
    rest: str
    sums: Sequence[tuple[str, str, str, str, str]]


def write_prototypes_report(run: PrototypeRun) -> Path:
    """Write `report.html` into the folder of the prototypes; returns its path."""
    model = run.trained.model
    found = model.diagnosis
    return write_page(
        run.out / "report.html",
        "prototypes-train.html",
        title=f"Prototypes of {listed(model.classes) if len(model.classes) < 6 else f'{len(model.classes)} classes'}",
        lead=_lead(found, model),
        usable=found.usable,
        reasons=found.reasons,
        gate=_gate(found),
        confusion=_confusion(found),
        predictions=list(found.predictions.items()),
        gallery=[(name, _learned(model, label)) for label, name in enumerate(model.classes)],
        pushed=found.pushed,
        state=_state(run),
        charts=_charts(run),
        recipe=_recipe(run),
        notes=run.notes,
        failures=[Outcome(path, error=error) for path, error in run.failures],
        out=run.out,
    )


def write_prototype_explanations_report(
    folder: Path, found: Sequence[PrototypeExplanation], failures: Sequence[Outcome] = ()
) -> Path:
    """Write `folder/report.html`; returns its path."""
    model = found[0].model
    refused = "" if model.diagnosis.usable else "These prototypes did not pass the gate: do not rely on them. "
    return write_page(
        folder / "report.html",
        "prototypes-explain.html",
        title="This looks like that",
        lead=(
            f"{refused}The network decides by how much places in a photo look like patches of training pictures. "
            "Each similarity gives points to a class; the class with most points wins."
        ),
        photos=[_explained(each) for each in found],
        gallery=[(name, _learned(model, label)) for label, name in enumerate(model.classes)],
        accuracy=f"{model.diagnosis.accuracy:.1%}",
        usable=model.diagnosis.usable,
        reasons=model.diagnosis.reasons,
        failures=failures,
    )


def _lead(found: Diagnosis, model: PrototypeModel) -> str:
    accuracy = (
        f"{found.accuracy:.1%} of the validation pictures right, where its backbone has {found.backbone_accuracy:.1%}"
    )
    if found.usable:
        return f"Usable: {accuracy}. {counted(len(model.prototypes), 'prototype')} of {found.trained} were kept."
    return f"Not usable, because {listed(found.reasons)}. It has {accuracy}."


def _gate(found: Diagnosis) -> list[tuple[str, str, str, bool]]:
    """What the gate asks, what it wants, what it found, and whether that passes."""
    floor = found.backbone_accuracy - MOST_LOST
    rows = [
        (
            "Nearer to pictures of their own class",
            f"below {number(found.separation, 2)}",
            number(found.cluster, 2),
            found.pushed,
        ),
        (
            "Accuracy on validation pictures",
            f"{max(floor, 0):.1%} or more",
            f"{found.accuracy:.1%}",
            found.accuracy >= floor - 1e-9,
        ),
    ]
    return rows + [
        (f"Pictures of {name} that are found", f"{WORST_RECALL:.0%} or more", f"{recall:.1%}", recall >= WORST_RECALL)
        for name, recall in found.recalls.items()
    ]


def _confusion(found: Diagnosis) -> Markup | None:
    if len(found.classes) > FEW_CLASSES:
        return None
    return Markup(confusion_svg(np.array(found.confusion), found.classes))  # noqa: S704 - escapes names


def _learned(model: PrototypeModel, label: int) -> list[Learned]:
    """The prototypes of a class, those with the largest weight first."""
    weights = model.network.head.weights[label].tolist()
    mine = [index for index, each in enumerate(model.prototypes) if each.label == label and each.picture]
    return [
        Learned(
            embed(
                prototype_picture(model.prototypes[index]),
                f"{model.prototypes[index].source}, with a box round the patch that prototype {index} is",
            ),
            f"weight {weights[index]:.2f}, first in {counted(model.diagnosis.usage[index], 'validation picture')}",
            model.prototypes[index].source,
        )
        for index in sorted(mine, key=lambda index: -weights[index])
    ]


def _state(run: PrototypeRun) -> dict[str, str]:
    found = run.trained.model.diagnosis
    similarity = {
        f"Mean similarity to prototypes of {name}": "; ".join(
            f"{number(value, 2)} in pictures of {true}"
            for true, value in zip(found.classes, found.mean_similarity[label], strict=True)
        )
        for label, name in enumerate(found.classes[:SHOWN_CLASSES])
    }
    return {
        "Called": ", ".join(f"{name} {count}×" for name, count in found.predictions.items()),
        **similarity,
        "Evenness of use": f"{found.usage_entropy:.2f}, where 0 is one prototype deciding all and 1 all equally often",
        "Shared patches": (
            f"{found.shared_patches} of {found.trained} prototypes were nearest to the same patch as another; "
            "each was given one of its own"
        ),
    }


def _charts(run: PrototypeRun) -> list[tuple[str, str, Markup]]:
    stages = {name: len(records) for name, records in run.trained.history.items() if records}
    records = [record for each in run.trained.history.values() for record in each]
    if not records:
        return []
    shown = (
        (
            "Distances",
            "From pictures to the nearest prototype of their own class and of others: the two have to part.",
            {"own class": "cluster", "other classes": "separation"},
            None,
        ),
        ("Accuracy", "Before the last layer is solved for.", {"validation pictures": "validation_accuracy"}, 1.0),
    )
    return [
        (
            title,
            words,
            Markup(  # noqa: S704 - epochs_svg escapes names
                epochs_svg(
                    {name: [record[key] for record in records] for name, key in curves.items()},
                    across="tenths of a stage",
                    stages=stages,
                    top=top,
                )
            ),
        )
        for title, words, curves, top in shown
    ]


def _recipe(run: PrototypeRun) -> dict[str, str]:
    recipe = run.recipe
    return {
        "Backbone": f"{run.backbone}, up to {run.trained.model.network.backbone.layer}",
        "Pictures": ", ".join(f"{count:,} for {part}" for part, count in run.pictures.items()),
        "Prototypes": f"{recipe.per_class} of each class, compared by {recipe.measure}",
        "Start": "patches that tell the classes apart, by k-means" if recipe.probe_steps else "anywhere",
        "Steps": f"{recipe.warm_steps:,} with the backbone at rest, {recipe.joint_steps:,} with it",
        "Changed copies": f"{recipe.copies} of each picture",
        "Last layer": "solved for, after pruning" if recipe.solve else "left as it started",
    }


def _explained(found: PrototypeExplanation) -> Explained:
    best = found.predictions[0]
    matches = [each for each in found.matches(best.index) if each.prototype.picture]
    rest = matches[SHOWN_MATCHES:]
    points = sum(match.points for match in rest)
    return Explained(
        found.image.name,
        f"{best.name} ({best.probability:.1%})",
        embed(photo(found.image.pixels, found.view, longest=LARGE), f"The photo {found.image.name}"),
        [_pair(found, match) for match in matches[:SHOWN_MATCHES]],
        f"{counted(len(rest), 'more prototype')} of {best.name}: {number(points, 2)} points" if rest else "",
        [_sum(found, each.index, each.name, each.probability) for each in found.predictions[:SHOWN_CLASSES]],
    )


def _pair(found: PrototypeExplanation, match: Match) -> Pair:
    source = match.prototype.source
    return Pair(
        embed(place_picture(found, match), f"{found.image.name}, with a box round the place that is most alike"),
        embed(prototype_picture(match.prototype), f"{source}, a training picture, with a box round the patch"),
        match.words,
        source,
    )


def _sum(found: PrototypeExplanation, label: int, name: str, probability: float) -> tuple[str, str, str, str, str]:
    points, start = float(found.points(label).sum()), found.start(label)
    return name, number(start, 2), number(points, 2), number(float(found.scores[label]), 2), f"{probability:.1%}"

"""The reports of `prototypes`: what was learned and whether it may be used, and this looks like that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from seewhy.core.outcome import Outcome
from seewhy.draw import confusion_svg, epochs_svg, photo
from seewhy.prototypes.explaining import PrototypeExplanation, place_picture, prototype_picture
from seewhy.prototypes.model import MOST_BY_ONE, MOST_LOST, WORST_RECALL, PrototypeModel
from seewhy.prototypes.training import PrototypeRun
from seewhy.report.evaluate import MOST_CLASSES
from seewhy.report.page import Picture, counted, drawing, embed, listed, number, render

SHOWN_MATCHES, SHOWN_CLASSES = 6, 5
LARGE = 480


def prototypes_page(run: PrototypeRun) -> str:
    """What was learned, whether it may be used, and how it was trained."""
    model = run.model
    found, classes = model.diagnosis, model.classes
    accuracy = (
        f"{found.accuracy:.1%} of the validation pictures right, where its backbone has {found.backbone_accuracy:.1%}"
    )
    few = len(classes) <= MOST_CLASSES
    return render(
        "prototypes-train.html",
        title=f"Prototypes of {listed(classes) if len(classes) < 6 else f'{len(classes)} classes'}",
        lead=f"Usable: {accuracy}. {counted(len(model.prototypes), 'prototype')} of {found.trained} were kept."
        if found.usable
        else f"Not usable, because {listed(found.reasons)}. It has {accuracy}.",
        run=run,
        found=found,
        most_lost=MOST_LOST,
        worst_recall=WORST_RECALL,
        most_by_one=MOST_BY_ONE,
        confusion=drawing(confusion_svg(np.array(found.confusion), classes)) if few else None,
        gallery=_gallery(model),
        shown_classes=SHOWN_CLASSES,
        charts=_charts(run),
    )


def prototype_explanations_page(
    found: Sequence[PrototypeExplanation], model: PrototypeModel, failures: Sequence[Outcome[Any]] = ()
) -> str:
    """What in each photo looks like which prototype, and how the points add up."""
    refused = "" if model.diagnosis.usable else "These prototypes did not pass the gate: do not rely on them. "
    return render(
        "prototypes-explain.html",
        title="This looks like that",
        lead=(
            f"{refused}The network decides by how much places in a photo look like patches of training pictures. "
            "Each similarity gives points to a class; the class with most points wins."
        ),
        photos=[_explained(each) for each in found],
        gallery=_gallery(model),
        found=model.diagnosis,
        failures=failures,
    )


def _gallery(model: PrototypeModel) -> list[tuple[str, list[tuple[Picture, str, str]]]]:
    """The prototypes of each class that are patches, those with the largest weight first: picture, source, words."""
    found: list[tuple[str, list[tuple[Picture, str, str]]]] = []
    for label, name in enumerate(model.classes):
        weights = model.network.head.weights[label].tolist()
        mine = [index for index, each in enumerate(model.prototypes) if each.label == label and each.picture]
        learned: list[tuple[Picture, str, str]] = []
        for index in sorted(mine, key=lambda index: -weights[index]):
            prototype, used = model.prototypes[index], counted(model.diagnosis.usage[index], "validation picture")
            alt = f"{prototype.source}, with a box round the patch that prototype {index} is"
            words = f"weight {weights[index]:.2f}, first in {used}"
            learned.append((embed(prototype_picture(prototype), alt), prototype.source, words))
        found.append((name, learned))
    return found


def _charts(run: PrototypeRun) -> list[tuple[str, str, Markup]]:
    """The curves of a training, over all its stages."""
    stages = {name: len(records) for name, records in run.history.items() if records}
    records = [record for each in run.history.values() for record in each]
    if not records:
        return []

    def chart(top: float | None = None, **curves: str) -> Markup:
        lines = {name.replace("_", " "): [record[key] for record in records] for name, key in curves.items()}
        return drawing(epochs_svg(lines, across="tenths of a stage", stages=stages, top=top))

    distances = "From pictures to the nearest prototype of their own class and of others: the two have to part."
    return [
        ("Distances", distances, chart(own_class="cluster", other_classes="separation")),
        ("Accuracy", "Before the last layer is solved for.", chart(1.0, validation_pictures="validation_accuracy")),
    ]


def _explained(found: PrototypeExplanation) -> dict[str, Any]:
    """One photo with its best matches, and how its classes' points add up."""
    best, name = found.predictions[0], found.image.name
    matches = [each for each in found.matches(best.index) if each.prototype.picture]
    rest = matches[SHOWN_MATCHES:]
    points = number(sum(match.points for match in rest), 2)
    return {
        "name": name,
        "best": best,
        "photo": embed(photo(found.image.pixels, found.view, longest=LARGE), f"The photo {name}"),
        "pairs": [
            (
                match,
                embed(place_picture(found, match), f"{name}, with a box round the place that is most alike"),
                embed(
                    prototype_picture(match.prototype),
                    f"{match.prototype.source}, a training picture, with a box round the patch",
                ),
            )
            for match in matches[:SHOWN_MATCHES]
        ],
        "rest": f"{counted(len(rest), 'more prototype')} of {best.name}: {points} points" if rest else "",
        "sums": [
            (each, (found.start(each.index), float(found.points(each.index).sum()), float(found.scores[each.index])))
            for each in found.predictions[:SHOWN_CLASSES]
        ],
    }

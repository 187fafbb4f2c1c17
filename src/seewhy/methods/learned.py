"""An explainer that was trained for one classifier: one pass over a photo gives the maps of all classes it learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from typing_extensions import override

from seewhy.engines import segment
from seewhy.methods.learned_head import Explainer, closed, load_explainer, stage_features
from seewhy.methods.method import Method, find_method
from seewhy.methods.shap import COMPANY, unit_of
from seewhy.methods.surrogate import region_found
from seewhy.methods.task import Found, Task, a_decision, enlarge, unit
from seewhy.models import Classifier


class Learned(Method):
    """A map for each class from a small network over the classifier's own features, trained by `explainer train`.

    Of an explainer of Shapley values the shares add up exactly; how far they err is told beside every map. One that is
    no better than Grad-CAM and the mean map was refused in training, and is opened only where `refused` is true.
    """

    name = "learned"
    argument: ClassVar[str] = "explainer"
    title = "Learned explainer"
    family = "learned"
    status = "verified"
    paper = "Ntrougkas et al. 2025; Jethani et al. 2022"
    arxiv = "2501.17813"
    needs = ("scores", "layers")
    signed = True
    question = "What would a long explanation of this photo say, guessed at once by a network trained on others?"
    reading = (
        "Trained for masks: bright areas are what the class can be recognised from alone. Trained for Shapley values: "
        "orange areas raised the score of the class, blue ones lowered it, and together they add up to the difference "
        "between the score of the picture and its score when everything is hidden. It is a guess from photos like "
        "this one; how far such guesses erred on photos it had not seen is told beside the map."
    )
    cost = "one forward, and two more for Shapley values"

    explainer: str
    refused: bool = False

    def __reduce__(self) -> tuple[Any, ...]:  # classes of names with an argument are made when they are asked for
        return _made, (self.name, self.explainer, self.refused)

    @override
    def obstacle(self, classifier: Classifier) -> str | None:
        return load_explainer(self.explainer, refused=self.refused).refusal(classifier)

    @override
    def find(self, task: Task) -> list[Found]:
        return found_by(load_explainer(self.explainer, refused=self.refused), task)


def _made(name: str, explainer: str, refused: bool) -> Method:
    return find_method(name, explainer=explainer, refused=refused)


def found_by(explainer: Explainer, task: Task) -> list[Found]:
    """What an explainer says of the picture and targets of a task."""
    about, head = explainer.about, task.classifier.head
    features, logits = stage_features(task.classifier, task.inputs, about["layers"], about["cells"])
    task.spend(forwards=1)
    if about["objective"] == "mask":
        task.note(logits)
        maps = explainer(features)[0]
        masks = [explainer.of_target(maps, a_decision(head, target, Learned.name)) for target in task.asked]
        return [Found(unit(enlarge(mask[None], task.size))[0], signed=False, notes=explainer.told) for mask in masks]
    labels = square_cells(task.size, about["cells"])
    engine = task.masked(about["fill"], labels=labels, precision="float32")  # a faster copy would not repay its trial
    maps = explainer(features)[0].double()
    empty = engine(torch.zeros(1, engine.regions, dtype=torch.bool))[0].double()
    found: list[Found] = []
    for target in task.asked:
        change = target.score(engine.logits.double()) - target.score(empty)
        shares = closed(explainer.of_target(maps, target), change).flatten()
        told = region_found(engine, shares.numpy(), unit=unit_of(head, target, "logit"), company=COMPANY)
        found.append(replace(told, notes=(*told.notes, *explainer.told)))
    return found


def square_cells(size: Sequence[int], cells: int) -> np.ndarray:
    """The cell of each pixel of a picture of `size`, int32 `(h, w)`: `cells` a side."""
    return segment(np.zeros((*size, 3)), "grid", cells=cells)  # pyright: ignore[reportArgumentType]

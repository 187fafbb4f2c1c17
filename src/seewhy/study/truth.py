"""Explanations of an answer whose reason is known: the overlay turned it, and where that lies is known.

Each photo whose answer turns is explained twice, for the class it turned to and for a control class. Three things are
asked of the maps: how much of their evidence lies in the overlay's place, whether their brightest spot does, and how
much of the class goes when the photo without overlay is put back bit by bit where the map is highest, up to an area as
large as that place. The last is a deletion without a fill: what is put back is the photo itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from seewhy.core.outcome import blamed
from seewhy.engines import Answers
from seewhy.errors import ExplainError, SeewhyError
from seewhy.images import Folder, Mask, from_values
from seewhy.methods import Explanation, Method
from seewhy.methods.method import describe
from seewhy.metrics.context import TopK, draw_ties, in_cells, keep_of, pixel_ranks
from seewhy.metrics.localisation import energy_in_mask, pointing_game
from seewhy.models import Classifier, Target, load
from seewhy.study.overlay import Overlay, Turn, levels, turn_of
from seewhy.study.plan import Found, Plan, Task, Work
from seewhy.study.score import BATCH, CELLS, PRECISION, about, fixed_batches, picture_seed, pinned, versions

EVIDENCE, SPOT, DELETION = "evidence-in-overlay", "spot-in-overlay", "overlay-deleted"
ASKED = (EVIDENCE, SPOT, DELETION)
PARTS = (1 / 8, 1 / 4, 1 / 2, 1)
NOT_TURNED = "the overlay does not turn the answer"


@dataclass(frozen=True, eq=False)
class Question:
    """What every photo is asked.

    Attributes:
        methods: methods and controls by their names.
        overlay: what is laid over the photos.
        control: the index of the control class; by default, and for photos that it answers, one drawn by the seed.
        cells: for the deletion, maps are means of so many cells a side; 0 leaves them as they are.
        batch_size: variations in one forward.
        seed: of all randomness.
        maps: how large maps of the class that a photo turned to are kept.
    """

    methods: Mapping[str, Method]
    overlay: Overlay
    control: int | None = None
    cells: int = CELLS
    batch_size: int = BATCH
    seed: int = 0
    maps: str = "none"

    def plan(self, models: Mapping[str, str], images: Mapping[str, str], threads: int, device: str = "cpu") -> Plan:
        """The plan for models and pictures with these fingerprints, by their names."""
        about_it = {"overlay": self.overlay.sha256, "control": self.control}
        return Plan(
            models=dict(models),
            methods={name: describe(pinned(method, self.batch_size)) for name, method in self.methods.items()},
            metrics={name: about_it | ({"cells": self.cells} if name == DELETION else {}) for name in ASKED},
            images=dict(images),
            batch_size=self.batch_size,
            precision=PRECISION,
            threads=threads,
            seed=self.seed,
            maps=self.maps,
            device=device,
            versions=versions(),
        )


def truth_work(question: Question, folder: Folder, weights: Mapping[str, Path], device: str) -> Work:
    """What workers do with a task; it travels to them once."""
    tasks = _Tasks(question, folder, weights, device)
    return Work(tasks.prepare, tasks.score, question.maps)


class _Tasks:
    """Asks task after task: what the overlay did to a photo is found out once for all methods."""

    def __init__(self, question: Question, folder: Folder, weights: Mapping[str, Path], device: str) -> None:
        self._question, self._weights, self._device, self._folder = question, weights, device, folder

    def prepare(self, model: str) -> Classifier:
        return load(model, self._weights.get(model), self._device)

    def score(self, classifier: Classifier, task: Task) -> dict[str, Found]:
        """A row for each of `ASKED`, and the map of the class that the photo turned to, of each method."""
        turn = turn_of(classifier, self._folder.image(self._folder.named[task.image]), self._question.overlay)
        with fixed_batches(classifier, self._question.batch_size):
            return {method: self._asked(classifier, turn, method) for method in task.methods}

    def _asked(self, classifier: Classifier, turn: Turn, method: str) -> Found:
        try:
            return truth_rows(classifier, turn, method, self._question)
        except (SeewhyError, RuntimeError) as error:
            return Found(error=blamed(error, turn.laid.name))


def truth_rows(classifier: Classifier, turn: Turn, method: str, question: Question) -> Found:
    """What one method's maps of one photo say, a row for each of `ASKED`."""
    told = {
        "before": classifier.categories[turn.before],
        "turned_to": classifier.categories[turn.after],
        "without_overlay": turn.was,
        "with_overlay": turn.now,
    }
    if not turn.turned:
        nothing = {"value": None, "other_classes": None, "reason": NOT_TURNED, "label": told["turned_to"]}
        return Found([{"metric": name, **nothing, "probability": turn.now, **told} for name in ASKED])
    control = control_class(classifier, turn, question)
    asked = [[Target(turn.after, chosen="predicted"), Target(control)]]
    seed = picture_seed(question.seed, turn.laid)
    pinned_method = pinned(question.methods[method], question.batch_size)
    found = pinned_method(
        classifier, [turn.laid], asked, generator=torch.Generator().manual_seed(seed), answers=Answers()
    )
    mine, other = found[0], found[len(found) // 2]  # the first layer of each class
    area = question.overlay.area(classifier.preprocessing.size)
    values = {
        EVIDENCE: (evidence_inside(mine.values, area), evidence_inside(other.values, area)),
        SPOT: (spot_inside(mine.values, area), spot_inside(other.values, area)),
        DELETION: (deleted(classifier, turn, mine, area, question.cells, seed), None),
    }
    told["control"] = classifier.categories[control]
    rows = [
        {"metric": name, "value": value, "other_classes": beside, "reason": None, **about(mine), **told}
        for name, (value, beside) in values.items()
    ]
    return Found(rows, mine.values)


def control_class(classifier: Classifier, turn: Turn, question: Question) -> int:
    """The named control class, or one that the seed draws where none is or the named one is an answer to this photo.

    Raises:
        ExplainError: there is no class that is neither what the photo was taken for nor what it turned to.
    """
    answers = {turn.before, turn.after}
    if question.control is not None and question.control not in answers:
        return question.control
    others = [index for index in range(len(classifier.categories)) if index not in answers]
    if not others:
        raise ExplainError("the network knows no third class, so there is no control class")
    seed = picture_seed(question.seed, turn.laid)
    return others[int(torch.randint(len(others), (1,), generator=torch.Generator().manual_seed(seed)))]


def evidence_inside(values: np.ndarray, area: Mask) -> float:
    """The share of the evidence in the area; none of no evidence."""
    return energy_in_mask(values, area) if (values > 0).any() else 0.0


def spot_inside(values: np.ndarray, area: Mask) -> float:
    """Whether the largest value lies in the area; of several largest ones the share, and none without evidence."""
    return pointing_game(values, area) if (values > 0).any() else 0.0


def deleted(classifier: Classifier, turn: Turn, found: Explanation, area: Mask, cells: int, seed: int) -> float:
    """What share of the probability that the overlay brought goes with the map's top area, 1 all of it and 0 none.

    There the photo without overlay is put back, in areas that are `PARTS` of the overlay's; it is the mean over them.
    """
    values = in_cells(found.values, cells) if cells else found.values
    ranks = pixel_ranks(values, draw_ties(classifier.preprocessing.size, seed))
    clean, laid = (levels(classifier.preprocessing.pixels([each])[0]) for each in (turn.clean, turn.laid))
    restored = [
        np.where(keep_of(ranks, TopK("highest", round(part * int(area.sum()))))[..., None], laid, clean)
        for part in PARTS
    ]
    pictures = [from_values(classifier.preprocessing.framed(each), turn.laid.name, alpha=False) for each in restored]
    with torch.no_grad():
        logits = classifier.logits(classifier.preprocess(pictures)).cpu()
    left = classifier.head.probabilities(logits.double())[:, turn.after].mean()
    return (turn.now - float(left)) / (turn.now - turn.was)

"""Explainers that learn: train one on a folder of photos, with a gate that refuses what is no better than without."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seewhy.core.outcome import Outcome
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.explainers.recipe import Recipe, recipe_of
from seewhy.explainers.training import Trained, train_explainer
from seewhy.images import Folder
from seewhy.images.image import Image
from seewhy.methods import Explanation, Method, find_method
from seewhy.methods.learned import Learned
from seewhy.methods.learned_head import Explainer, Objective, save_explainer
from seewhy.methods.method import DEFAULT_METHOD
from seewhy.models import Classifier
from seewhy.models.card import CARD
from seewhy.models.foreign import require_own
from seewhy.report.explainer import explainer_page
from seewhy.report.page import save_page
from seewhy.study.plan import canonical
from seewhy.train.data import open_pictures
from seewhy.verbs.result import Result
from seewhy.verbs.train import CHECKPOINTS, claim_folder

SAMPLES = 4  # photos on the page


@dataclass(frozen=True, eq=False)
class ExplainerTraining(Trained, Result):
    """What came of a training: the explainer, whether it is usable, and what it was judged by."""

    out: Path
    classifier: Classifier
    recipe: Recipe
    photos: Mapping[str, int]
    shown: Sequence[Sequence[Explanation]]
    failures: Sequence[Outcome[Any]]

    @property
    def method(self) -> str:
        """The name by which it is used wherever a method is."""
        return f"learned:{self.out}"

    @property
    def classes(self) -> list[str]:
        """The names of the classes that it learned about."""
        return [self.classifier.categories[index] for index in self.explainer.about["classes"]]

    def to_dict(self) -> dict[str, Any]:
        """See `Result`."""
        return {
            "method": self.method,
            "objective": self.explainer.about["objective"],
            "usable": not self.explainer.reasons,
            "reasons": list(self.explainer.reasons),
            "photos_used": dict(self.photos),
            "classes": self.classes,
            **self.verdict.to_dict(),
        }

    def rows(self) -> list[dict[str, Any]]:
        """For each question that it was judged by: its own median, and its rivals'."""
        found: list[dict[str, Any]] = []
        for question in self.verdict.questions:
            rows = [each.scores[question] for each in self.verdict.photos if question in each.scores]
            medians = {name: f"{np.median([row[name] for row in rows]):.3f}" for name in rows[0]}
            found.append({"median of": question, "photos": len(rows), **medians})
        return found

    def page(self) -> str:
        """See `Result`."""
        return explainer_page(
            self,
            method=self.method,
            classes=self.classes,
            photos=self.photos,
            shown=self.shown,
            failures=self.failures,
        )

    def write(self, folder: Path) -> None:
        """Write the explainer, usable or not, and the report."""
        save_page(folder, self.page())
        judged = {**self.verdict.to_dict(), "photos_used": dict(self.photos), "recipe": self.recipe.to_dict()}
        save_explainer(folder, self.explainer, self.classes, self.classifier, judged)


def train_explainer_on(
    photos: str | Path,
    classifier: Classifier,
    out: str | Path,
    *,
    objective: str = "shapley",
    recipe: Recipe | None = None,
    classes: Sequence[str] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> ExplainerTraining:
    """Train an explainer of `classifier` on a folder of photos, and write it to `out`, which `learned:OUT` names.

    A run that was interrupted goes on where it was.

    Args:
        photos: any photos such as it will explain; nobody has to say what they show.
        classifier: whose decisions it learns to explain.
        out: where it goes, whether it is usable or not.
        objective: `shapley` for shares of the score, `mask` for what the class can be recognised from.
        recipe: how to train.
        classes: only these sub-folders.
        seed: of which photos it is judged by, and of all else that is random.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UnknownName: there is no such objective.
        UsageError: the photos are too few, or `out` holds another model.
        NonFinite: the training diverged.
    """
    out, recipe = Path(out), recipe or recipe_of(objective)
    kind: Objective = "mask" if objective == "mask" else "shapley"
    recipe_of(objective)  # refuses what is neither
    folder = Folder.open(photos).of_classes(classes)
    require_own(classifier.preprocessing, classifier.name)
    learned, unseen = folder.split((1 - recipe.held_out, recipe.held_out), seed)
    if not unseen.entries:
        raise UsageError(f"{photos} has too few photos to keep some for the judgement; add some")
    known, bad = open_pictures(learned, (), classifier.preprocessing, progress)
    apart, worse = open_pictures(unseen, (), classifier.preprocessing, progress)
    failures: list[Outcome[Any]] = [*bad, *worse]
    made_from = {
        "objective": kind,
        "model": classifier.fingerprint,
        "device": classifier.device.type,
        "recipe": recipe.to_dict(),
        "seed": seed,
        "photos": [part.hashes for part in (learned, unseen)],
    }
    if (out / CARD).is_file():
        raise UsageError(f"{out} holds a model already; give another --out, or remove it")
    claim_folder(out, canonical(made_from))
    (out / CHECKPOINTS).mkdir(exist_ok=True)
    trained = train_explainer(
        classifier, known, apart, kind, recipe, seed=seed, checkpoints=out / CHECKPOINTS, progress=progress
    )
    images = [apart.image(row) for row in range(min(SAMPLES, len(apart)))]
    counts = {"learned from": len(known), "kept apart": len(apart)}
    result = ExplainerTraining(
        trained.explainer,
        trained.verdict,
        trained.history,
        out=out,
        classifier=classifier,
        recipe=recipe,
        photos=counts,
        shown=_explained(trained.explainer, classifier, images, out / CHECKPOINTS / "trial"),
        failures=failures,
    )
    result.write(out)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return result


def _explained(
    explainer: Explainer, classifier: Classifier, images: Sequence[Image], folder: Path
) -> list[list[Explanation]]:
    """Each photo by the explainer, usable or not, and by Grad-CAM; those of classes it does not know are left out."""
    save_explainer(folder, explainer, [], classifier, {})
    methods = [Learned(explainer=str(folder), refused=True), find_method(DEFAULT_METHOD)]
    found: list[list[Explanation]] = []
    for image in images:
        with suppress(UsageError):
            found.append([one for each in methods for one in _by(each, classifier, image)])
    return found


def _by(method: Method, classifier: Classifier, image: Image) -> list[Explanation]:
    return method(classifier, [image], generator=torch.Generator().manual_seed(0))

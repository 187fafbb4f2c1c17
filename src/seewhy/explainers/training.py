"""Train an explainer: what the classifier sees, what it says of parts, a head that learns it, and the gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.explainers.gate import Verdict, judge, mean_map
from seewhy.explainers.masks import mask_stage
from seewhy.explainers.photos import Photos, learned_classes
from seewhy.explainers.recipe import Recipe
from seewhy.explainers.shares import ask, shapley_stage
from seewhy.methods.learned_head import About, Explainer, LearnedHead, Objective
from seewhy.models import Classifier
from seewhy.train.data import Pictures
from seewhy.train.loop import Record, Stage, fit, seed_of

FEWEST = 8  # photos to learn from: fewer make no batch with a variance


@dataclass(frozen=True, eq=False)
class Trained:
    """An explainer, how it came to be, and what the gate says."""

    explainer: Explainer
    verdict: Verdict
    history: tuple[Record, ...]


def train_explainer(
    classifier: Classifier,
    learned: Pictures,
    unseen: Pictures,
    objective: Objective,
    recipe: Recipe,
    *,
    seed: int = 0,
    checkpoints: Path | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train on `learned`, judge on `unseen`.

    Args:
        classifier: whose decisions it learns to explain.
        learned: photos to learn from; nobody has to say what they show.
        unseen: photos to judge by.
        objective: what its maps are.
        recipe: how to train.
        seed: of coalitions, the new head, and the order of photos.
        checkpoints: a folder, with which a run that was interrupted goes on where it was.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: the photos are too few, or the network has no layers, gradients or classes where it needs them.
        NonFinite: the training diverged.
    """
    wanted = {"layers", "gradients"} if objective == "mask" else {"layers"}
    if lacking := sorted(wanted - classifier.offers):
        raise UsageError(f"to train an explainer takes {' and '.join(lacking)}, which {classifier.name} does not offer")
    if len(learned) < FEWEST or not len(unseen):
        raise UsageError(
            f"an explainer learns from {FEWEST} photos at least and is judged on others; here are {len(learned)} and "
            f"{len(unseen)}"
        )
    photos = Photos.of(classifier, learned, recipe.cells, progress)
    classes = learned_classes(photos)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of(seed, "head"))
        head = LearnedHead(photos.features.shape[1], len(classes))
    stage = _stage(head, photos, classes, objective, recipe, seed, checkpoints, progress)
    path = checkpoints / f"{objective}.pt" if checkpoints else None
    history = fit(head, stage, checkpoint=path, progress=progress)
    about = About(
        objective=objective,
        cells=recipe.cells,
        classes=classes,
        layers=list(photos.layers),
        channels=photos.features.shape[1],
        fill=recipe.fill,
        model=classifier.name,
        fingerprint=classifier.fingerprint,
    )
    explainer = Explainer(head.cpu().eval(), about)
    others = Photos.of(classifier, unseen, recipe.cells, progress)
    verdict = judge(explainer, others, mean_map(explainer, photos), recipe, seed, checkpoints, progress)
    return Trained(replace(explainer, reasons=verdict.reasons, told=verdict.told), verdict, tuple(history))


def _stage(
    head: LearnedHead,
    photos: Photos,
    classes: list[int],
    objective: Objective,
    recipe: Recipe,
    seed: int,
    checkpoints: Path | None,
    progress: Progress,
) -> Stage:
    if objective == "mask":
        return mask_stage(head.to(photos.classifier.device), photos, classes, recipe, seed)
    answers = ask(photos, classes, recipe, seed, checkpoints, progress)
    return shapley_stage(head, photos, answers, recipe, seed)

"""Is a learned explainer of any use? Held against Grad-CAM and against the mean map, on photos that it has not seen.

The mean map is where such an explainer points on average: who knows no more than where objects lie in photos draws it
for every photo.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress
from seewhy.explainers.photos import Photos
from seewhy.explainers.recipe import Recipe
from seewhy.explainers.shares import engine_of, kept
from seewhy.methods import find_method
from seewhy.methods.learned_head import Explainer, closed
from seewhy.methods.shapley_values import permutation_shapley
from seewhy.methods.task import enlarge, unit
from seewhy.metrics.context import Context, Map, cell_means, spearman
from seewhy.metrics.metric import find_metric
from seewhy.models import Target

ENOUGH = 0.6  # of the photos on which it has to be better than each rival
RIVALS = {"grad_cam": "Grad-CAM", "mean_map": "the mean map"}
FAITHFUL = {"insertion-minus-deletion": "insertion − deletion", "road": "ROAD"}
AGREEMENT = "rank correlation with long Shapley values"


@dataclass(frozen=True)
class Judged:
    """One photo: the scores of the explainer and of its rivals, by question and by name; more is better."""

    photo: str
    target: str
    scores: dict[str, dict[str, float]]
    forwards: int = 0  # of the long Shapley values


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the gate found, photo by photo."""

    photos: tuple[Judged, ...]

    def share(self, question: str, rival: str) -> float:
        """Of the photos, how many the explainer is better on than a rival."""
        rows = [each.scores[question] for each in self.photos if question in each.scores]
        return sum(row["learned"] > row[rival] for row in rows) / max(len(rows), 1)

    @property
    def questions(self) -> tuple[str, ...]:
        """What was asked."""
        return tuple(dict.fromkeys(name for each in self.photos for name in each.scores))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is of no use; none where it is."""
        if not self.photos:
            return ("no photo was left to judge it by: give more photos",)
        shares = {(question, rival): self.share(question, rival) for question in self.questions for rival in RIVALS}
        return tuple(
            f"by {question} it is better than {RIVALS[rival]} on {share:.0%} of {len(self.photos)} photos that it has "
            f"not seen, and {ENOUGH:.0%} are wanted"
            for (question, rival), share in shares.items()
            if share < ENOUGH
        )

    @property
    def told(self) -> tuple[str, ...]:
        """How far it errs, for every page with a map of it."""
        found: list[str] = []
        if rows := [each.scores[AGREEMENT]["learned"] for each in self.photos if AGREEMENT in each.scores]:
            forwards = max(each.forwards for each in self.photos)
            found.append(
                f"A learned guess: on {len(rows)} photos that it had not seen, its shares had a median rank "
                f"correlation of {np.median(rows):.2f} (least {min(rows):.2f}) with Shapley values of {forwards:,} "
                "forwards"
            )
        else:
            words = [
                f"by {question} than {RIVALS[rival]} on {self.share(question, rival):.0%}"
                for question in self.questions
                for rival in RIVALS
            ]
            found.append(
                f"A learned guess: on {len(self.photos)} photos that it had not seen, it was better {', '.join(words)}"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"photos": [asdict(each) for each in self.photos], "told": list(self.told)}


def judge(
    explainer: Explainer,
    unseen: Photos,
    mean: Tensor,
    recipe: Recipe,
    seed: int,
    folder: Path | None,
    progress: Progress,
) -> Verdict:
    """Hold the explainer against its rivals on unseen photos; `mean` `(g, g)` is its mean map of those it has seen.

    Long Shapley values are files of `folder` from then on.
    """
    known = [row for row, index in enumerate(unseen.predicted.tolist()) if index in explainer.about["classes"]]
    rows = known[: recipe.judged]
    by = partial(by_shapley, folder=folder) if explainer.about["objective"] == "shapley" else by_removal
    found: list[Judged] = []
    for number, row in enumerate(rows):
        progress(number, len(rows), "judging on photos it has not seen")
        found.append(by(explainer, unseen, row, mean, recipe, seed))
    return Verdict(tuple(found))


def by_shapley(
    explainer: Explainer, unseen: Photos, row: int, mean: Tensor, recipe: Recipe, seed: int, folder: Path | None = None
) -> Judged:
    """By how its shares, and the cells of its rivals' maps, are ordered as long Shapley values are."""
    target, path = _target(unseen, row), folder / f"long-{row:05}.npy" if folder else None
    found = kept(path, (recipe.cells**2 + 2,), partial(_long, unseen, row, target, recipe, seed))
    long, change, asked = found[:-2].numpy(), found[-2], int(found[-1])
    learned = closed(explainer.of_target(explainer(unseen.features[row : row + 1])[0].double(), target), change)
    maps = {"learned": learned.numpy(), "mean_map": mean.numpy(), **_grad_cam(unseen, row, target, recipe.cells)}
    scores = {name: spearman(values.ravel(), long) for name, values in maps.items()}
    return _judged(unseen, row, target, {AGREEMENT: scores}, asked)


def _long(photos: Photos, row: int, target: Target, recipe: Recipe, seed: int) -> Tensor:
    """Long Shapley values of the cells, then what all cells add, and how much was asked for that."""
    engine, whole = engine_of(photos, row, recipe, seed), recipe.cells**2

    def value_of(coalitions: Tensor) -> Tensor:
        return target.score(engine(coalitions).double())

    long = permutation_shapley(value_of, whole, recipe.long, torch.Generator().manual_seed(seed)).values
    nothing, all_of_it = value_of(torch.tensor([[False] * whole, [True] * whole]))
    return torch.cat([long, torch.stack([all_of_it - nothing, torch.tensor(engine.asked).double()])])


def by_removal(explainer: Explainer, unseen: Photos, row: int, mean: Tensor, _: Recipe, seed: int) -> Judged:
    """By what the network says when the areas that each map points at are shown, hidden or painted over."""
    target, size = _target(unseen, row), unseen.classifier.preprocessing.size
    masks = explainer.of_target(explainer(unseen.features[row : row + 1])[0], target)
    drawn = unit(enlarge(torch.stack([masks, mean]), size)).numpy()
    maps = {"learned": drawn[0], "mean_map": drawn[1], **_grad_cam(unseen, row, target, None)}
    context = Context(unseen.classifier, unseen.pictures.image(row))
    asked = [Map(values, target) for values in maps.values()]
    scores: dict[str, dict[str, float]] = {}
    for name, words in FAITHFUL.items():
        found = find_metric(name)(context, asked, generator=torch.Generator().manual_seed(seed))
        if all(each.value is not None for each in found):
            values = [float(each.value or 0) for each in found]
            scores[words] = dict(zip(maps, values, strict=True))
    return _judged(unseen, row, target, scores)


def mean_map(explainer: Explainer, photos: Photos) -> Tensor:
    """The mean of its maps `(g, g)` of what each photo is taken for, of those it has learned about."""
    predicted = photos.predicted.tolist()
    rows = [row for row, index in enumerate(predicted) if index in explainer.about["classes"]]
    maps = [explainer.of_target(explainer(photos.features[row : row + 1])[0], Target(predicted[row])) for row in rows]
    return torch.stack(maps).double().mean(0)


def _grad_cam(photos: Photos, row: int, target: Target, cells: int | None) -> dict[str, np.ndarray]:
    method, image = find_method("grad-cam"), photos.pictures.image(row)
    (found,) = method(photos.classifier, [image], [[target]], generator=torch.Generator().manual_seed(0))
    return {"grad_cam": found.values if cells is None else cell_means(found.values, cells)}


def _target(photos: Photos, row: int) -> Target:
    return Target(int(photos.predicted[row]), chosen="predicted")


def _judged(photos: Photos, row: int, target: Target, scores: dict[str, dict[str, float]], forwards: int = 0) -> Judged:
    name = target.label(photos.classifier.categories)
    return Judged(photos.pictures.entries[row].path, name, scores, forwards)

"""Few-shot training: episodes of a few photos of a few classes, each asked which of them a further photo is like.

Source: Sun et al. 2020, Explanation-Guided Training for Cross-Domain Few-Shot Classification, of a relation network;
see `seewhy.train.guidance`. We differ: the backbone stays as it is, so that its features are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.methods import find_method
from seewhy.metrics.context import spearman
from seewhy.models import Categories, Classifier, Target
from seewhy.models.backbone import Backbone
from seewhy.models.card import Architecture
from seewhy.models.relation import OPTION, RelationHead, RelationNetwork, paired
from seewhy.train.attention import Compared
from seewhy.train.data import Pictures, answers
from seewhy.train.finetune import Epoch
from seewhy.train.guidance import weights
from seewhy.train.loop import Group, Record, Stage, fit, seed_of
from seewhy.train.recipe import Recipe

WAYS = 5  # classes of an episode
ASKED = 5  # photos of each class that it asks about
EPISODES = 25  # of an epoch
ONE_SHOT = 0.5  # how much guided scores count beside the others where each class shows one photo; else 1
MAPPED = 40  # unseen photos whose maps are compared
METHOD = "grad-cam"


class Episode(NamedTuple):
    """Places of photos: those that each of K classes shows `(K, s)`, those asked about `(n,)`, and their classes."""

    shown: Tensor
    asked: Tensor
    truth: Tensor


@dataclass(frozen=True)
class Guided:
    """What guiding by explanations cost and changed, on unseen photos of `part`; of the network and its plain twin.

    Attributes:
        part: where the photos are from.
        shots: photos that each class shows in an episode.
        episodes: how many it learned from.
        accuracy: of all photos of the part.
        linear: the accuracy of a linear head on the same features.
        half: which share of the cells of their maps holds half of what speaks for the class, in the median photo.
        agreement: rank correlation of the maps of both, in the median photo.
        mapped: so many photos.
    """

    part: str
    shots: int
    episodes: int
    accuracy: Compared
    linear: float
    half: Compared
    agreement: float
    mapped: int


def with_relation_head(
    classifier: Classifier, architecture: Architecture, classes: Sequence[str], seed: int
) -> tuple[Classifier, Architecture]:
    """The classifier's network up to its last grid, with a relation head drawn from the seed, and how a card names it.

    Raises:
        ModelError: no layer of it keeps a grid over the picture.
    """
    backbone = Backbone.of(classifier)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of(seed, "relation"))
        network = RelationNetwork(backbone, len(classes)).eval()
    named = Architecture(architecture.name, {**architecture.options, OPTION: network.option})
    network = network.to(classifier.device)
    return Classifier(network, classifier.preprocessing, Categories(tuple(classes)), classifier.name), named


def check_few_shot(pictures: Pictures, shots: int) -> None:
    """Raises `UsageError` where these pictures make no episodes."""
    if pictures.folder.labelled:
        raise UsageError("--few-shot is about the class of a picture; pictures here have several labels")
    counts = torch.bincount(pictures.labels, minlength=len(pictures.classes))
    if poor := [name for name, count in zip(pictures.classes, counts.tolist(), strict=True) if count <= shots]:
        raise UsageError(
            f"an episode shows {shots} photos of each class and asks about others; of {', '.join(poor)} there are "
            f"{int(counts.min())} to learn from; add some, or give --few-shot {max(1, int(counts.min()) - 1)}"
        )


def drawn(labels: Tensor, shots: int, seed: int, step: int) -> Episode:
    """The episode of a step, of pictures of the classes `labels` `(n,)`."""
    generator = torch.Generator().manual_seed(seed_of(seed, "episode", step))
    known = labels.unique()
    chosen = known[torch.randperm(len(known), generator=generator)[:WAYS]]
    shown, asked = list[Tensor](), list[Tensor]()
    for label in chosen:
        mine = torch.nonzero(labels == label).flatten()
        mine = mine[torch.randperm(len(mine), generator=generator)]
        shown.append(mine[:shots])
        asked.append(mine[shots : shots + ASKED])
    truth = [torch.full((len(each),), place) for place, each in enumerate(asked)]
    return Episode(torch.stack(shown), torch.cat(asked), torch.cat(truth))


def episode_loss(head: RelationHead, features: Tensor, episode: Episode, guided: bool) -> Mapping[str, Tensor]:
    """What an episode costs, of features `(n, C, h, w)` of all pictures; `guided`, of the weighted pairs, too."""
    ways, shots = episode.shown.shape
    pairs = paired(features[episode.shown].mean(1), features[episode.asked])
    truth = episode.truth.to(features.device)
    scores = head(pairs).view(-1, ways)
    loss = relation_loss(scores, truth)
    if guided:
        again = head(pairs * weights(head, pairs, ways)).view(-1, ways)
        loss = loss + (1.0 if shots > 1 else ONE_SHOT) * relation_loss(again, truth)
    return {"loss": loss, "accuracy": (scores.argmax(1) == truth).float().mean()}


def relation_loss(scores: Tensor, truth: Tensor) -> Tensor:
    """Mean square error of each score `(n, K)`, as a probability of its own, against 1 for the class and 0 else."""
    return F.mse_loss(scores.sigmoid(), F.one_hot(truth, scores.shape[1]).to(scores))


def learn_by_episodes(
    classifier: Classifier,
    train: Pictures,
    validation: Pictures,
    recipe: Recipe,
    *,
    guided: bool = True,
    seed: int = 0,
    checkpoints: Path | None = None,
    progress: Progress = silent,
    tell: Callable[[Epoch], None] | None = None,
) -> list[Epoch]:
    """Train the relation head of `classifier` in place on `train`; `validation` is looked at after each epoch.

    The classes are then the means of their pictures. As `finetune`, but for `guided`: without it the same episodes are
    learned from without weights.
    """
    network = relation_of(classifier)
    check_few_shot(train, recipe.shots or 1)
    features, seen = (
        answers(network.backbone, pictures, classifier.device, progress, "features of pictures")
        for pictures in (train, validation)
    )
    means = torch.stack([features[train.labels == place].mean(0) for place in range(len(train.classes))])
    network.prototypes.copy_(means)
    truth, found = validation.labels.to(features.device), list[Epoch]()

    def look() -> Mapping[str, float]:
        scores = torch.cat([network.related(part) for part in seen.split(ASKED)])
        right = (scores.argmax(1) == truth).float().mean()
        return {"validation_loss": float(relation_loss(scores, truth)), "validation_accuracy": float(right)}

    def told(record: Record) -> None:
        values = {name: value for name, value in record.items() if name != "step"}
        found.append(Epoch("episodes", round(record["step"] / EPISODES), **values))
        if tell:
            tell(found[-1])

    stage = replace(episode_stage(network.head, features, train.labels, recipe, seed, guided), look=look)
    path = checkpoints / "episodes.pt" if checkpoints else None
    fit(network.head, stage, checkpoint=path, progress=progress, tell=told)
    return found


def episode_stage(
    head: RelationHead, features: Tensor, labels: Tensor, recipe: Recipe, seed: int, guided: bool
) -> Stage:
    """Training of a head on features `(n, C, h, w)` of pictures of the classes `labels` `(n,)`."""
    return Stage(
        steps=recipe.epochs * EPISODES,
        every=EPISODES,
        batches=lambda step: drawn(labels, recipe.shots or 1, seed, step),
        objective=lambda episode: episode_loss(head, features, episode, guided),
        groups=[Group(list(head.parameters()), recipe.learning_rate)],
        patience=recipe.patience,
        seed=seed_of(seed, "episodes", "draws"),
    )


def relation_of(classifier: Classifier) -> RelationNetwork:
    """Its network; raises `UsageError` where that is no relation network."""
    if not isinstance(classifier.module, RelationNetwork):
        raise UsageError(f"{classifier.name} is no relation network; `seewhy train --few-shot` makes one")
    return classifier.module


def compared_maps(
    guided: Classifier, plain: Classifier, linear: Classifier, opened: Mapping[str, Pictures], recipe: Recipe
) -> Guided:
    """Both networks, and a linear head, on the last part that they did not learn from."""
    part = [name for name, pictures in opened.items() if name != "train" and len(pictures)][-1]
    pictures = opened[part]
    said = [answers(each.logits, pictures, each.device).argmax(1).cpu() for each in (guided, plain, linear)]
    right = [float((each == pictures.labels).float().mean()) for each in said]
    spread = np.linspace(0, len(pictures) - 1, min(MAPPED, len(pictures))).round().astype(int).tolist()
    maps = [(_map(guided, pictures, row), _map(plain, pictures, row)) for row in spread]
    return Guided(
        part,
        recipe.shots or 1,
        recipe.epochs * EPISODES,
        Compared(right[0], right[1]),
        right[2],
        Compared(*(float(np.median([half_share(pair[place]) for pair in maps])) for place in (0, 1))),
        float(np.median([spearman(*pair) for pair in maps])),
        len(maps),
    )


def half_share(values: np.ndarray) -> float:
    """The least share of a map's places that holds half of what is above 0 in it; 1 where nothing is."""
    sizes = np.sort(values.clip(min=0).ravel().astype(np.float64))[::-1]
    if not sizes.any():
        return 1.0
    return float((np.searchsorted(sizes.cumsum(), sizes.sum() / 2) + 1) / len(sizes))


def _map(classifier: Classifier, pictures: Pictures, row: int) -> np.ndarray:
    """The map of the class that the picture is of."""
    target, image = Target(int(pictures.labels[row])), pictures.image(row)
    (found,) = find_method(METHOD)(classifier, [image], [[target]], generator=torch.Generator().manual_seed(0))
    return found.values

"""The mask objective: as little of the photo as the class can be recognised from.

Source: Ntrougkas et al. 2025 (P-TAME), in its authors' words: cross entropy of the photo under the mask of its class,
the area of the masks, their total variation. Area and variation are those of the masks of all classes of the batch on
all its photos, so that a class which is not there learns to leave nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from seewhy.explainers.photos import Photos
from seewhy.explainers.recipe import Recipe
from seewhy.methods.learned_head import LearnedHead
from seewhy.models import capture
from seewhy.train.data import Stream
from seewhy.train.loop import Group, Stage, seed_of

LEAST = 0.0005  # beside a mask's values, whose power has no slope at 0
BORDER = 0.3
LOOKS = 20


def total_variation(masks: Tensor) -> Tensor:
    """Squared differences of neighbours, and of the border to nothing, summed and halved, for each of `(n, h, w)`."""
    inside = masks.diff(dim=-1).square().sum() + masks.diff(dim=-2).square().sum()
    border = masks[:, [0, -1]].square().sum() + masks[:, :, [0, -1]].square().sum()
    return (inside + BORDER * border) / (2 * len(masks))


def mask_stage(head: LearnedHead, photos: Photos, classes: list[int], recipe: Recipe, seed: int) -> Stage:
    """Training through the classifier, whose weights stay."""
    classifier, pictures = photos.classifier, photos.pictures
    place = {index: number for number, index in enumerate(classes)}
    known = [row for row, index in enumerate(photos.predicted.tolist()) if index in place]
    part = photos.part(known)
    predicted = part.predicted
    own = torch.tensor([place[index] for index in predicted.tolist()])
    stream = Stream(part.pictures, recipe.batch_size, seed_of(seed, "masks"))
    steps = recipe.steps

    def objective(rows: Tensor) -> Mapping[str, Tensor]:
        masks = head(part.features[rows].to(classifier.device)).sigmoid()
        mine = masks[torch.arange(len(rows)), own[rows]]
        seen = torch.stack([part.pictures.view(row) for row in rows.tolist()]).to(classifier.device).float() / 255
        shown = F.interpolate(mine[:, None], seen.shape[-2:], mode="bilinear", align_corners=False)
        with capture(classifier.module, ()):
            logits = classifier.logits(pictures.preprocessing.normalize(shown * seen).to(classifier.dtype))
        agreement = F.cross_entropy(logits.float(), predicted[rows].to(logits.device))
        everywhere = masks[:, own[rows]].flatten(0, 1)
        area = (everywhere + LEAST).pow(recipe.power).mean()
        loss = recipe.agreement * agreement + recipe.area * area + recipe.smoothness * total_variation(everywhere)
        return {"loss": loss, "agreement": agreement, "area": area}

    return Stage(
        steps=steps,
        every=max(1, steps // LOOKS),
        batches=lambda step: torch.tensor(stream.indices(step)),
        objective=objective,
        groups=[Group(list(head.parameters()), recipe.learning_rate, recipe.weight_decay)],
        decay=lambda step: (1 + math.cos(math.pi * step / steps)) / 2,
        seed=seed_of(seed, "draws"),
    )

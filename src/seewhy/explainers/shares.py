"""The Shapley objective: shares that foretell what the network says of coalitions, with no gradient through it.

Source: Jethani et al. 2022 (FastSHAP). Coalitions are asked once, before training, and kept beside it: what was asked
before a run was interrupted is not asked again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from seewhy.core.files import write_array
from seewhy.core.progress import Progress
from seewhy.core.reading import read_array
from seewhy.engines import MaskedForward
from seewhy.engines.inference import Precision
from seewhy.explainers.photos import Photos
from seewhy.explainers.recipe import Recipe
from seewhy.methods.learned import square_cells
from seewhy.methods.learned_head import LearnedHead, closed
from seewhy.train.loop import Group, Stage, seed_of

AGAIN = "delete it, and run again"
LOOKS = 40
HALVES: Mapping[torch.dtype, Precision] = {torch.bfloat16: "bfloat16", torch.float16: "float16"}
CHECKED = 0.15  # of the photos, by which the best weights are chosen


class Answers(NamedTuple):
    """Of n photos what m coalitions `(n, m, d)` add to the scores of K classes, `values` `(n, m, K)`.

    What all regions add is the `change` `(n, K)`.
    """

    coalitions: Tensor
    values: Tensor
    change: Tensor


def coalitions(cells: int, count: int, generator: torch.Generator) -> Tensor:
    """Pairs of a coalition and its complement, bool `(count, cells²)`, as the Shapley kernel weighs them.

    Source: Lundberg & Lee 2017, theorem 2; pairs after Covert & Lee 2021.
    """
    players = cells * cells
    sizes = torch.arange(1, players)
    weights = 1 / (sizes * (players - sizes)).double()
    drawn = sizes[torch.multinomial(weights, count // 2, replacement=True, generator=generator)]
    ranks = torch.rand((count // 2, players), generator=generator).argsort(1).argsort(1)
    shown = ranks < drawn[:, None]
    return torch.stack([shown, ~shown], 1).flatten(0, 1)


def engine_of(
    photos: Photos, index: int, recipe: Recipe, seed: int, precision: Precision | Literal["auto"] = "auto"
) -> MaskedForward:
    """What asks the network about the cells of one photo."""
    size = photos.classifier.preprocessing.size
    generator = torch.Generator().manual_seed(seed)
    image, labels = photos.pictures.image(index), square_cells(size, recipe.cells)
    return MaskedForward(photos.classifier, image, recipe.fill, labels=labels, generator=generator, precision=precision)


def ask(
    photos: Photos, classes: Sequence[int], recipe: Recipe, seed: int, folder: Path | None, progress: Progress
) -> Answers:
    """Ask the network about coalitions of every photo; each photo's answers are a file of `folder` from then on.

    The first photo is the trial of half precision for all.
    """
    precision = HALVES.get(engine_of(photos, 0, recipe, seed).network.precision, "float32")
    drawn, values, change = list[Tensor](), list[Tensor](), list[Tensor]()
    for index, entry in enumerate(photos.pictures.entries):
        progress(index, len(photos), "asking about parts of photos")
        draw = torch.Generator().manual_seed(seed_of(seed, "coalitions", entry.path))
        asked = coalitions(recipe.cells, recipe.asked, draw)
        path = folder / f"asked-{index:05}.npy" if folder else None
        answers = kept(
            path, (len(asked) + 2, len(classes)), partial(_ask, photos, index, asked, classes, recipe, seed, precision)
        )
        empty, whole, rest = answers[0], answers[1], answers[2:]
        drawn.append(asked)
        values.append(rest - empty)
        change.append(whole - empty)
    return Answers(torch.stack(drawn), torch.stack(values), torch.stack(change))


def _ask(
    photos: Photos,
    index: int,
    asked: Tensor,
    classes: Sequence[int],
    recipe: Recipe,
    seed: int,
    precision: Precision,
) -> Tensor:
    """Scores `(m + 2, K)` of nothing, of the whole photo, and of each coalition."""
    engine = engine_of(photos, index, recipe, seed, precision)
    engine.expected = engine.forwards + len(photos) * len(asked)  # what is compiled for one photo answers for all
    empty = torch.zeros((1, engine.regions), dtype=torch.bool)
    rows = torch.cat([engine(empty), engine.logits[None], engine(asked)])
    return rows[:, torch.tensor([*classes])]


def kept(path: Path | None, shape: tuple[int, ...], make: Callable[[], Tensor]) -> Tensor:
    """What the file at `path` holds; where there is none it is made, and kept there."""
    if path is None:
        return make()
    if not path.is_file():
        write_array(path, make().numpy())
    return torch.from_numpy(np.array(read_array(path, AGAIN, kinds="f", shape=shape)))


def shapley_loss(shares: Tensor, answers: Answers) -> Tensor:
    """Mean square error `(n, K)` of what shares `(n, K, g, g)` foretell of the coalitions of n photos."""
    parts = closed(shares, answers.change).flatten(2)
    foretold = torch.einsum("nmd,nkd->nmk", answers.coalitions.to(parts), parts)
    return (foretold - answers.values).square().mean(1)


def shapley_stage(head: LearnedHead, photos: Photos, answers: Answers, recipe: Recipe, seed: int) -> Stage:
    """Training on most photos, with an eye on the others."""
    order = torch.randperm(len(photos), generator=torch.Generator().manual_seed(seed_of(seed, "checked")))
    checked, learned = order[: max(1, int(CHECKED * len(order)))], order[max(1, int(CHECKED * len(order))) :]
    scale = answers.values.square().mean((0, 1)).clamp(min=1e-12)  # classes count alike, whatever their scores' size
    steps_per_epoch, steps = max(1, len(learned) // recipe.batch_size), recipe.steps

    def of(places: Tensor) -> tuple[Tensor, Answers]:
        return photos.features[places], Answers(*(each[places] for each in answers))

    def batches(step: int) -> tuple[Tensor, Answers]:
        epoch, place = divmod(step, steps_per_epoch)
        generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
        shuffled = learned[torch.randperm(len(learned), generator=generator)]
        return of(shuffled[place * recipe.batch_size : (place + 1) * recipe.batch_size])

    def error(batch: tuple[Tensor, Answers]) -> Tensor:
        return (shapley_loss(head(batch[0]), batch[1]) / scale).mean()

    def objective(batch: tuple[Tensor, Answers]) -> Mapping[str, Tensor]:
        return {"loss": error(batch)}

    return Stage(
        steps=steps,
        every=max(1, steps // LOOKS),
        batches=batches,
        objective=objective,
        groups=[Group(list(head.parameters()), recipe.learning_rate, recipe.weight_decay)],
        decay=lambda step: (1 + math.cos(math.pi * step / steps)) / 2,
        look=lambda: {"validation_loss": float(error(of(checked)))},
        patience=LOOKS + 1,  # never ends it, but the best weights are kept
        seed=seed_of(seed, "draws"),
    )

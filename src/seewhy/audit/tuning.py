"""Repair of the whole network: fine-tuning that pastes a finding on all classes, or that punishes looking at it.

Three ways, each some steps of Adam over all weights, in evaluation mode, so that dropout rests and statistics stay:
the finding laid over half of the photos of every class; gradients at the wrong place punished; evidence there punished.
The wrong place is where the finding lies, or all that people did not draw as the object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy

from seewhy.audit.looking import middle_layer
from seewhy.core.progress import Progress, silent
from seewhy.models import Classifier
from seewhy.models.capture import find_layer
from seewhy.train.loop import Batch, Group, Stage, fit, seed_of

STEPS, BATCH = 80, 12
RATES = (3e-4, 3e-3)  # of learning: what a large network that knows much can bear, and what a small one needs
WEIGHT = 10.0  # of what lies in the wrong place, a share between 0 and 1, beside the cross-entropy

Objective: TypeAlias = Callable[[Classifier, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Shown:
    """Photos to learn from, as the network sees them.

    Attributes:
        plain: uint8 `(n, C, h, w)`.
        laid: the same with the finding.
        taken: the same without it.
        labels: `(n,)`.
        wrong: where nobody should look on `plain`, bool `(n, h, w)`.
    """

    plain: Tensor
    laid: Tensor
    taken: Tensor
    labels: Tensor
    wrong: Tensor

    def part(self, rows: NDArray[np.int64]) -> Shown:
        """These photos."""
        return Shown(*(each[rows] for each in (self.plain, self.laid, self.taken, self.labels, self.wrong)))


def pasted(classifier: Classifier, x: Tensor, y: Tensor, _wrong: Tensor) -> Tensor:
    """Cross-entropy alone: what is pasted is in the photos."""
    return cross_entropy(classifier.logits(x), y)


def right_reasons(classifier: Classifier, x: Tensor, y: Tensor, wrong: Tensor) -> Tensor:
    """Cross-entropy, and the share of squared input gradients that lies in the wrong place.

    Source: Ross 2017, right for the right reasons; here as a share, so that one weight serves every network.
    """
    x = x.requires_grad_()
    logits = classifier.logits(x)
    (slopes,) = torch.autograd.grad(logits.log_softmax(1).sum(), x, create_graph=True)
    return cross_entropy(logits, y) + WEIGHT * _share(slopes.square().sum(1), wrong)


def right_energy(classifier: Classifier, x: Tensor, y: Tensor, wrong: Tensor) -> Tensor:
    """Cross-entropy, and the share of positive evidence (gradient × activation) that lies in the wrong place.

    Source: Rao 2023, the energy loss.
    """
    layer = middle_layer(classifier)
    seen: list[Tensor] = []  # by a hook of its own: a capture records what is captured, and no weights

    def keep(_part: Any, _given: Any, output: Tensor) -> None:
        seen.append(output)

    hook = find_layer(classifier.module, layer).register_forward_hook(keep)
    try:
        logits = classifier.logits(x)
    finally:
        hook.remove()
    activations = seen[-1]
    (slopes,) = torch.autograd.grad(logits.gather(1, y[:, None]).sum(), activations, create_graph=True)
    maps = classifier.require_grid(layer).fold(slopes * activations).sum(1).clamp(min=0)
    cells = adaptive_avg_pool2d(wrong.float()[:, None], (maps.shape[1], maps.shape[2]))[:, 0]
    return cross_entropy(logits, y) + WEIGHT * _share(maps, cells)


WAYS: Mapping[str, tuple[str, Objective]] = {
    "augmentation": ("fine-tuned with the finding pasted on all classes", pasted),
    "right-reasons": ("fine-tuned with right-for-the-right-reasons", right_reasons),
    "energy": ("fine-tuned with the energy loss", right_energy),
}


def tuned(
    classifier: Classifier, shown: Shown, way: str, rate: float, seed: int, progress: Progress = silent
) -> Classifier:
    """A copy of the network, fine-tuned in one of `WAYS` at a rate; the network itself stays as it is."""
    _, objective = WAYS[way]
    changed = Classifier(
        deepcopy(classifier.module),
        classifier.preprocessing,
        classifier.categories,
        classifier.name,
        declared=classifier.declared,
    )
    _ = changed.head  # tried out before any weight moves

    def batches(step: int) -> Batch:
        generator = torch.Generator().manual_seed(seed_of(seed, way, step))
        rows = torch.randperm(len(shown.labels), generator=generator)[:BATCH]
        seen = shown.plain[rows]
        if objective is pasted:  # with the finding or without it, whatever the class
            coin = torch.rand(len(rows), generator=generator) < 0.5
            seen = torch.where(coin[:, None, None, None], shown.laid[rows], shown.taken[rows])
        x = changed.preprocessing.normalize((seen.float() / 255).to(changed.device, changed.dtype))
        return Batch(x, shown.labels[rows].to(changed.device), rows)

    def loss(batch: Batch) -> dict[str, Tensor]:
        wrong = shown.wrong[batch.indices].to(changed.device)
        return {"loss": objective(changed, batch.x, batch.y, wrong)}

    weights = [each for each in changed.module.parameters() if each.is_floating_point()]
    stage = Stage(STEPS, STEPS, batches, loss, [Group(weights, rate)], seed=seed)
    with torch.enable_grad():
        fit(changed.module, stage, progress=_named(progress, way))
    return changed


def chosen_ways(names: Sequence[str]) -> list[str]:
    """Those of `WAYS` that are asked for, in their order."""
    return [way for way in WAYS if way in names]


def _share(maps: Tensor, wrong: Tensor) -> Tensor:
    """The mean share of maps `(n, h, w)`, at least 0, that lies in the wrong place, `(n, h, w)` in [0, 1]."""
    return ((maps * wrong).sum((1, 2)) / maps.sum((1, 2)).clamp(min=1e-12)).mean()


def _named(progress: Progress, way: str) -> Progress:
    def told(done: int, total: int | None, message: str) -> None:
        progress(done, total, f"{message}, {way}")

    return told

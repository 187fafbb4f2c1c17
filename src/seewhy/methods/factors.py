"""Deep feature factorisation: the few patterns that a layer's maps are made of, and what each adds to the score."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.draw import Unit
from seewhy.engines.regions import numbered
from seewhy.errors import UsageError
from seewhy.methods.evidence import RegionWeights
from seewhy.methods.method import Method
from seewhy.methods.surrogate import score_unit
from seewhy.methods.task import Found, Task, enlarge
from seewhy.models import capture, folded

ROUNDS = 500


def factorized(activations: Tensor, patterns: int) -> tuple[Tensor, Tensor]:
    """H `(k, h, w)` and W `(k, C)`, none negative, of which Σ_k H_k W_k is nearest to A `(C, h, w)`.

    Channels that fall below zero are raised until they do not. Source: Collins 2018, eq. 1-2, by non-negative matrix
    factorisation.
    """
    from sklearn.decomposition import NMF

    rows = activations.flatten(1).T.double().cpu()
    rows = rows - rows.amin(0).clamp(max=0)
    count = min(patterns, *rows.shape)
    with warnings.catch_warnings(action="ignore"):  # that more rounds would come a little nearer
        model = NMF(n_components=count, init="nndsvda", max_iter=ROUNDS, random_state=0)  # pyright: ignore[reportArgumentType]
        where = torch.from_numpy(np.ascontiguousarray(model.fit_transform(rows.numpy()).T))
    what = torch.from_numpy(model.components_)
    return where.view(count, *activations.shape[1:]), what


class DeepFeatureFactorization(Method):
    """The layer's maps as a few patterns; each cell belongs to the strongest there, each pattern adds to the score.

    The map spreads what each adds over where it is. What a pattern adds is its part in activation × gradient: the paper
    draws patterns and asks no class, so this is ours. A pattern that is strongest nowhere has no region.
    """

    name = "dff"
    title = "Deep feature factorisation"
    status = "approximate"
    family = "regions"
    paper = "Collins et al. 2018"
    arxiv = "1806.10206"
    needs = ("layers", "gradients")
    signed = True
    question = "Which patterns does the network see in this picture, and what does each add to the score?"
    reading = (
        "Each region is where one pattern of the layer is the strongest: parts that look alike to the network share a "
        "region, wherever they lie. Orange patterns raised the score of the class, blue ones lowered it. "
    )
    cost = "one forward, one backward, and a factorisation"

    layers: tuple[str, ...] = ()
    patterns: int = 10

    def __post_init__(self) -> None:
        if self.patterns < 2:
            raise UsageError(f"patterns is how many to look for, 2 or more, not {self.patterns}")

    @override
    def find(self, task: Task) -> list[Found]:
        grids, head = task.grids(self.layers), task.classifier.head
        with capture(task.classifier.module, list(grids)) as seen:
            logits = task.classifier.logits(task.inputs)
            task.note(logits)
            slopes = [seen.gradients(target.score(logits[0]), list(grids)) for target in task.asked]
        task.spend(1, len(slopes))
        maps = {layer: folded(grid, seen[layer])[0] for layer, grid in grids.items()}
        known = {layer: factorized(each, self.patterns) for layer, each in maps.items()}
        return [
            self._found(known[layer], folded(grid, gradients[layer])[0], layer, score_unit(head, target), task.size)
            for target, gradients in zip(task.asked, slopes, strict=True)
            for layer, grid in grids.items()
        ]

    def _found(
        self, factors: tuple[Tensor, Tensor], gradient: Tensor, layer: str, unit: Unit, size: tuple[int, int]
    ) -> Found:
        where, what = factors
        shares = torch.einsum("khw,kc,chw->k", where, what, gradient.double().cpu())
        wide = enlarge(where, size)
        spread = wide / wide.sum((1, 2), keepdim=True).clamp(min=torch.finfo(wide.dtype).tiny)
        strongest = wide.argmax(0).numpy()
        labels, there = numbered(strongest), np.unique(strongest)
        regions = RegionWeights(labels, shares.numpy()[there], unit=unit)
        checks = {"patterns": float(len(shares)), "left_aside": float(np.delete(shares.numpy(), there).sum())}
        return Found(torch.einsum("k,khw->hw", shares, spread), layer, regions=regions, checks=checks)

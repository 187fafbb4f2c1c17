"""Interactions of regions: what two of them do together, beyond what each does by itself."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import torch
from typing_extensions import override

from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.methods.evidence import Pair
from seewhy.methods.shap import HIDDEN, READING, ShapleyMethod
from seewhy.methods.shapley_values import (
    Shares,
    ValueFunction,
    ask_pairs,
    ends,
    kernel_weights,
    pair_design,
    weighted_r2,
)
from seewhy.methods.surrogate import contrasts

TINY = 1e-6  # leverage is never quite 1


def interactions(value_of: ValueFunction, regions: int, samples: int, generator: torch.Generator) -> Shares:
    """The model of regions and of pairs of them that is nearest to the values: Σ e_i + Σ e_ij over those shown.

    Near as the kernel of Shapley values weighs coalitions, and exact for none and for all. Source: Tsai 2023, eq. 11
    (the Faith-Shap index of order 2), from complementary pairs of coalitions; of all where `samples` reach them.

    A region's share is e_i and half of its e_ij, so that shares add up: they are Shapley values, since the best model
    of regions alone is the same whether it is fitted to the values or to the best model of pairs.

    Raises:
        UsageError: `samples` are too few for so many pairs.
    """
    members = list(combinations(range(regions), 2))
    size = regions + len(members)
    if samples < min(2 * size, 2**regions):
        raise UsageError(
            f"samples={samples} is too few for {len(members)} pairs of {regions} regions; give at least {2 * size}, or "
            "choose fewer regions, as slic:10"
        )
    empty, whole = ends(value_of, regions)
    asked = pair_design(regions, (samples - 2) // 2, generator)
    values = torch.cat(ask_pairs(value_of, asked))
    shown = torch.cat([asked, ~asked]).double()
    first, second = torch.tensor(members).view(-1, 2).long().unbind(1)
    features = torch.cat([shown, shown[:, first] * shown[:, second]], 1)
    even = ((whole - empty) / size).expand(size)  # one model that adds up; others differ by what adds up to nothing
    basis = contrasts(size)
    weights = kernel_weights(asked).repeat(2)
    x, y = features @ basis.T * weights.sqrt()[:, None], (values - empty - features @ even) * weights.sqrt()
    solver = torch.linalg.pinv(x)
    found = even + basis.T @ (solver @ y)
    moves = basis.T @ solver * (y - x @ (solver @ y)) / (1 - (x * solver.T).sum(1)).clamp(min=TINY)  # of each answer
    whose = torch.eye(regions).double()
    shared = torch.cat([whose, (whose[first] + whose[second]).T / 2], 1)  # what belongs to each region
    every = 2 * len(asked) + 2 == 2**regions
    errors, of_pairs = (each.square().sum(1).sqrt() * (not every) for each in (shared @ moves, moves[regions:]))
    return Shares(
        shared @ found,
        float(empty),
        errors,
        weighted_r2(values, empty + features @ found, weights),
        tuple(map(Pair, first.tolist(), second.tolist(), found[regions:].tolist(), of_pairs.tolist())),
    )


class ShapleyInteractions(ShapleyMethod):
    """The Shapley value of each region, and for each two of them what they add together.

    Two that show the same thing add less together than apart, two that need each other more.
    """

    name = "shapley-interactions"
    title = "Shapley interactions"
    status = "verified"
    paper = "Tsai et al. 2023"
    arxiv = "2203.00870"
    question = "How much does each part of the picture add to the score, and which parts work together?"
    reading = (
        READING + "Two parts that add more together than apart need each other; two that add less say the same thing. "
        "What a pair does together is shared equally between its two areas. " + HIDDEN
    )
    cost = "1,024 forwards"

    regions: str | np.ndarray | Image = "slic:20"
    samples: int = 1024

    @override
    def shares(self, value_of: ValueFunction, labels: np.ndarray, generator: torch.Generator) -> Shares:
        return interactions(value_of, int(labels.max()) + 1, self.samples, generator)

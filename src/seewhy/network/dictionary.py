"""A layer's activations over many photos as a few concepts: directions of which each place holds some, or none.

A ≈ U V with A `(n, C)` activations at n places, U `(n, k)` how much of each concept a place holds, none below 0, and V
`(k, C)` the concepts. Where activations are never negative, neither is V: non-negative matrix factorisation (Lee &
Seung 1999; of networks CRAFT, Fel 2023). Else V is free: semi-NMF (Ding 2010). Both by coordinate descent (HALS,
Cichocki 2009).

A factorisation has many answers. Concepts are kept that other starts on other halves of the photos find, too. That
says how firm a concept is, not that it was learned: activations of random weights have firm directions, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent

ROUNDS, SWEEPS = 120, 40
# What an amount as large as a row costs, as a share of it: of many factorisations those with few concepts at a place.
# Without it semi-NMF finds no planted directions, and agrees with itself the less.
SPARSE, SPARSE_SIGNED = 0.05, 0.1
SEEDS = 10
STABLE = 0.8  # correlation of where two dictionaries see a concept, the median over seeds
SAME = 0.9  # correlation from which on two concepts are one
NEGATIVE = 1e-3  # of the sum of sizes: rounding and a soft knee below 0 do not make a layer signed
COMPARED = 3000  # places on which dictionaries are compared


@dataclass(frozen=True, eq=False)
class Dictionary:
    """What is left of a layer's concepts: `vectors` `(k, C)` of length 1, the heaviest first.

    `stability` of each is the median correlation with its match over further seeds, `unstable` how many were left out
    for that, `merged` how many were another's double; `unexplained` is the share of the activations' squares that the
    concepts miss.
    """

    vectors: Tensor
    stability: tuple[float, ...]
    shares: tuple[float, ...]
    unexplained: float
    unstable: int
    merged: int
    signed: bool


def is_signed(rows: Tensor) -> bool:
    """Whether activations `(n, C)` are negative, too, by more than rounding."""
    return float(-rows.clamp(max=0).sum()) > NEGATIVE * float(rows.abs().sum())


def factorised(rows: Tensor, count: int, generator: torch.Generator, *, signed: bool, rounds: int = ROUNDS) -> Tensor:
    """V `(count, C)`, each of length 1, of activations `(n, C)`; it starts from rows that the generator draws."""
    if not signed:
        rows = rows.clamp(min=0)
    picked = torch.randperm(len(rows), generator=generator)[: 4 * count].reshape(-1)
    picked = picked[torch.arange(4 * count) % len(picked)].view(count, 4)
    vectors = rows[picked].mean(1) + 1e-3 * rows.abs().mean() * torch.rand((count, rows.shape[1]), generator=generator)
    amounts = torch.zeros((len(rows), count), dtype=rows.dtype)
    price = (SPARSE_SIGNED if signed else SPARSE) * float(rows.square().sum(1).mean().sqrt())
    for _ in range(rounds):
        vectors = _unit(vectors)
        amounts = _amounts(rows, vectors, amounts, 1, price)
        gram, mixed = amounts.T @ amounts, amounts.T @ rows
        for each in range(count):
            if gram[each, each] > 0:
                vectors[each] += (mixed[each] - gram[each] @ vectors) / gram[each, each]
                if not signed:
                    vectors[each].clamp_(min=0)
    return _unit(vectors)


def coded(rows: Tensor, vectors: Tensor) -> Tensor:
    """U `(n, k)`, not negative, with which U V comes nearest to activations `(n, C)`."""
    return _amounts(rows, vectors, torch.zeros((len(rows), len(vectors)), dtype=rows.dtype), SWEEPS)


def matched(one: Tensor, other: Tensor) -> np.ndarray:
    """The correlation of each column of `one` `(n, k)` with its match in `other`, all matched for the best; else 0.

    What is the same everywhere correlates with nothing. Source: Kuhn 1955, the Hungarian method.
    """
    from scipy.optimize import linear_sum_assignment

    table = _correlations(one, other)
    first, second = linear_sum_assignment(-table)
    found = np.zeros(one.shape[1])
    found[first] = table[first, second]
    return found


def find_dictionary(
    rows: Tensor, photos: Tensor, count: int, *, seed: int = 0, seeds: int = SEEDS, progress: Progress = silent
) -> Dictionary:
    """Concepts of activations `(n, C)`, each place of the photo of this number `(n,)`, without those not stable.

    Args:
        rows: activations at places of many photos.
        photos: which photo each is from.
        count: how many concepts to look for.
        seed: of all randomness.
        seeds: how many dictionaries: the one that is kept, of all photos, and others, each of another start and half
            of the photos.
        progress: told of every seed.
    """
    signed = is_signed(rows)
    count = min(count, *rows.shape)
    numbers = photos.unique()
    generator = torch.Generator().manual_seed(seed)
    progress(0, seeds, "concepts")
    vectors = factorised(rows, count, generator, signed=signed)
    some = rows[torch.randperm(len(rows), generator=generator)[:COMPARED]]
    mine = coded(some, vectors)
    agreement: list[np.ndarray] = []
    for number in range(1, seeds):
        progress(number, seeds, "the same concepts from half of the photos")
        half = numbers[torch.randperm(len(numbers), generator=generator)[: (len(numbers) + 1) // 2]]
        other = factorised(rows[torch.isin(photos, half)], count, generator, signed=signed)
        agreement.append(matched(mine, coded(some, other)))
    stability = np.median(agreement, axis=0) if agreement else np.ones(count)
    kept = np.flatnonzero(stability >= STABLE)
    single = _without_doubles(mine[:, kept])
    order = kept[single]
    amounts = coded(rows, vectors[order])
    weight = amounts.square().sum(0)
    heavy = torch.argsort(weight, descending=True)
    vectors, amounts, stability = vectors[order][heavy], amounts[:, heavy], stability[order][heavy.numpy()]
    total = float(rows.square().sum()) or 1.0
    return Dictionary(
        vectors,
        tuple(stability.tolist()),
        tuple((amounts.square().sum(0) / total).tolist()),
        float((rows - amounts @ vectors).square().sum()) / total,
        count - len(kept),
        len(kept) - len(single),
        signed,
    )


def _amounts(rows: Tensor, vectors: Tensor, amounts: Tensor, sweeps: int, price: float = 0.0) -> Tensor:
    """Amounts after so many sweeps of coordinate descent over all concepts; `price` is what an amount costs."""
    gram, mixed = vectors @ vectors.T, rows @ vectors.T - price
    columns = amounts.T.contiguous()
    for _ in range(sweeps):
        for each in range(len(vectors)):
            if gram[each, each] > 0:
                step = (mixed[:, each] - gram[each] @ columns) / gram[each, each]
                columns[each] = (columns[each] + step).clamp(min=0)
    return columns.T


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=torch.finfo(vectors.dtype).tiny)


def _correlations(one: Tensor, other: Tensor) -> np.ndarray:
    both = []
    for each in (one, other):
        centred = each.double() - each.double().mean(0)
        both.append(centred / centred.norm(dim=0).clamp(min=1e-12))
    return (both[0].T @ both[1]).numpy()


def _without_doubles(amounts: Tensor) -> np.ndarray:
    """The columns of which no heavier one says the same."""
    table = _correlations(amounts, amounts)
    order = np.argsort(-amounts.square().sum(0).numpy(), kind="stable")
    kept: list[int] = []
    for each in order.tolist():
        if all(table[each, other] < SAME for other in kept):
            kept.append(each)
    return np.array(sorted(kept), dtype=np.intp)

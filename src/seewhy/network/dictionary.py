"""A layer's activations over many photos as a few concepts: directions of which each place holds some, or none.

A ≈ U V with A `(n, C)` activations at n places, U `(n, k)` how much of each concept a place holds, none below 0, and V
`(k, C)` the concepts. Where activations are never negative, neither is V: non-negative matrix factorisation (Lee &
Seung 1999; of networks CRAFT, Fel 2023). Else V is free: semi-NMF (Ding 2010). Both by coordinate descent (HALS,
Cichocki 2009).

A factorisation has many answers. Several are made, each from another start and of other photos. A concept is what most
of them find, their mean its direction (as consensus NMF does, Kotliar 2019). That says how firm a concept is, not that
it was learned: activations of random weights have firm directions, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent

ROUNDS, SWEEPS = 160, 40
MOVED = 1e-3  # by which a direction may still change when the search ends
# What an amount as large as a row costs, as a share of it: of many factorisations those with few concepts at a place.
# Without it semi-NMF finds no planted directions, and agrees with itself the less.
SPARSE, SPARSE_SIGNED = 0.05, 0.2
SEEDS = 10
PART = 0.8  # of the photos, of which each dictionary is made
STABLE = 0.8  # correlation of where two dictionaries see a concept, the median over them
SAME = 0.9  # correlation from which on two concepts are one
NEGATIVE = 1e-3  # of the sum of sizes: rounding and a soft knee below 0 do not make a layer signed
NOTHING = 1e-4  # of how much the widest concept varies
COMPARED = 3000  # places on which dictionaries are compared


@dataclass(frozen=True, eq=False)
class Dictionary:
    """What is left of a layer's concepts: `vectors` `(k, C)` of length 1, the heaviest first.

    `stability` of each is the median correlation with its match in the other dictionaries. Of each dictionary's
    concepts, on average `unstable` are not found again, and `merged` say what another says. `unexplained` is the share
    of the activations' squares that the concepts miss, `least` what as many directions of any kind miss at least.
    """

    vectors: Tensor
    stability: tuple[float, ...]
    shares: tuple[float, ...]
    unexplained: float
    least: float
    unstable: int
    merged: int
    signed: bool


def is_signed(rows: Tensor) -> bool:
    """Whether activations `(n, C)` are negative, too, by more than rounding."""
    return float(-rows.clamp(max=0).sum()) > NEGATIVE * float(rows.abs().sum())


def factorised(rows: Tensor, count: int, generator: torch.Generator, *, signed: bool, rounds: int = ROUNDS) -> Tensor:
    """V `(count, C)`, each of length 1, of activations `(n, C)`; see `_starts` for where it starts from."""
    if not signed:
        rows = rows.clamp(min=0)
    vectors = _starts(rows, count, generator)
    amounts = torch.zeros((len(rows), count), dtype=rows.dtype)
    price = (SPARSE_SIGNED if signed else SPARSE) * float(rows.square().sum(1).mean().sqrt())
    for _ in range(rounds):
        before = vectors = _unit(vectors)
        vectors = vectors.clone()
        amounts = _amounts(rows, vectors, amounts, 1, price)
        gram, mixed = amounts.T @ amounts, amounts.T @ rows
        for each in range(count):
            if gram[each, each] > 0:
                vectors[each] += (mixed[each] - gram[each] @ vectors) / gram[each, each]
                if not signed:
                    vectors[each].clamp_(min=0)
        if float((_unit(vectors) - before).norm(dim=1).max()) < MOVED:
            break
    return _unit(vectors)


def coded(rows: Tensor, vectors: Tensor) -> Tensor:
    """U `(n, k)`, not negative, with which U V comes nearest to activations `(n, C)`."""
    return _amounts(rows, vectors, torch.zeros((len(rows), len(vectors)), dtype=rows.dtype), SWEEPS)


def find_dictionary(
    rows: Tensor, photos: Tensor, count: int, *, seed: int = 0, seeds: int = SEEDS, progress: Progress = silent
) -> Dictionary:
    """Concepts of activations `(n, C)`, each place of the photo of this number `(n,)`, without those not stable.

    Args:
        rows: activations at places of many photos.
        photos: which photo each is from.
        count: how many concepts to look for.
        seed: of all randomness.
        seeds: how many dictionaries, each of another start and of four fifths of the photos; two at least.
        progress: told of every seed.
    """
    signed = is_signed(rows)
    count = min(count, *rows.shape)
    numbers = photos.unique()
    generator = torch.Generator().manual_seed(seed)
    some = rows[torch.randperm(len(rows), generator=generator)[:COMPARED]]
    dictionaries: list[Tensor] = []
    for number in range(seeds):
        progress(number, seeds, "concepts, again from other photos")
        part = numbers[torch.randperm(len(numbers), generator=generator)[: math.ceil(PART * len(numbers))]]
        dictionaries.append(factorised(rows[torch.isin(photos, part)], count, generator, signed=signed))
    vectors, stability, found = consensus(dictionaries, [coded(some, each) for each in dictionaries])
    single = _without_doubles(coded(some, vectors))
    vectors, stability = vectors[single], stability[single]
    amounts = coded(rows, vectors)
    heavy = torch.argsort(amounts.square().sum(0), descending=True)
    vectors, amounts, stability = vectors[heavy], amounts[:, heavy], stability[heavy.numpy()]
    total = float(rows.square().sum()) or 1.0
    return Dictionary(
        vectors,
        tuple(stability.tolist()),
        tuple((amounts.square().sum(0) / total).tolist()),
        float((rows - amounts @ vectors).square().sum()) / total,
        _least(rows, len(vectors)),
        count - round(found),
        max(round(found) - len(vectors), 0),
        signed,
    )


def consensus(dictionaries: Sequence[Tensor], amounts: Sequence[Tensor]) -> tuple[Tensor, np.ndarray, float]:
    """What most of several dictionaries `(k, C)` find, by their amounts `(n, k)` at the same places.

    Each concept is matched with one of every other dictionary, all for the best (Kuhn 1955, the Hungarian method). Of
    those whose median correlation with their matches is `STABLE`, the most stable comes first, takes its matches, and
    is their mean. Gives directions, the stability of each, and how many concepts of a dictionary are stable, the mean.
    """
    count = len(dictionaries[0])
    alike = _correlations(torch.cat(list(amounts), 1)).reshape(len(dictionaries), count, len(dictionaries), count)
    mates = np.zeros((len(dictionaries), count, len(dictionaries)), dtype=np.intp)
    for one, other in itertools.permutations(range(len(dictionaries)), 2):
        mates[one, :, other] = _matches(alike[one, :, other])
    near = np.take_along_axis(alike, mates[..., None], 3)[..., 0]
    others = ~np.eye(len(dictionaries), dtype=bool)
    stability = np.array([np.median(each[:, others[number]], axis=1) for number, each in enumerate(near)])
    kept: list[tuple[int, int]] = []
    vectors: list[Tensor] = []
    for place in np.argsort(-stability, axis=None, kind="stable"):
        one, each = divmod(int(place), count)
        if stability[one, each] < STABLE:
            break
        if all(alike[one, each, known, mine] < STABLE for known, mine in kept):
            kept.append((one, each))
            again = [other for other in np.flatnonzero(others[one]).tolist() if near[one, each, other] >= STABLE]
            mine = [dictionaries[one][each], *(dictionaries[other][mates[one, each, other]] for other in again)]
            vectors.append(torch.stack(mine).mean(0))
    found = torch.stack(vectors) if vectors else dictionaries[0][:0]
    return _unit(found), np.array([stability[each] for each in kept]), float((stability >= STABLE).sum(1).mean())


def _matches(table: np.ndarray) -> np.ndarray:
    """The column that each row of a square table is matched with, so that the sum is largest."""
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(-table)[1]


def _least(rows: Tensor, count: int) -> float:
    """The share of the squares of rows `(n, C)` that so many directions miss at least (Eckart & Young 1936)."""
    squares = torch.linalg.eigvalsh((rows.T @ rows).double()).flip(0).clamp(min=0)
    return float(squares[count:].sum() / squares.sum()) if float(squares.sum()) else 0.0


def _starts(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Rows to start from, each drawn by the square of what it has beside the directions drawn before.

    So a rare direction has a start of its own, as in k-means++ (Arthur & Vassilvitskii 2007).
    """
    vectors = torch.zeros((count, rows.shape[1]), dtype=rows.dtype)
    left = lengths = rows.square().sum(1)
    for each in range(count):
        if not bool(left.any()):
            left = torch.ones_like(left)
        vectors[each] = _unit(rows[torch.multinomial(left, 1, generator=generator)])[0]
        left = torch.minimum(left, (lengths - (rows @ vectors[each]).square()).clamp(min=0))
    return vectors


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


def _correlations(amounts: Tensor) -> np.ndarray:
    """Of every column with every other; what is the same everywhere, or next to nothing, correlates with nothing."""
    centred = amounts.double() - amounts.double().mean(0)
    sizes = centred.norm(dim=0)
    centred = torch.where(sizes > NOTHING * sizes.max(), centred / sizes, 0.0) if sizes.numel() else centred
    return (centred.T @ centred).numpy()


def _without_doubles(amounts: Tensor) -> np.ndarray:
    """The columns of which no heavier one says the same."""
    table = _correlations(amounts)
    order = np.argsort(-amounts.square().sum(0).numpy(), kind="stable")
    kept: list[int] = []
    for each in order.tolist():
        if all(table[each, other] < SAME for other in kept):
            kept.append(each)
    return np.array(sorted(kept), dtype=np.intp)

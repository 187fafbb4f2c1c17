"""Marks: the same thing in the same place of several photos, found without asking what it is.

Photos of different things do not repeat each other pixel by pixel. So every photo is reduced to its fine structure, and
in each window the photos are held against each other: the largest eigenvalue of their correlations tells how many
agree, its eigenvector which ones. What chance can do is told by the same photos moved by a random distance each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, unfold

from seewhy.core.files import whole_file
from seewhy.core.reading import damaged, read_arrays, sound

SIDE = 112  # pixels a side at which photos are held against each other
WINDOW, STEP = 16, 8
ACROSS = (SIDE - WINDOW) // STEP + 1  # windows
NEAR = 2  # steps between windows of one mark
SMOOTH = 7  # pixels: what is coarser is no fine structure
FLAT = 0.02  # contrast below which there is no structure
FEWEST = 3  # photos that share a mark
MOST = 400  # photos that are held against each other
BLOCK, ROUNDS = 6, 25  # of the search for the largest eigenvalue
MARGIN = 1.25  # times the largest agreement that chance showed
LIKE = 0.5  # of the agreement of its best photos has one that carries the mark
COMMON = 0.5  # of the photos of the rarer are also those of the other, of two windows of one mark
EVERYWHERE = 0.6  # of the windows: then the photos are copies of each other, and it is no mark
SAME = 0.8  # of their photos are the same, of two places of one mark
COPY = 0.9  # correlation of two photos that are the same


@dataclass(frozen=True, eq=False)
class Mark:
    """The same thing in the same place.

    Attributes:
        box: left, top, right, bottom in pixels of what the network sees.
        photos: which of the photos carry it, by their places.
        template: unit vector of its structure at `windows`, `(windows, d)`.
        windows: numbers of the windows that it lies in.
        threshold: how far a photo agrees with the template at least that carries it.
        agreement: its largest eigenvalue, in units of what chance showed at most.
    """

    box: tuple[int, int, int, int]
    photos: tuple[int, ...]
    windows: tuple[int, ...]
    template: Tensor = field(repr=False)
    threshold: float
    agreement: float

    def carried(self, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which photos, uint8 `(n, C, h, w)`, carry it."""
        return (self._scores(pixels) >= self.threshold).numpy()

    def save(self, path: Path) -> None:
        """Write what is needed to tell which photos carry it."""
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, box=np.array(self.box), windows=np.array(self.windows),
                     template=self.template.numpy(), threshold=np.array([self.threshold]))  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Mark:
        """The mark in a file.

        Raises:
            BadFile: it holds none.
        """
        cure = "run `seewhy audit` again"
        with sound(path, cure):
            found = read_arrays(path, cure, ("box", "windows", "template", "threshold"))
            left, top, right, bottom = found["box"].tolist()
            windows = tuple(found["windows"].tolist())
            template = torch.from_numpy(found["template"]).float()
            if template.shape[:1] != (len(windows),) or not all(0 <= each < ACROSS**2 for each in windows):
                raise damaged(path, "its parts do not fit together", cure)
            return cls((left, top, right, bottom), (), windows, template, float(found["threshold"][0]), 0.0)

    def _scores(self, pixels: NDArray[np.uint8]) -> Tensor:
        windows = _windows(structure(pixels))[list(self.windows)]
        return torch.einsum("wnd,wd->nw", windows, self.template).mean(1)


@dataclass(frozen=True, eq=False)
class _Shared:
    """A window, how far photos agree in it, which ones, by their rows, and what they share `(d,)`."""

    window: int
    agreement: float
    photos: frozenset[int]
    template: Tensor

    def belongs_with(self, other: _Shared) -> bool:
        """Whether both are parts of one mark."""
        common, far = len(self.photos & other.photos), _distance(self.window, other.window)
        beside = far <= NEAR and common >= COMMON * min(len(self.photos), len(other.photos))
        return beside or common >= SAME * len(self.photos | other.photos)


def _distance(one: int, other: int) -> int:
    """How many steps two windows lie apart."""
    (row, column), (below, right) = divmod(one, ACROSS), divmod(other, ACROSS)
    return max(abs(row - below), abs(column - right))


def find_marks(pixels: NDArray[np.uint8], seed: int) -> list[Mark]:
    """The marks of photos, uint8 `(n, C, h, w)`, the most agreed on first; none of them is a copy of another."""
    if len(pixels) < 2 * FEWEST:
        return []
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(pixels), generator=generator)[:MOST].sort().values
    shape = structure(pixels[drawn.numpy()])
    windows = _windows(shape)
    values, vectors = _agreement(windows)
    moved = torch.stack([
        torch.roll(each, tuple(torch.randint(SIDE, (2,), generator=generator).tolist()), (1, 2)) for each in shape
    ])  # fmt: skip
    limit = MARGIN * float(_agreement(_windows(moved))[0].max())
    found: list[_Shared] = []
    for number in torch.nonzero(values > limit).flatten().tolist():
        template, members = _members(windows[number], vectors[number])
        if len(members) >= FEWEST:
            found.append(_Shared(number, float(values[number]), frozenset(members), template))
    groups = [group for group in _grouped(found) if len(group) < EVERYWHERE * len(values)]
    marks = [_mark(group, windows, drawn, pixels.shape[2:], limit) for group in groups]
    return sorted((mark for mark in marks if mark), key=lambda mark: -mark.agreement)


def copies(pixels: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Pairs of photos that are the same but for how they were saved, uint8 `(n, C, h, w)`."""
    small = interpolate(torch.from_numpy(pixels).float(), (32, 32), mode="area").flatten(1)
    small = small - small.mean(1, keepdim=True)
    small = small / small.norm(dim=1, keepdim=True).clamp(min=1e-6)
    fine = structure(pixels).flatten(1)
    fine = fine / fine.norm(dim=1, keepdim=True).clamp(min=1e-6)
    alike = torch.triu((small @ small.T > COPY) & (fine @ fine.T > LIKE), diagonal=1)
    return [(int(one), int(other)) for one, other in torch.nonzero(alike)]


def likest(
    photo: NDArray[np.uint8], box: tuple[int, int, int, int], other: NDArray[np.uint8], over: tuple[int, int, int, int]
) -> float:
    """How far the fine structure of a box of one photo, uint8 `(C, H, W)`, is that of one of another.

    It is the correlation at the best shift. Coarser structure is left out, since skies and walls are alike.
    """
    left, top, right, bottom = box
    reach = max(right - left, bottom - top) // 2
    rows, columns = slice(max(over[1] - reach, 0), over[3] + reach), slice(max(over[0] - reach, 0), over[2] + reach)
    patch = _fine(torch.from_numpy(photo[:, top:bottom, left:right].copy()).float())
    ground = _fine(torch.from_numpy(other[:, rows, columns].copy()).float())
    patch = patch - patch.mean((1, 2), keepdim=True)
    if any(small > large for small, large in zip(patch.shape, ground.shape, strict=True)):
        return 0.0
    ones, area = torch.ones_like(patch)[:, None], patch[0].numel()
    sums = conv2d(ground[None], ones, groups=len(patch))
    squares = conv2d(ground[None].square(), ones, groups=len(patch))
    spread = (squares - sums.square() / area).sum(1).clamp(min=0).sqrt()
    alike = conv2d(ground[None], patch[None])[:, 0]
    return float((alike / (spread * patch.norm()).clamp(min=area * FLAT)).max())


def structure(pixels: NDArray[np.uint8]) -> Tensor:
    """The fine structure of photos, of equal contrast all over: `(n, C, SIDE, SIDE)` of uint8 `(n, C, h, w)`."""
    photos = interpolate(torch.from_numpy(pixels).float() / 255, (SIDE, SIDE), mode="area")
    fine = _fine(photos)
    contrast = _blurred(fine.square().mean(1, keepdim=True)).clamp(min=0).sqrt()
    return fine / (contrast + FLAT)


def _fine(values: Tensor) -> Tensor:
    return values - _blurred(values)


def _blurred(values: Tensor) -> Tensor:
    return avg_pool2d(values, SMOOTH, 1, SMOOTH // 2, count_include_pad=False)


def _windows(shape: Tensor) -> Tensor:
    """Unit vectors `(windows, n, d)`."""
    cut = unfold(shape, WINDOW, stride=STEP).permute(2, 0, 1)
    return cut / cut.norm(dim=2, keepdim=True).clamp(min=WINDOW * FLAT)


def _agreement(windows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue `(windows,)` of the photos' correlations, and its eigenvector `(windows, n)`."""
    alike = windows @ windows.transpose(1, 2)
    start = torch.randn(alike.shape[1], BLOCK, generator=torch.Generator().manual_seed(0))
    base = start.expand(len(alike), -1, -1)
    for _ in range(ROUNDS):  # subspace iteration: all eigenvalues would take a hundred times as long
        base = torch.linalg.qr(alike @ base).Q
    values, vectors = torch.linalg.eigh(base.transpose(1, 2) @ alike @ base)
    return values[:, -1], (base @ vectors[:, :, -1:])[:, :, 0]


def _members(photos: Tensor, vector: Tensor) -> tuple[Tensor, list[int]]:
    """The template of a window `(d,)` and which photos agree with it, each without its own share in it."""
    vector = vector * vector.sum().sign()
    summed = vector @ photos
    others = summed - vector[:, None] * photos
    scores = (photos * others).sum(1) / others.norm(dim=1).clamp(min=1e-6)
    best = scores.sort(descending=True).values[:FEWEST].mean()
    members = torch.nonzero(scores >= LIKE * best).flatten()
    template = photos[members].sum(0)
    return template / template.norm().clamp(min=1e-6), members.tolist()


def _grouped(found: Sequence[_Shared]) -> list[list[_Shared]]:
    """Windows of the same photos, or beside each other and of many of the same; in each group the most agreed first."""
    groups: list[list[_Shared]] = []
    for each in sorted(found, key=lambda one: -one.agreement):
        mine = [group for group in groups if any(map(each.belongs_with, group))]
        rest = [group for group in groups if all(group is not other for other in mine)]
        joined = [each, *chain.from_iterable(mine)]
        groups = [*rest, sorted(joined, key=lambda one: -one.agreement)]
    return groups


def _mark(
    group: Sequence[_Shared],
    windows: Tensor,
    drawn: Tensor,
    size: tuple[int, ...],
    limit: float,
) -> Mark | None:
    """The mark of windows that belong together; None where too few photos carry most of it."""
    numbers = [each.window for each in group]
    template = torch.stack([each.template for each in group])
    scores = torch.einsum("wnd,wd->nw", windows[numbers], template).mean(1)
    first = torch.tensor(sorted(group[0].photos))
    threshold = LIKE * float(scores[first].median())
    members = torch.nonzero(scores >= threshold).flatten()
    if len(members) < FEWEST:
        return None
    box = _box(windows, numbers, members, size)
    photos = tuple(drawn[members].tolist())
    return Mark(box, photos, tuple(numbers), template, threshold, group[0].agreement / limit)


def _box(windows: Tensor, numbers: list[int], members: Tensor, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Where in these windows the photos agree, in pixels of what the network sees."""
    agreed, seen = torch.zeros(SIDE, SIDE), torch.zeros(SIDE, SIDE)
    for number in numbers:
        top, left = (each * STEP for each in divmod(number, ACROSS))
        mine = windows[number][members].unflatten(1, (-1, WINDOW, WINDOW))
        together = (mine.sum(0).square() - mine.square().sum(0)).sum(0)  # over pairs of different photos
        agreed[top : top + WINDOW, left : left + WINDOW] += together
        seen[top : top + WINDOW, left : left + WINDOW] += 1
    agreed = avg_pool2d((agreed / seen.clamp(min=1))[None], 3, 1, 1)[0]
    rows, columns = (torch.nonzero((agreed > LIKE * _upper(agreed[seen > 0])).any(each)).flatten() for each in (1, 0))
    height, width = (side / SIDE for side in size)
    left, right = int(columns[0] * width), int(np.ceil((int(columns[-1]) + 1) * width))
    top, bottom = int(rows[0] * height), int(np.ceil((int(rows[-1]) + 1) * height))
    return left, top, right, bottom


def _upper(values: Tensor) -> float:
    return float(values.quantile(0.9))

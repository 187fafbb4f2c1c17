"""Traits: a property of the whole photo that those of one class share, and others do not.

The photos of a class are held against all others, property by property. A trait is told of the class that lies further
from usual photos: one of two classes has a green cast, and nobody would say that the other lacks it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seewhy.audit.pasting import Box, Pixels
from seewhy.audit.properties import PROPERTIES, Colours, Degree, Property
from seewhy.core.files import whole_file
from seewhy.core.reading import damaged, read_arrays, sound
from seewhy.core.statistics import LEVEL, holm

FEWEST, LEAST = 5, 2  # photos of a class, and of others; of either side of a gap
APART = 3.5  # standard deviations between those that carry a trait and others: halves of a bell are 2.7 apart
FOLDS = 12  # of photos, each scored by what the others have
SHRUNK = 0.6  # of the covariance of values is taken to be the same for all, and of none with another
SURE = (2.0, 4.0)  # standard errors by which values differ: from nothing on to all
CARRIED = 0.5  # of the way from what others have to what the class has
NAMES = tuple(PROPERTIES)
VALUES = ("typical", "usual", "weight", "direction")


@dataclass(frozen=True, eq=False)
class Trait:
    """A property that photos of a class share.

    Attributes:
        name: of the property.
        typical: what they have, `(d,)`.
        usual: what others have, `(d,)`.
        weight: how far each value is given or taken, `(d,)` in [0, 1].
        direction: along which the class is furthest from others, in units of their spread, `(d,)`.
        start: of others along it; the class is at `start` + 1.
        size: height and width of what the network sees.
    """

    name: str
    typical: Tensor = field(repr=False)
    usual: Tensor = field(repr=False)
    weight: Tensor = field(repr=False)
    direction: Tensor = field(repr=False)
    start: float
    size: tuple[int, int]

    @property
    def of(self) -> Property:
        """What is measured."""
        return PROPERTIES[self.name]

    @property
    def laid(self) -> Setting:
        """What gives it to a photo."""
        return Setting(self, self.typical)

    @property
    def taken(self) -> Setting:
        """What takes it from a photo."""
        return Setting(self, self.usual)

    @property
    def area(self) -> Tensor:
        """Where it is seen, bool `(H, W)`."""
        whole = torch.ones(self.size, dtype=torch.bool)
        if not isinstance(self.of, Colours):
            return whole
        cells = self.weight.unflatten(0, (-1, self.of.cells, self.of.cells)).amax(0) >= CARRIED
        rows, columns = (torch.arange(side) * self.of.cells // side for side in self.size)
        return cells[rows][:, columns]

    @property
    def step(self) -> Tensor:
        """How far the class is from others where it counts, on the mean over places: `(C,)` of colours, else `(1,)`."""
        cells = self.of.cells**2 if isinstance(self.of, Colours) else 1
        moved = (self.weight * (self.typical - self.usual)).unflatten(0, (-1, cells))
        return moved.sum(1) / (self.weight.unflatten(0, (-1, cells)).amax(0) > 0).sum().clamp(min=1)

    @property
    def words(self) -> str:
        """What photos have that carry it; empty for colours, which are told by how they look."""
        if not isinstance(self.of, Degree):
            return ""
        return self.of.more if bool(self.typical > self.usual) else self.of.less

    def scores(self, values: Tensor) -> Tensor:
        """How far measured values `(n, d)` are on the way from what others have, 0, to what the class has, 1."""
        return values @ self.direction - self.start

    def carried(self, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which photos, uint8 `(n, C, h, w)`, carry it."""
        return (self.scores(measured(self.of, pixels)) >= CARRIED).numpy()

    def save(self, path: Path) -> None:
        """Write what is needed to give it, to take it, and to tell which photos carry it."""
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, property=np.array([NAMES.index(self.name)]), size=np.array(self.size),
                     typical=self.typical.numpy(), usual=self.usual.numpy(), weight=self.weight.numpy(),
                     direction=self.direction.numpy(), start=np.array([self.start]))  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Trait:
        """The trait in a file.

        Raises:
            BadFile: it holds none.
        """
        cure = "run `seewhy audit` again"
        with sound(path, cure):
            found = read_arrays(path, cure, ("property", "size", "start", *VALUES))
            number, (height, width) = int(found["property"][0]), found["size"].tolist()
            values = [torch.from_numpy(found[name]).float() for name in VALUES]
            if not 0 <= number < len(NAMES) or len({each.shape for each in values}) > 1:
                raise damaged(path, "its parts do not fit together", cure)
            typical, usual, weight, direction = values
            return cls(NAMES[number], typical, usual, weight, direction, float(found["start"][0]), (height, width))


@dataclass(frozen=True, eq=False)
class Setting:
    """A change that gives photos one value of a trait's property."""

    trait: Trait
    values: Tensor = field(repr=False)

    @property
    def box(self) -> Box:
        """Where it changes photos."""
        rows, columns = (torch.nonzero(self.trait.area.any(each)).flatten() for each in (1, 0))
        if not len(rows):
            return 0, 0, self.trait.size[1], self.trait.size[0]
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def over(self, pixels: Tensor) -> Tensor:
        """Photos `(n, C, H, W)` in [0, 1] with these values."""
        return self.trait.of.given(pixels, self.values, self.trait.weight)

    def like(self, photo: Pixels) -> Setting:
        """A control: what another photo, uint8 `(C, H, W)`, has."""
        return Setting(self.trait, measured(self.trait.of, photo[None])[0])


class Shared(NamedTuple):
    """A trait, the class whose photos share it, and how likely chance would set them as far apart."""

    target: int
    trait: Trait
    p: float


def find_traits(pixels: NDArray[np.uint8], classes: NDArray[np.int64]) -> list[Shared]:
    """What photos, uint8 `(n, C, h, w)`, of one of their classes share, the surest first; -1 is no class."""
    values = {name: measured(each, pixels) for name, each in PROPERTIES.items()}
    asked = [
        (int(target), name, classes == target)
        for target in np.unique(classes[classes >= 0])
        for name in PROPERTIES
        if min(int((classes == target).sum()), int((classes != target).sum())) >= FEWEST
    ]
    scored = [(*each, _scored(values[each[1]], torch.from_numpy(each[2]))) for each in asked]
    apart = [each for each in scored if _gap(each[3]) >= APART]  # which asks no class, so that Holm counts these alone
    p_values = holm([_chance(scores, torch.from_numpy(mine)) for _, _, mine, scores in apart])
    size = (pixels.shape[2], pixels.shape[3])
    found: list[Shared] = []
    for (target, name, mine, _), p in zip(apart, p_values, strict=True):
        trait = _trait(name, values[name], torch.from_numpy(mine), size)
        if p <= LEVEL and _told(trait):
            found.append(Shared(target, trait, p))
    return sorted(found, key=lambda each: each.p)


def measured(each: Property, pixels: NDArray[np.uint8]) -> Tensor:
    """A property of photos, uint8 `(n, C, h, w)`: `(n, d)`."""
    return torch.cat(
        [each.measure(torch.from_numpy(part).float() / 255) for part in np.array_split(pixels, len(pixels))]
    )


def _steps(values: Tensor, mine: Tensor) -> Tensor:
    """Student's t of each value `(d,)`: how far those of a class are from others, in standard errors."""
    first, second = values[mine], values[~mine]
    spread = (first - first.mean(0)).square().sum(0) + (second - second.mean(0)).square().sum(0)
    error = (spread / (len(values) - 2) * (1 / len(first) + 1 / len(second))).sqrt()
    return (first.mean(0) - second.mean(0)) / error.clamp(min=1e-6)


def _trait(name: str, values: Tensor, mine: Tensor, size: tuple[int, int]) -> Trait:
    typical, usual = (values[rows].median(0).values for rows in (mine, ~mine))
    weight = ((_steps(values, mine).abs() - SURE[0]) / (SURE[1] - SURE[0])).clamp(0, 1)
    return Trait(name, typical, usual, weight, *_discriminant(values, mine), size)


def _discriminant(values: Tensor, mine: Tensor) -> tuple[Tensor, float]:
    """Fisher's linear discriminant `(d,)` of a class and others, whose medians are 1 apart along it, and the others'.

    There are more values than photos, so that their covariance is shrunk. Source: Ledoit & Wolf 2004.
    """
    first, second = values[mine], values[~mine]
    step = first.mean(0) - second.mean(0)
    apart = torch.cat([first - first.mean(0), second - second.mean(0)]) / (len(values) - 2) ** 0.5
    common = SHRUNK * apart.square().sum() / values.shape[1] + 1e-9
    own = apart * (1 - SHRUNK) ** 0.5
    inner = torch.eye(len(values)) + own @ own.T / common  # by Woodbury: as large as there are photos
    direction = step / common - own.T @ torch.linalg.solve(inner, own @ step) / common**2
    end, start = (float((part @ direction).median()) for part in (first, second))
    scale = end - start if abs(end - start) > 1e-9 else 1.0
    return direction / scale, start / scale


def _told(trait: Trait) -> bool:
    """Whether people see it, and it is the class that lies further from usual photos, in a way that has a name."""
    if float(trait.step.abs().max()) < trait.of.visible:
        return False
    plain = trait.of.plain(len(trait.weight))
    far, near = (float((trait.weight * (each - plain).abs()).sum()) for each in (trait.typical, trait.usual))
    return far > near and (bool(trait.words) or not isinstance(trait.of, Degree))


def _scored(values: Tensor, mine: Tensor) -> Tensor:
    """How far each photo lies towards the class, by what the photos of other folds have, `(n,)`."""
    scores = torch.zeros(len(values))
    folds = torch.arange(len(values)) % min(FOLDS, len(values))
    for fold in folds.unique():
        rest = folds != fold
        if min(int(mine[rest].sum()), int((~mine)[rest].sum())) >= LEAST:
            direction, start = _discriminant(values[rest], mine[rest])
            scores[~rest] = values[~rest] @ direction - start
    return scores


def _chance(scores: Tensor, mine: Tensor) -> float:
    """p-value of the rank-sum test that the class scores no higher than others. Source: Mann & Whitney 1947."""
    from scipy import stats

    tested: Any = stats.mannwhitneyu(scores[mine].numpy(), scores[~mine].numpy(), alternative="greater")
    return float(tested.pvalue)


def _gap(scores: Tensor) -> float:
    """How far photos that carry a trait lie from others, in standard deviations.

    A network that prefers darker photos parts them anywhere on their way from dark to light, and there is no gap.
    """
    carry = scores >= CARRIED
    if min(int(carry.sum()), int((~carry).sum())) < LEAST:
        return 0.0
    first, second = scores[carry], scores[~carry]
    spread = (first - first.mean()).square().sum() + (second - second.mean()).square().sum()
    return float((first.mean() - second.mean()) / (spread / (len(scores) - 2)).sqrt().clamp(min=1e-9))

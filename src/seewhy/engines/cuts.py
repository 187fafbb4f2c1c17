"""Many cuts of one picture into regions, made of the same small pieces, so that findings hang on none.

A cut is drawn by choosing pieces at random as seeds: every piece joins the seed that lies nearest. Borders follow those
of the pieces, and so the picture's. All of it is arithmetic on a few hundred pieces, so that each variation can have a
cut of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, reduce

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.engines.baselines import Fill, Filler, RegionMean
from seewhy.engines.regions import FINE, numbered, segment, spread
from seewhy.errors import UsageError

LIKE = 100  # cuts, to know how often two pieces are cut together


@dataclass(frozen=True, eq=False)
class Cuts:
    """Cuts of one picture into `count` regions each, made of the same pieces.

    `shown` and `pieces` are int32 `(h, w)`: the regions that people are shown, and the pieces, of which they are made;
    `middles` `(pieces, 2)` is where these lie, None where the cut shown is the only one.
    """

    shown: np.ndarray
    pieces: np.ndarray
    middles: np.ndarray | None
    count: int

    @classmethod
    def of(cls, shown: np.ndarray) -> Cuts:
        """One cut alone: the pieces are the regions shown."""
        return cls(shown, shown, None, int(shown.max()) + 1)

    @classmethod
    def around(cls, shown: np.ndarray, pixels: np.ndarray) -> Cuts:
        """Cuts of `pixels` `(h, w, 3)` in [0, 1] into as many regions as are shown."""
        fine = segment(pixels, "slic", n_segments=FINE)
        pieces = numbered(shown.astype(np.int64) * (int(fine.max()) + 1) + fine)
        sizes = np.bincount(pieces.ravel())
        middles = [np.bincount(pieces.ravel(), each.ravel()) / sizes for each in np.indices(pieces.shape)]
        return cls(shown, pieces, np.stack(middles, 1), int(shown.max()) + 1)

    @property
    def alone(self) -> bool:
        """Whether there is no cut but the one shown."""
        return self.middles is None

    @cached_property
    def areas(self) -> Tensor:
        """The share of the picture that each piece has, float64 `(pieces,)`."""
        return torch.from_numpy(np.bincount(self.pieces.ravel()) / self.pieces.size)

    @cached_property
    def members(self) -> Tensor:
        """Which pieces make up each region shown, float64 `(regions, pieces)` of 0 and 1."""
        first = np.unique(self.pieces, return_index=True)[1]
        regions = torch.from_numpy(self.shown.ravel()[first].astype(np.int64))
        return (regions == torch.arange(int(self.shown.max()) + 1)[:, None]).double()

    @property
    def own(self) -> Tensor:
        """The cut shown, int64 `(1, pieces)`."""
        return self.members.argmax(0, keepdim=True)

    def draw(self, rounds: int, generator: torch.Generator) -> Tensor:
        """The region of each piece in so many cuts, int64 `(rounds, pieces)`."""
        if self.middles is None:
            return torch.arange(self.count).expand(rounds, -1)
        places = torch.from_numpy(self.middles)
        # In proportion to their areas, without putting back (Efraimidis & Spirakis 2006).
        keys = torch.rand((rounds, len(places)), generator=generator, dtype=torch.float64).log() / self.areas
        seeds = keys.topk(self.count).indices
        return torch.stack([torch.cdist(places, places[row]).argmin(1) for row in seeds])

    def prior(self) -> Tensor:
        """How alike the weights of pieces may be before anything is asked, float64 `(pieces, pieces)`.

        Those of one cut may be anything. Those of pieces are in proportion to their areas, have something in common all
        over the picture, and are the more alike the more often two pieces are cut together.
        """
        if self.alone:
            return torch.eye(self.count, dtype=torch.float64)
        drawn = self.draw(LIKE, torch.Generator().manual_seed(0))
        together = torch.stack([(cut[:, None] == cut).float() for cut in drawn]).mean(0).double()
        return self.areas[:, None] * (1 + together) * self.areas


@dataclass(frozen=True)
class MeansOfCuts:
    """Each region's own mean colour, for masks each of which follows one of the cuts `(n, pieces)`.

    The number of the cut is that of the alternative.
    """

    cuts: Tensor

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """See `Fill`; `labels` are the pieces."""
        if labels is None:
            raise UsageError("the means of cuts are about pieces: make the engine with their labels")
        places = labels.flatten()
        sizes = torch.bincount(places).to(pixels.dtype)
        sums = pixels.new_zeros(len(sizes), len(pixels)).index_add_(0, places, pixels.flatten(1).T)
        return _Means(pixels[None], sums, sizes, self.cuts.to(pixels.device), labels)


def fill_of_cuts(fill: Fill, cuts: Tensor) -> Fill:
    """A fill for masks of several cuts: of region means those of each cut, and else the fill itself."""
    return MeansOfCuts(cuts) if isinstance(fill, RegionMean) else fill


@dataclass(frozen=True)
class _Means(Filler):
    """The colours of each piece added up, `(pieces, C)`, and how many pixels it has `(pieces,)`."""

    sums: Tensor
    sizes: Tensor
    cuts: Tensor
    labels: Tensor
    changes: tuple[Callable[[Tensor], Tensor], ...] = ()

    @override
    def then(self, change: Callable[[Tensor], Tensor]) -> Filler:
        return replace(self, changes=(*self.changes, change))

    @property
    @override
    def alternatives(self) -> int:
        return len(self.cuts)

    @override
    def __call__(self, masks: Tensor, which: Tensor) -> Tensor:
        means = torch.stack([self._colours(cut) for cut in self.cuts[which.to(self.cuts.device)]])
        # A change is one of pixels: it is made of a colour for each piece before that is spread over the piece.
        colours = reduce(lambda pictures, change: change(pictures), self.changes, means.unsqueeze(2))
        if colours.stride(1) == 1:  # channels last, as the network takes its inputs
            return spread(colours.squeeze(2).mT, self.labels, 1).permute(0, 3, 1, 2)
        return spread(colours.squeeze(2), self.labels)

    def _colours(self, cut: Tensor) -> Tensor:
        """The colour of each piece under one cut, `(C, pieces)`."""
        count = int(cut.max()) + 1
        sums = self.sums.new_zeros(count, self.sums.shape[1]).index_add_(0, cut, self.sums)
        sizes = self.sizes.new_zeros(count).index_add_(0, cut, self.sizes).clamp(min=1)
        return (sums / sizes[:, None])[cut].T


def in_groups(cuts: Tensor, groups: int, generator: torch.Generator) -> Tensor:
    """Bool coalitions `(rounds · groups, pieces)`, true where a piece is kept.

    In each cut the regions are put into groups by chance, and one group after the other is hidden: every region is
    hidden once. Two groups are complementary pairs.
    """
    count = int(cuts.max()) + 1
    group = torch.randint(groups, (len(cuts), count), generator=generator).gather(1, cuts)
    return (group[:, None] != torch.arange(groups)[:, None]).flatten(0, 1)

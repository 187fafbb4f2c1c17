"""What hidden parts of a picture are replaced with. All of it is in pixels, as a rule in [0, 1], before normalising.

A fill is a frozen dataclass of its settings; prepared for one picture it becomes a `Filler`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad
from typing_extensions import override

from seewhy.core.names import unknown
from seewhy.engines.imputation import TOLERANCE, linear_imputation
from seewhy.errors import UsageError
from seewhy.images import Image, open_image, samples
from seewhy.models.preprocessing import IMAGENET_MEAN

UNNOTICED = 1 / 10  # of the noise that is added to what is imputed: what may remain to the exact solution

Colour = tuple[float, float, float]
COLOURS: dict[str, Colour] = {
    "black": (0.0, 0.0, 0.0),
    "grey": (0.5, 0.5, 0.5),
    "white": (1.0, 1.0, 1.0),
    "mean": IMAGENET_MEAN,
}


@dataclass(frozen=True)
class Filler:
    """A fill, ready for one picture: the same whatever is hidden, one of some `pictures` `(m, C, h, w)`."""

    pictures: Tensor

    @property
    def alternatives(self) -> int:
        """How many different fills there are to draw from."""
        return len(self.pictures)

    def __call__(self, masks: Tensor, which: Tensor) -> Tensor:
        """The fill `(n, C, h, w)`, or `(1, C, h, w)` for all, of masks `(n, h, w)`, 1 or true where kept.

        `which` int64 `(n,)` picks each one's alternative.
        """
        return self.pictures if len(self.pictures) == 1 else self.pictures[which]

    def then(self, change: Callable[[Tensor], Tensor]) -> Filler:
        """The same with its pictures changed, each pixel by itself: at once, where they hang on nothing."""
        return Filler(change(self.pictures))


class Fill(Protocol):
    """What hidden parts are replaced with, before it knows the picture."""

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """Make ready for one picture, `pixels` `(C, h, w)`, and its regions, int64 `(h, w)`, if it has any."""
        ...


@dataclass(frozen=True)
class RegionMean:
    """Each region's own mean colour; without regions the mean colour of the picture."""

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """See `Fill`."""
        if labels is None:
            labels = torch.zeros(pixels.shape[1:], dtype=torch.int64, device=pixels.device)
        places = labels.flatten()
        counts = torch.bincount(places).clamp(min=1)
        sums = pixels.new_zeros((len(pixels), len(counts))).index_add_(1, places, pixels.flatten(1))
        return Filler((sums / counts)[:, labels][None])


@dataclass(frozen=True)
class Constant:
    """One colour: black, grey, white, mean (ImageNet's), or red, green and blue in [0, 1]."""

    colour: str | Colour = "grey"

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """See `Fill`."""
        rgb = COLOURS.get(self.colour) if isinstance(self.colour, str) else self.colour
        if rgb is None:
            raise UsageError(f"there is no colour '{self.colour}'; there are {', '.join(COLOURS)}, or three numbers")
        if len(pixels) != len(rgb):  # no red, green and blue here: as bright in every channel
            rgb = (sum(rgb) / len(rgb),) * len(pixels)
        return Filler(pixels.new_tensor(rgb).view(1, -1, 1, 1).expand(1, *pixels.shape))


@dataclass(frozen=True)
class Blur:
    """The picture itself, blurred by a Gaussian whose σ is `sigma` times the shorter side."""

    sigma: float = 0.05

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """See `Fill`."""
        if self.sigma <= 0:
            raise UsageError(f"the blur's sigma is a share of the shorter side, above 0, not {self.sigma}")
        sigma = self.sigma * min(pixels.shape[1:])
        radius = min(round(3 * sigma), min(pixels.shape[1:]) - 1)
        offsets = torch.arange(-radius, radius + 1, device=pixels.device, dtype=pixels.dtype)
        bell = torch.exp(-((offsets / sigma) ** 2) / 2)
        bell = (bell / bell.sum()).view(1, 1, -1)
        padded = pad(pixels[:, None], (radius,) * 4, mode="reflect")
        return Filler(conv2d(conv2d(padded, bell[..., None]), bell[:, :, None])[:, 0][None])


@dataclass(frozen=True)
class Noise:
    """Independent uniform colours, in `draws` alternatives."""

    draws: int = 8

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """See `Fill`."""
        if self.draws < 1:
            raise UsageError(f"noise wants at least one draw, not {self.draws}")
        low, high = _range(pixels)
        return Filler(low + (high - low) * torch.rand((self.draws, *pixels.shape), generator=generator).to(pixels))


@dataclass(frozen=True)
class Images:
    """Other pictures, each scaled to the view; `None` stands for the photos that come with scikit-image."""

    images: Sequence[Image] | None = None

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """See `Fill`."""
        images = [open_image(path) for path in samples().values()] if self.images is None else self.images
        if not images:
            raise UsageError("a fill of other images needs at least one")
        return Filler(torch.stack([_scaled(image, pixels) for image in images]))


@dataclass(frozen=True)
class Linear:
    """ROAD's noisy linear imputation: every hidden pixel the weighted mean of its neighbours, and a little noise."""

    noise: float = 0.01

    def prepare(self, pixels: Tensor, labels: Tensor | None, generator: torch.Generator) -> Filler:
        """See `Fill`."""
        noise = torch.randn(pixels.shape, generator=generator).to(pixels)
        return _Imputed(pixels[None], self.noise * noise, max(TOLERANCE, UNNOTICED * self.noise))


@dataclass(frozen=True)
class _Imputed(Filler):
    """One noise `(C, h, w)` for every mask, so that a mask's answer does not hang on what else is in its batch."""

    noise: Tensor
    tolerance: float
    changes: tuple[Callable[[Tensor], Tensor], ...] = ()

    @override
    def then(self, change: Callable[[Tensor], Tensor]) -> Filler:
        return replace(self, changes=(*self.changes, change))

    @override
    def __call__(self, masks: Tensor, which: Tensor) -> Tensor:
        kept, pixels = masks > 0.5, self.pictures[0]
        filled = linear_imputation(pixels, kept, tolerance=self.tolerance)
        found = torch.where(kept[:, None], filled, filled + self.noise).clamp(*_range(pixels))
        return reduce(lambda pictures, change: change(pictures), self.changes, found)


FILLS: dict[str, Callable[[], Fill]] = {
    "region-mean": RegionMean,
    "black": lambda: Constant("black"),
    "grey": lambda: Constant("grey"),
    "white": lambda: Constant("white"),
    "mean": lambda: Constant("mean"),
    "blur": Blur,
    "noise": Noise,
    "linear": Linear,
    "samples": Images,
}


def find_fill(fill: str | Fill) -> Fill:
    """A fill by name, or the fill itself; an unknown name is answered with the nearest ones."""
    if not isinstance(fill, str):
        return fill
    if fill not in FILLS:
        raise unknown("fill", fill, FILLS)
    return FILLS[fill]()


def _scaled(image: Image, pixels: Tensor) -> Tensor:
    """A picture `(C, h, w)`, scaled whole to the size of `pixels`, and to their range."""
    own = image.stored if image.stored is not None and image.channels == len(pixels) else image.pixels
    whole = torch.tensor(own).to(pixels).permute(2, 0, 1)[None] / 255
    if len(pixels) != whole.shape[1]:
        whole = whole.mean(1, keepdim=True).expand(-1, len(pixels), -1, -1)
    low, high = _range(pixels)
    scaled = interpolate(whole, pixels.shape[1:], mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)
    return low + (high - low) * scaled


def _range(pixels: Tensor) -> tuple[float, float]:
    """The least and the greatest value there can be: 0 and 1, or what there is of inputs that are no colours."""
    low, high = float(pixels.min()), float(pixels.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)

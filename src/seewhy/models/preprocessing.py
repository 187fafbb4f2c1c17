"""From upright pictures to the tensor a network was trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from seewhy.core.text import shown
from seewhy.errors import ModelError
from seewhy.images import Box, Image, Mask

if TYPE_CHECKING:
    from PIL import Image as PILImage
    from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
GREY_MEAN, GREY_STD = (0.449,), (0.226,)  # of ImageNet's photos in grey
COLOURS = 3
MODES = {1: "L", COLOURS: "RGB"}
LONGEST = 16384  # pixels
MOST = 1 << 24  # pixels of what a network sees
MOST_CHANNELS = 4096
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop and normalise.

    `size` is the (height, width) the network sees. With `resize`, the short side is scaled to it and the centre is
    cut out; without, the whole picture is scaled to `size`, whatever its proportions. `mean` and `std` have a number
    for each channel in [0, 1]: three for RGB, one for grey, more or two for bands.
    """

    size: tuple[int, int] = (224, 224)
    resize: int | None = None
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        problem = next(self._problems(), None)
        if problem:
            raise ModelError(f"preprocessing: {problem}")

    @property
    def channels(self) -> int:
        """How many the network takes."""
        return len(self.mean)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Preprocessing:
        """Build from JSON, where tuples are lists; unknown keys are refused."""
        known = set(cls.__dataclass_fields__)
        if unknown := sorted(set(fields) - known):
            raise ModelError(f"unknown preprocessing keys {shown(unknown)}; expected some of {sorted(known)}")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
        }
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def view(self, image: Image) -> Box:
        """The part of the upright picture that the network sees."""
        return self.view_of(*image.pixels.shape[:2])

    def view_of(self, tall: int, wide: int) -> Box:
        """The part that the network sees of an upright picture of this height and width."""
        if self.resize is None:
            return Box(0.0, 0.0, float(wide), float(tall))
        width, height = self._resized(tall, wide)
        left, top = self._corner(width, height)
        across, down = wide / width, tall / height
        return Box(left * across, top * down, (left + self.size[1]) * across, (top + self.size[0]) * down)

    def resized(self, image: Image) -> np.ndarray:
        """The picture before the centre is cut out of it, uint8 `(H, W, channels)`.

        Of a thin strip, which would fill the memory, the centre.
        """
        return self._by_bands(image, self._scaled)

    def _scaled(self, pixels: np.ndarray) -> PILImage.Image:
        from PIL import Image as Pillow

        how = Pillow.Resampling[self.interpolation.upper()]
        picture = Pillow.fromarray(pixels)
        if self.resize is None:
            return picture.resize((self.size[1], self.size[0]), how)
        width, height = self._resized(picture.height, picture.width)
        if max(width, height) > LONGEST:
            return picture.resize((self.size[1], self.size[0]), how, box=self.view_of(picture.height, picture.width))
        return picture.resize((width, height), how)

    def pixels(self, images: list[Image]) -> Tensor:
        """What the network sees, before normalising: float32 `(N, C, h, w)` in [0, 1] on the CPU.

        One channel is the luma of colours; bands are scaled one by one.

        Raises:
            BadImage: a picture has other channels than the network takes.
        """
        import torch

        seen = np.stack([self._by_bands(image, self._seen) for image in images])
        return torch.from_numpy(seen).permute(0, 3, 1, 2).float().div_(255).contiguous()

    def _by_bands(self, image: Image, change: Callable[[np.ndarray], PILImage.Image]) -> np.ndarray:
        """The channels that the network takes, changed as Pillow changes pictures: uint8 `(h, w, channels)`."""
        pixels = image.read_as(self.channels)
        if pixels.shape[2] == COLOURS:
            return np.atleast_3d(np.array(change(pixels).convert(MODES[self.channels])))
        return np.dstack([np.asarray(change(pixels[..., band])) for band in range(self.channels)])

    def framed(self, seen: np.ndarray) -> np.ndarray:
        """A picture, uint8 `(H, W, C)`, of which the network sees exactly `seen`, uint8 `(h, w, C)`."""
        if self.resize is None:
            return seen
        return pasted(seen, self.view_of(self.resize, self.resize), (self.resize, self.resize))

    def mask(self, mask: Mask) -> Mask:
        """A mask of the whole picture, bool `(H, W)`, as bool `(h, w)` over what the network sees."""
        return np.asarray(self._seen(np.where(mask, np.uint8(255), np.uint8(0)))) > 127

    def normalize(self, pixels: Tensor) -> Tensor:
        """`(N, C, h, w)` in [0, 1] to network input, on the same device in the same dtype."""
        mean, std = self._statistics(pixels)
        return (pixels - mean) / std

    def denormalize(self, inputs: Tensor) -> Tensor:
        """Network input `(N, C, h, w)` back to [0, 1]: the reverse of `normalize`."""
        mean, std = self._statistics(inputs)
        return inputs * std + mean

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor(self.mean).view(1, -1, 1, 1), like.new_tensor(self.std).view(1, -1, 1, 1)

    def _problems(self) -> Iterator[str]:
        if not _are(self.size, int, 2) or min(self.size) < 1 or max(self.size) > LONGEST:
            yield f"size is (height, width) in pixels, {LONGEST} at most, not {shown(self.size)}"
        if self.size[0] * self.size[1] > MOST:
            yield f"size {self.size} is of more than {MOST >> 20} million pixels"
        if self.resize is not None and not (_are((self.resize,), int, 1) and LONGEST >= self.resize >= max(self.size)):
            yield (
                f"resize scales the short side before {self.size} is cut out, so it is a whole number of at least "
                f"{max(self.size)} and at most {LONGEST} (or None to squeeze the picture as a whole), not "
                f"{shown(self.resize)}"
            )
        if self.interpolation not in get_args(Interpolation):
            yield f"interpolation is one of {', '.join(get_args(Interpolation))}, not '{shown(self.interpolation)}'"
        count = len(self.std) if isinstance(self.std, tuple) else 0  # pyright: ignore[reportUnnecessaryIsInstance]
        if count > MOST_CHANNELS:
            yield f"there are {count} channels, and networks take {MOST_CHANNELS} at most"
        if not count or not _are(self.mean, float, count) or not _are(self.std, float, count) or 0 in self.std:
            yield (
                "mean and std are a number for each channel in [0, 1], three for RGB and one for grey, not "
                f"{shown(self.mean)} and {shown(self.std)}"
            )

    def _seen(self, pixels: np.ndarray) -> PILImage.Image:
        resized = self._scaled(pixels)
        left, top = self._corner(resized.width, resized.height)
        return resized.crop((left, top, left + self.size[1], top + self.size[0]))

    def _resized(self, tall: int, wide: int) -> tuple[int, int]:
        short = self.resize or min(self.size)
        if wide <= tall:
            return short, int(short * tall / wide)
        return int(short * wide / tall), short

    def _corner(self, width: int, height: int) -> tuple[int, int]:
        return round((width - self.size[1]) / 2), round((height - self.size[0]) / 2)


def usual_statistics(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of ImageNet's photos, in colour or grey.

    Raises:
        ModelError: the network takes other channels, of which they must be declared.
    """
    known = {1: (GREY_MEAN, GREY_STD), COLOURS: (IMAGENET_MEAN, IMAGENET_STD)}
    if channels not in known:
        raise ModelError(
            f"the network takes {channels} channels, whose mean and std nobody said; declare {channels} numbers of "
            "each in its preprocessing: Preprocessing(size, mean=(…), std=(…))"
        )
    return known[channels]


def pasted(seen: np.ndarray, view: Box, size: tuple[int, int]) -> np.ndarray:
    """A black picture of `size` (height, width) with `seen` where the view begins; what goes beyond is cut."""
    canvas = np.zeros((*size, seen.shape[2]), np.uint8)
    left, top = round(view.left), round(view.top)
    part = seen[max(-top, 0) : size[0] - top, max(-left, 0) : size[1] - left]
    top, left = max(top, 0), max(left, 0)
    canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
    return canvas


def _are(values: object, kind: type, count: int) -> bool:
    """Whether these are `count` finite numbers; whole ones pass for float, truth for none."""
    kinds = (int, float) if kind is float else (kind,)
    return (
        isinstance(values, tuple)
        and len(values) == count
        and all(isinstance(value, kinds) and not isinstance(value, bool) and abs(value) < math.inf for value in values)
    )

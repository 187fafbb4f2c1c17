"""Pictures as the network's own library prepares them: what we do instead is checked by running that.

Whatever it is set to do, a few pictures tell what it does: test pictures whether our own steps give the same, black and
white what range and which order the channels have, ramps where on the picture the network looks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from seewhy.errors import ModelError, SeewhyError
from seewhy.images import Box, Image, Mask
from seewhy.models.preprocessing import MODES, Preprocessing, pasted

if TYPE_CHECKING:
    from PIL import Image as PILImage

TOLERANCE = 0.01  # mean difference of network inputs, of which one is usual; other roundings stay below 0.005
SIZES = ((500, 300), (260, 640), (333, 333), (60, 75), (341, 233))  # tall, wide, square, small, of another rounding
GOLDEN = 0.618034
ASTRAY = 0.02  # of a side: as far as a ramp may be from where a straight line has it

CURE = (
    "wrap the network yourself, seewhy.Classifier.from_module(network, preprocessing, categories), or explain its "
    "inputs by seewhy.attribute"
)

Prepare: TypeAlias = Callable[["PILImage.Image"], Tensor]  # a picture, grey or RGB, to network input (C, h, w)


def checked(
    prepare: Prepare, ours: Callable[[], Preprocessing], name: str, channels: int = 3
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Our own steps where they prepare test pictures as `prepare` does, else those of `prepare`, with a note.

    Args:
        prepare: what the network's own library does.
        ours: gives the same in our steps, as far as its settings tell; may fail in any way.
        name: what people call what `prepare` runs.
        channels: how many the network takes.

    Raises:
        ModelError: `prepare` fails, or gives no pictures of one size.
    """
    translated = None
    with suppress(Exception):  # settings may be missing, and mean anything
        translated = ours()
    if channels not in MODES:
        if translated is None:
            raise ModelError(f"{name} prepares {channels} channels in a way that seewhy does not know; {CURE}")
        return translated, (f"That pictures are prepared as {name} would do it was not checked: they are RGB or grey.",)
    sizes = list(SIZES)
    if translated and translated.resize:  # crops are rounded in one way or another: every remainder
        short = translated.resize
        sizes += [size for rest in range(20, 24) for size in ((short, short + rest), (short + rest, short))]
    pictures = [_test_picture(*size) for size in sizes]
    theirs = [_run(prepare, picture, name, channels) for picture in pictures]
    if len({tuple(each.shape) for each in theirs}) > 1:
        shapes = ", ".join(dict.fromkeys(str(tuple(each.shape)) for each in theirs[:3]))
        raise ModelError(f"{name} makes inputs of another shape of each picture ({shapes}), and seewhy shows a network "
                         f"pictures of one size; {CURE}")  # fmt: skip
    if translated is not None and _agree(translated, pictures, torch.stack(theirs)):
        return translated, ()
    found = Foreign.of(prepare, name, theirs[0])
    notes = [f"Pictures are prepared by the network's own {name}, as it is."]
    if not all(found.place(*size) for size in SIZES):
        notes.append(f"Where on a picture {name} looks is not known: maps are laid over all of it.")
    return found, tuple(notes)


@dataclass(frozen=True)
class Foreign(Preprocessing):
    """Pictures prepared by another library, whatever it does to them.

    `mean` and `std` are what turns its inputs into pixels, `order` says which channel of the picture each of its
    channels is.
    """

    prepare: Prepare | None = None
    name: str = ""
    order: tuple[int, ...] = (0, 1, 2)

    @classmethod
    def of(cls, prepare: Prepare, name: str, like: Tensor) -> Foreign:
        """Find out by black, white and coloured pictures what the channels of `prepare` are; its inputs are `like`."""
        channels, *size = like.shape
        side = min(size)

        def levels(colour: tuple[int, ...]) -> Tensor:
            picture = np.full((side, side, 3), colour, np.uint8)
            return _run(prepare, picture, name, channels)[:, size[0] // 2, size[1] // 2].double()

        black, white = levels((0, 0, 0)), levels((255, 255, 255))
        order = tuple(range(channels))
        if channels == 3:
            gains = torch.stack([levels(colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))], 1)
            reached = ((gains - black[:, None]) / (white - black)[:, None]).argmax(1).tolist()
            order = tuple(reached) if sorted(reached) == [0, 1, 2] else order
        scale = white - black
        if not bool(torch.isfinite(scale).all()) or bool((scale.abs() < 1e-6).any()):  # as where each is standardised
            black, scale = torch.full_like(scale, float(like.min())), torch.full_like(scale, _spread(like))
        std = 1 / scale
        return cls((size[0], size[1]), None, "bilinear", tuple((-black / scale).tolist()), tuple(std.tolist()),
                   prepare=prepare, name=name, order=order)  # fmt: skip

    @override
    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values, which no card can give back."""
        plain = {key: getattr(self, key) for key in Preprocessing.__dataclass_fields__}
        return {**plain, "prepared_by": f"{self.name}: {self.prepare!r}", "order": self.order}

    @override
    def pixels(self, images: list[Image]) -> Tensor:
        """What the network sees, float32 `(N, C, h, w)`: black is 0 and white is 1; a margin may lie outside."""
        return self.denormalize(torch.stack([self._prepared(image.read_as(self.channels)) for image in images]))

    @override
    def normalize(self, pixels: Tensor) -> Tensor:
        """`(N, C, h, w)` to network input, on the same device in the same dtype."""
        return super().normalize(pixels if self._in_order else pixels[:, list(self.order)])

    @override
    def denormalize(self, inputs: Tensor) -> Tensor:
        """Network input `(N, C, h, w)` back to [0, 1]: the reverse of `normalize`."""
        pixels = super().denormalize(inputs)
        return pixels if self._in_order else pixels[:, [self.order.index(place) for place in range(len(self.order))]]

    @override
    def resized(self, image: Image) -> np.ndarray:
        """What the network sees, uint8 `(h, w, channels)`: nothing is cut off after that."""
        return self.pixels([image])[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()

    @override
    def framed(self, seen: np.ndarray) -> np.ndarray:
        """A picture of which the network sees `seen`, uint8 `(h, w, C)`, as nearly as can be told; no margins."""
        view = self.place(*self.size)
        if view is None:
            return seen
        height, width = self.size
        size = round(height * height / view.height), round(width * width / view.width)
        return pasted(seen, self.view_of(*size), size)

    @override
    def mask(self, mask: Mask) -> Mask:
        """A mask of the whole picture, bool `(H, W)`, as bool `(h, w)` over what the network sees, margins aside."""
        lit, dark = (self._levels(np.where(part, np.uint8(255), np.uint8(0))) for part in (mask, ~mask))
        return (lit > dark).numpy()

    @override
    def view_of(self, tall: int, wide: int) -> Box:
        return self.place(tall, wide) or Box(0.0, 0.0, float(wide), float(tall))

    def place(self, tall: int, wide: int) -> Box | None:
        """The part of a picture that the network sees, which may go beyond it; None where that is no upright box.

        Ramps along the rows and the columns of such a picture say of every place of the input where it comes from: from
        dark to bright and from bright to dark, since what is cut off may depend on what is seen.
        """
        seen = self.mask(np.ones((tall, wide), bool))
        ends: list[tuple[float, float]] = []
        for axis, (side, steps) in enumerate(((tall, self.size[0]), (wide, self.size[1]))):
            ramp = (np.arange(side) + 0.5) * (255 / side)
            dither = np.arange(wide if axis == 0 else tall) * GOLDEN % 1  # a level stands for side / 255 pixels
            picture = np.floor(np.add.outer(*((ramp, dither) if axis == 0 else (dither, ramp)))).astype(np.uint8)
            rising, falling = (self._levels(each).double().numpy() * side for each in (picture, 255 - picture))
            found, places = rising[seen], np.broadcast_to(np.expand_dims(np.arange(steps) + 0.5, 1 - axis), self.size)
            inner = (found > 0.01 * side) & (found < 0.99 * side)  # edges are blended with what is beyond
            if np.unique(places[seen][inner]).size < 2:
                return None
            slope, start = np.polyfit(places[seen][inner], found[inner], 1)
            away = np.maximum(abs(slope * places[seen] + start - found), abs(side - falling[seen] - found))
            if slope <= 0 or away[inner].max() > ASTRAY * side + slope:
                return None
            ends.append((float(start), float(start + slope * steps)))
        (top, bottom), (left, right) = ends
        return Box(left, top, right, bottom)

    @property
    def _in_order(self) -> bool:
        return self.order == tuple(range(len(self.order)))

    def _levels(self, grey: np.ndarray) -> Tensor:
        """What becomes of a grey picture, uint8 `(H, W)`: one channel `(h, w)`, from 0 to 1."""
        return self.denormalize(self._prepared(np.repeat(grey[..., None], 3, 2))[None])[0, 0]

    def _prepared(self, pixels: np.ndarray) -> Tensor:
        if self.prepare is None:
            raise ModelError("pictures cannot be prepared without the library that does it")
        inputs = _run(self.prepare, pixels, self.name, self.channels)
        if inputs.shape[1:] != self.size:
            raise ModelError(f"{self.name} makes an input of {tuple(inputs.shape)} of a picture of {pixels.shape[1]} × "
                             f"{pixels.shape[0]}, where others became {self.size}; {CURE}")  # fmt: skip
        return inputs


def require_own(preprocessing: Preprocessing, model: str) -> Preprocessing:
    """The preprocessing, where a card can say it; raises `ModelError` where another library prepares the pictures."""
    if isinstance(preprocessing, Foreign):
        raise ModelError(
            f"{model} cannot be trained further as it is: its pictures are prepared by {preprocessing.name}, which no "
            "card could name. Give steps of your own, Recipe(preprocessing=Preprocessing(…)), or take another backbone"
        )
    return preprocessing


def _run(prepare: Prepare, pixels: np.ndarray, name: str, channels: int) -> Tensor:
    """What `prepare` makes of a picture, float32 `(C, h, w)`."""
    from PIL import Image as Pillow

    try:
        inputs = prepare(
            Pillow.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).convert(MODES[channels])
        )
    except SeewhyError:
        raise
    except Exception as error:  # it is another's code
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"{name} does not prepare a picture: {reason}; {CURE}") from error
    if not isinstance(inputs, Tensor) or inputs.dim() != 3:  # pyright: ignore[reportUnnecessaryIsInstance]
        shape = tuple(inputs.shape) if hasattr(inputs, "shape") else type(inputs).__name__
        raise ModelError(f"{name} makes no picture (channels, height, width) of a picture, but {shape}: seewhy "
                         "explains networks that see pictures as a grid of pixels")  # fmt: skip
    if len(inputs) != channels:
        raise ModelError(f"{name} makes {len(inputs)} channels of a picture, and the network takes {channels}; {CURE}")
    return inputs.float()


def _agree(ours: Preprocessing, pictures: list[np.ndarray], theirs: Tensor) -> bool:
    try:
        inputs = ours.normalize(ours.pixels([Image(pixels, "a test picture") for pixels in pictures]))
    except ModelError:
        return False
    if inputs.shape != theirs.shape:
        return False
    away = (inputs - theirs).abs().flatten(1).mean(1)
    return bool((away <= TOLERANCE * min(1.0, _spread(theirs))).all())


def _spread(inputs: Tensor) -> float:
    return float(inputs.max() - inputs.min()) or 1.0


def _test_picture(tall: int, wide: int) -> np.ndarray:
    """Another colour in each corner, waves of every length and sharp edges: scale, crop, order and range all show."""
    down, across = np.mgrid[0 : 1 : tall * 1j, 0 : 1 : wide * 1j]
    waves = 0.5 + 0.5 * np.sin(60 * down * across + 9 * across)
    tiles = (np.arange(tall)[:, None] // 11 + np.arange(wide) // 17) % 2
    return (np.stack([0.6 * down + 0.4 * tiles, across, waves], 2) * (255, 200, 140)).astype(np.uint8)

"""The picture as every other room knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from operator import index
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from seewhy.errors import BadImage, UsageError

Pixels: TypeAlias = NDArray[np.uint8]

PLAIN = (1, 3)  # channels of grey and of colour
OPAQUE = 255


class Box(NamedTuple):
    """A rectangle in pixels of a picture; fractions of a pixel are kept."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From the left edge to the right one."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From the top edge to the bottom one."""
        return self.bottom - self.top


@dataclass(frozen=True, eq=False)
class Image:
    """An upright picture that nobody can change.

    Attributes:
        pixels: uint8 `(H, W, 3)`, C-contiguous and read-only; a writable array is copied. What people are shown, and
            what networks of grey or colour see; grey has three equal channels.
        name: What people call it, mostly its file name. Never used as a path.
        notes: What was done to the picture so that it became this one, in words.
        stored: uint8 `(H, W, C)`, likewise: every channel of a picture that has others than grey or RGB, such as
            alpha or near infrared. None where `pixels` say it all.
        composite: Whether `pixels` merely draw some of the bands in `stored`, so that no network may take them for
            the picture.

    Raises:
        BadImage: `bad_array` where the pixels are not uint8 `(H, W, 3)`, or `stored` not uint8 `(H, W, C)`.
    """

    pixels: Pixels = field(repr=False)
    name: str
    notes: tuple[str, ...] = ()
    stored: Pixels | None = field(default=None, repr=False)
    composite: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _frozen(self.pixels, 3))
        if self.stored is not None:
            object.__setattr__(self, "stored", _frozen(self.stored, None, self.pixels.shape[:2]))

    def __reduce__(self) -> tuple[type[Image], tuple[Any, ...]]:
        # NumPy forgets on its way through pickle that an array is read-only; the constructor remembers.
        return Image, (self.pixels, self.name, self.notes, self.stored, self.composite)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """How many there are: 3 of grey and RGB."""
        return 3 if self.stored is None else self.stored.shape[2]

    @cached_property
    def tells_more(self) -> bool:
        """Whether `stored` says what `pixels` do not; an alpha that hides nothing does not."""
        return self.stored is not None and (self.composite or bool((self.stored[..., -1] < OPAQUE).any()))

    @cached_property
    def sha256(self) -> str:
        """Hash of what is seen, shape and pixels: the same whatever the file was called or packed as."""
        digest = sha256(f"{self.height}x{self.width}x3:".encode())
        digest.update(self.pixels.data)
        if self.stored is not None and self.tells_more:
            digest.update(f"x{self.channels}:".encode())
            digest.update(self.stored.data)
        return digest.hexdigest()

    def to_pil(self) -> PIL.Image.Image:
        """What is shown as a Pillow image of its own, mode RGB."""
        return PIL.Image.fromarray(self.pixels)

    def read_as(self, channels: int) -> Pixels:
        """What a network of so many channels sees: `pixels` for grey and RGB, else uint8 `(H, W, channels)`.

        Raises:
            BadImage: `channels` where the picture has others; none is left out or made up.
        """
        if channels in PLAIN and not self.composite:
            return self.pixels
        if self.stored is not None and self.channels == channels:
            return self.stored
        grey = self.stored is None and bool((self.pixels == self.pixels[..., :1]).all())
        own = "1 channel" if grey else f"{self.channels} channels"
        cure = f"give all {channels} as an array (H, W, {channels}), a TIFF of bands or an .npy file"
        if channels < self.channels:
            cure = f"give the {channels} that it was trained on, such as array[..., :{channels}]"
        raise BadImage("channels", f"{self.name} has {own}, and the network takes {channels}; {cure}.")

    def with_bands(self, bands: Sequence[int]) -> Image:
        """The same picture as bands of which these are drawn: three as red, green and blue, or one as grey.

        Args:
            bands: their numbers, counted from 1.

        Raises:
            UsageError: these are not one or three of its bands.
        """
        stored = self.pixels if self.stored is None else self.stored
        try:
            numbers = tuple(index(each) for each in bands)
        except TypeError:
            raise UsageError(
                f"bands are whole numbers, one or three of them, such as (4, 3, 2), not {bands!r}"
            ) from None
        if len(numbers) not in PLAIN or not all(0 < each <= self.channels for each in numbers):
            raise UsageError(
                f"bands are the numbers of three bands to draw in red, green and blue, or of one, from 1 to "
                f"{self.channels} of {self.name}; not {', '.join(map(str, numbers))}"
            )
        return Image(drawn(stored, numbers), self.name, self.notes, stored, composite=True)


def drawn(stored: Pixels, bands: Sequence[int]) -> Pixels:
    """Three bands of `(H, W, C)` as RGB, or one as grey, uint8 `(H, W, 3)`; they are counted from 1.

    >>> drawn(np.array([[[10, 20, 30, 40]]], np.uint8), (4, 3, 2)).tolist()
    [[[40, 30, 20]]]
    """
    chosen = [band - 1 for band in bands]
    return stored[..., chosen if len(chosen) > 1 else chosen * 3]


def _frozen(levels: Pixels, channels: int | None, shape: tuple[int, ...] | None = None) -> Pixels:
    right = levels.dtype == np.uint8 and levels.ndim == 3 and levels.size and shape in (None, levels.shape[:2])
    if not right or channels not in (None, levels.shape[2]):
        raise BadImage(
            "bad_array",
            f"an Image takes uint8 pixels of shape (H, W, 3), not {levels.dtype} {levels.shape}; "
            "open_image converts other arrays.",
        )
    if levels.flags.writeable or not levels.flags.c_contiguous:
        levels = np.array(levels, order="C")
        levels.setflags(write=False)
    return levels

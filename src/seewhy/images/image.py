"""The picture as every other room knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple, TypeAlias

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from seewhy.errors import BadImage

Pixels: TypeAlias = NDArray[np.uint8]


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
    """An upright RGB picture that nobody can change.

    Attributes:
        pixels: uint8 `(H, W, 3)`, C-contiguous and read-only; a writable array is copied.
        name: What people call it, mostly its file name. Never used as a path.
        notes: What was done to the picture so that it became this one, in words.

    Raises:
        BadImage: `bad_array` where the pixels are not uint8 `(H, W, 3)`.
    """

    pixels: Pixels = field(repr=False)
    name: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _frozen(self.pixels))

    def __reduce__(self) -> tuple[type[Image], tuple[Pixels, str, tuple[str, ...]]]:
        # NumPy forgets on its way through pickle that an array is read-only; the constructor remembers.
        return Image, (self.pixels, self.name, self.notes)

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.pixels.shape[1]

    @cached_property
    def sha256(self) -> str:
        """Hash of what is seen, shape and pixels: the same whatever the file was called or packed as."""
        digest = sha256(f"{self.height}x{self.width}x3:".encode())
        digest.update(self.pixels.data)
        return digest.hexdigest()

    def to_pil(self) -> PIL.Image.Image:
        """The picture as a Pillow image of its own, mode RGB."""
        return PIL.Image.fromarray(self.pixels)


def _frozen(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise BadImage(
            "bad_array",
            f"an Image takes uint8 pixels of shape (H, W, 3), not {pixels.dtype} {pixels.shape}; "
            "open_image converts other arrays.",
        )
    if pixels.flags.writeable or not pixels.flags.c_contiguous:
        pixels = np.array(pixels, order="C")
        pixels.setflags(write=False)
    return pixels

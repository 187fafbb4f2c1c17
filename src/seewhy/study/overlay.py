"""Something with alpha laid over what a network sees, which turns its answer: then the reason is known.

The overlay fills the square that the network sees, after resizing and cutting and before normalising. Where it is not
clear is known; its place is the box round that, since maps of a few cells cannot follow letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import torch

from seewhy.errors import UsageError
from seewhy.images import Image, Mask, from_values, open_image
from seewhy.models import Classifier, Preprocessing

RGBA = 4


@dataclass(frozen=True, eq=False)
class Overlay:
    """A picture with alpha, uint8 `(H, W, 4)`."""

    pixels: np.ndarray
    name: str

    @classmethod
    def open(cls, path: str | Path) -> Overlay:
        """The overlay in a file.

        Raises:
            BadImage: the file cannot be opened.
            UsageError: nothing of it can be seen through, or nothing can be seen.
        """
        image = open_image(path)
        pixels = image.stored
        if pixels is None or image.composite or pixels.shape[2] not in (2, RGBA) or not (pixels[..., -1] < 255).any():
            raise UsageError(f"{image.name} covers the whole photo; an overlay is a PNG that is transparent in parts")
        if not pixels[..., -1].any():
            raise UsageError(f"{image.name} is clear throughout; an overlay is a PNG of which something can be seen")
        mode = "RGBA" if pixels.shape[2] == RGBA else "LA"
        return cls(np.array(PIL.Image.fromarray(np.ascontiguousarray(pixels), mode).convert("RGBA")), image.name)

    @cached_property
    def sha256(self) -> str:
        """Hash of its pixels."""
        return sha256(f"{self.pixels.shape}:".encode() + self.pixels.tobytes()).hexdigest()

    def area(self, size: tuple[int, int]) -> Mask:
        """The box round all that is not clear, bool `(h, w)` over what the network sees."""
        shown = self.pixels[..., -1] > 0
        rows, columns = np.nonzero(shown)
        height, width = shown.shape
        return np.logical_and.outer(_between(rows, height, size[0]), _between(columns, width, size[1]))

    def over(self, preprocessing: Preprocessing, image: Image) -> Image:
        """A picture of which the network sees what it saw of this one, with the overlay on it.

        Raises:
            UsageError: the network takes other channels than grey or colour.
        """
        if preprocessing.channels not in (1, 3):
            raise UsageError(f"an overlay has colours, and the network takes {preprocessing.channels} channels")
        seen = levels(preprocessing.pixels([image])[0])
        photo = PIL.Image.fromarray(np.broadcast_to(seen, (*seen.shape[:2], 3)).copy()).convert("RGBA")
        laid = PIL.Image.alpha_composite(photo, self.resized(preprocessing.size)).convert("RGB")
        return from_values(preprocessing.framed(np.asarray(laid)), image.name, alpha=False)

    def resized(self, size: tuple[int, int]) -> PIL.Image.Image:
        """The overlay, RGBA, for what a network of this size (h, w) sees."""
        return PIL.Image.fromarray(self.pixels, "RGBA").resize((size[1], size[0]), PIL.Image.Resampling.LANCZOS)


def _between(places: np.ndarray, total: int, length: int) -> np.ndarray:
    """Which of `length` pixels have their centres between the first and the last of `places` of `total`."""
    centres = (np.arange(length) + 0.5) * total / length
    return (centres > places.min()) & (centres < places.max() + 1)


class Turn(NamedTuple):
    """What the overlay did to the answer to one photo."""

    clean: Image  # of which the network sees what it saw of the photo
    laid: Image
    before: int  # the likeliest class of each
    after: int
    was: float  # the probability of the class `after`, without the overlay and with it
    now: float

    @property
    def turned(self) -> bool:
        """Whether another class is the likeliest now."""
        return self.before != self.after


def turn_of(classifier: Classifier, image: Image, overlay: Overlay) -> Turn:
    """Ask about the photo with and without the overlay."""
    preprocessing = classifier.preprocessing
    clean = from_values(preprocessing.framed(levels(preprocessing.pixels([image])[0])), image.name, alpha=False)
    laid = overlay.over(preprocessing, image)
    with torch.no_grad():
        logits = classifier.logits(classifier.preprocess([clean, laid])).cpu()
    before, after = (int(each) for each in classifier.head.likeliest(logits)[:, 0])
    was, now = classifier.head.probabilities(logits.double())[:, after].tolist()
    return Turn(clean, laid, before, after, was, now)


def levels(pixels: torch.Tensor) -> np.ndarray:
    """What the network sees, `(C, h, w)` in [0, 1], as uint8 `(h, w, C)`."""
    found: Any = (pixels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return found

"""Pictures that live inside a page: small, and never without words for those who cannot see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seewhy.draw import Legend, data_uri, fit, overlay, photo, photo_uri
from seewhy.images import Image
from seewhy.methods import Explanation

LARGE, SMALL = 640, 240
MIDDLE_GREY = 128


@dataclass(frozen=True)
class Picture:
    """A picture as a `data:` address, its size in pixels, and what it shows, in words."""

    uri: str
    width: int
    height: int
    alt: str


def embed(pixels: np.ndarray, alt: str) -> Picture:
    """RGB uint8 `(H, W, 3)` as JPEG: a tenth of a PNG of the same photo."""
    return Picture(photo_uri(pixels), pixels.shape[1], pixels.shape[0], alt)


def embed_photo(explanation: Explanation) -> tuple[Picture, bool]:
    """The photo, with a frame round what the model saw; and whether it saw the whole of it."""
    image = explanation.image
    shown = photo(image.pixels, explanation.view, longest=LARGE)
    whole = np.array_equal(shown, fit(image.pixels, LARGE))
    framed = "" if whole else ", with a frame round the part that the model saw"
    return embed(shown, f"The photo {image.name}{framed}"), whole


def thumbnail(image: Image) -> Picture:
    """The photo as an item of a list that names it; it stays silent beside its name."""
    return embed(fit(image.pixels, SMALL), "")


def scale_bar(legend: Legend) -> str:
    """The colours of a legend from end to end, over middle grey, as a `data:` address."""
    ramp = np.linspace(-1.0 if legend.signed else 0.0, 1.0, 256)[None]
    under = np.full((8, 256, 3), MIDDLE_GREY, np.uint8)
    bar = overlay(under, ramp, (0, 0, 256, 8), signed=legend.signed, colors=legend.colors, longest=256)
    return data_uri(bar)

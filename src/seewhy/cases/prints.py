"""Fingerprints of pictures that survive scaling and saving again, so that copies are known as such."""

from __future__ import annotations

import numpy as np
from PIL import Image as Pillow

from seewhy.images import Image

SIDE = 8


def picture_print(image: Image) -> int:
    """64 bits: whether each of 8 × 8 areas is brighter than its left neighbour. Source: Krawetz 2013, dHash."""
    grey = image.to_pil().convert("L").resize((SIDE + 1, SIDE), Pillow.Resampling.BOX)
    levels = np.asarray(grey, np.int16)
    bits = levels[:, 1:] > levels[:, :-1]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def differing_bits(prints: np.ndarray, other: int) -> np.ndarray:
    """How many of the 64 bits of each of `prints`, uint64 `(n,)`, differ from those of `other`."""
    return np.bitwise_count(prints ^ np.uint64(other))

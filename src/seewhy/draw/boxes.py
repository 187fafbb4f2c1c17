"""A box on its photo."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from seewhy.draw.colors import Pixels
from seewhy.draw.overlay import LONGEST, View, fit

THIN, SHARE = 2, 80  # the line in pixels at least, and in parts of the picture's shorter side


def boxed(pixels: Pixels, box: View, *, longest: int = LONGEST) -> Pixels:
    """The RGB photo at display size with `box`, (left, top, right, bottom) in its pixels, outlined."""
    shown = fit(pixels, longest)
    across, down = shown.shape[1] / pixels.shape[1], shown.shape[0] / pixels.shape[0]
    left, top = max(round(box[0] * across), 0), max(round(box[1] * down), 0)
    right, bottom = min(round(box[2] * across), shown.shape[1]) - 1, min(round(box[3] * down), shown.shape[0]) - 1
    canvas = Image.fromarray(shown)
    pen = ImageDraw.Draw(canvas)
    width = max(THIN, min(shown.shape[:2]) // SHARE)
    # White between black, so that it shows on any photo; all of it inside the box.
    for inset, colour in enumerate(["black", *["white"] * width, "black"]):
        if right - inset > left + inset and bottom - inset > top + inset:
            pen.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=colour)
    return np.asarray(canvas)

"""A map as a light on its photo: the photo itself where the map is strong, a pale trace of it elsewhere."""

from __future__ import annotations

import numpy as np
from PIL import Image

from seewhy.draw.colors import Map, Pixels
from seewhy.draw.overlay import View, pale, resample
from seewhy.errors import ExplainError

DUSK, DAWN = 0.25, 0.8  # of the map's range: all pale below, fully lit above


def cut(pixels: Pixels, view: View, longest: int) -> Pixels:
    """What the model saw of an RGB photo, its long side brought to `longest` pixels."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = view
    box = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    factor = longest / max(box[2] - box[0], box[3] - box[1])
    size = (max(1, round((box[2] - box[0]) * factor)), max(1, round((box[3] - box[1]) * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box))


def spotlight(pixels: Pixels, values: Map) -> Pixels:
    """RGB `(h, w, 3)` lit by a map of any grid over it, which is stretched to [0, 1]; a flat one leaves all pale.

    Raises:
        ExplainError: the map is not finite or 2-D.
    """
    checked = np.asarray(values, np.float32)
    if checked.ndim != 2 or not np.isfinite(checked).all():
        raise ExplainError(f"a map to light a photo by is (h, w) and finite, not {checked.shape}")
    low, high = float(checked.min()), float(checked.max())
    unit = (checked - low) / (high - low) if high > low else np.zeros_like(checked)
    height, width = pixels.shape[:2]
    spread = resample(unit, (0, 0, width, height), (height, width))[..., None]
    rise = ((spread - DUSK) / (DAWN - DUSK)).clip(0, 1)
    light = rise * rise * (3 - 2 * rise)
    unlit = pale(pixels)
    return (unlit + light * (pixels - unlit)).round().astype(np.uint8)

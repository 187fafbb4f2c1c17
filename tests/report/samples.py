"""Explanations made by hand: no network, the same every time."""

from dataclasses import replace

import numpy as np

from seewhy.images import Image
from seewhy.methods import Cost, Explanation
from seewhy.models import Box, Prediction, Target

CLASSES = ("tiger cat", "Egyptian cat", "tabby", "lynx", "<script>alert(1)</script>")
PREDICTIONS = tuple(
    Prediction(280 + place, name, probability)
    for place, (name, probability) in enumerate(zip(CLASSES, (0.6, 0.2, 0.1, 0.05, 0.01), strict=True))
)


def photo(name="cat.png", height=60, width=90, notes=()):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image(pixels, name, notes)


def explanation(**changes):
    """Grad-CAM of "tiger cat", strongest at the top left of the middle of a photo."""
    values = np.zeros((6, 6), np.float32)
    values[0, 1], values[4, 4] = 2.0, 0.5
    made = Explanation(
        values=values,
        image=photo(),
        view=Box(15.0, 0.0, 75.0, 60.0),
        target=Target(280, chosen="predicted"),
        target_label="tiger cat",
        predictions=PREDICTIONS,
        method="grad-cam",
        signed=False,
        classifier="bundled:tiny",
        fingerprint="0123456789abcdef" * 4,
        layer="blocks.3",
        parameters={"layers": ["blocks.3"], "signed": False},
        seed=7,
        cost=Cost(1, 1, 0.25),
    )
    return replace(made, **changes)

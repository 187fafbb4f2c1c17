"""The grid pointing game: in a mosaic of photos, does a map for one photo's class fall on that photo?

Where a class is in a mosaic is known without anybody drawing masks, and each class has the others for a control.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from seewhy.engines import Answers
from seewhy.errors import UsageError
from seewhy.images import Image, from_values, open_image
from seewhy.methods import Method, find_method
from seewhy.metrics.context import cell_labels
from seewhy.metrics.localisation import energy_in_mask
from seewhy.models import Classifier, Target


def mosaic(pictures: np.ndarray) -> np.ndarray:
    """n² pictures `(n², h, w, C)` as one `(h, w, C)`, row by row, each shrunk by the mean of what falls on a pixel.

    >>> mosaic(np.arange(4).repeat(16).reshape(4, 4, 4, 1))[..., 0]
    array([[0., 0., 1., 1.],
           [0., 0., 1., 1.],
           [2., 2., 3., 3.],
           [2., 2., 3., 3.]])
    """
    count, height, width, _ = pictures.shape
    side = round(count**0.5)
    rows, columns = ((np.arange(length) * side % length, np.arange(length) * side // length)
                     for length in (height, width))  # fmt: skip
    found = np.empty(pictures.shape[1:])
    for row, (top, down) in enumerate(zip(*rows, strict=True)):
        for column, (left, across) in enumerate(zip(*columns, strict=True)):
            picture = pictures[down * side + across]
            found[row, column] = picture[top : top + side, left : left + side].mean((0, 1))
    return found


def grid_pointing_game(
    classifier: Classifier,
    images: Sequence[Any],
    method: str | Method,
    *,
    seed: int = 0,
) -> np.ndarray:
    """The share of the evidence for each photo's class that lies on that photo in a mosaic of them.

    The classes are those that the network finds likeliest for each photo alone, and have to differ. By chance a map
    gets one n²th. Source: Böhle 2021, and Rao 2022; there the mosaic is as large as its photos together, here they are
    shrunk to fit into what the network sees.

    Args:
        classifier: whose decisions are explained.
        images: n² pictures, as `open_image` takes them: 4, 9, …
        method: what explains.
        seed: of all randomness.

    Returns:
        A share for each photo, `(n²,)`; NaN where the map shows no evidence.

    Raises:
        UsageError: their number is no square, or two photos are of one class to the network.
    """
    opened: list[Image] = [open_image(each) for each in images]
    side = round(len(opened) ** 0.5)
    if side < 2 or side**2 != len(opened):
        raise UsageError(f"a mosaic takes 4, 9, 16 or more pictures in a square, not {len(opened)}")
    classes = [classifier.predict(each, 1)[0].index for each in opened]
    if len({*classes}) < len(classes):
        raise UsageError("two of these pictures are of one class to the network; give pictures of different classes")
    preprocessing = classifier.preprocessing
    seen = preprocessing.pixels(opened).permute(0, 2, 3, 1).numpy()
    whole = (mosaic(seen) * 255).round().astype(np.uint8)
    picture = from_values(preprocessing.framed(whole), "mosaic", alpha=False)
    asked = find_method(method) if isinstance(method, str) else method
    found = asked(
        classifier,
        [picture],
        [[Target(each) for each in classes]],
        generator=torch.Generator().manual_seed(seed),
        answers=Answers(),
    )
    layers = len(found) // len(classes)
    cells = cell_labels(preprocessing.size, side)
    return np.array([_inside(found[place * layers].values, cells == place) for place in range(len(classes))])


def _inside(values: np.ndarray, area: np.ndarray) -> float:
    return energy_in_mask(values, area) if (values > 0).any() else float("nan")

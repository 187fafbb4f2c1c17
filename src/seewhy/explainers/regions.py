"""Provisional: being replaced."""

from __future__ import annotations

from typing import Any

import numpy as np


def segment(pixels: np.ndarray, how: Any = "quickshift", **options: Any) -> np.ndarray:
    from skimage.segmentation import quickshift, slic

    if not isinstance(how, str):
        return np.asarray(how)
    return (
        slic(pixels, n_segments=40, start_label=0).astype(np.int32)
        if how == "slic"
        else quickshift(pixels, kernel_size=4, max_dist=200, ratio=0.2, rng=0).astype(np.int32)
    )

"""XRAI: pixels' attributions gathered into overlapping regions of many sizes, the richest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from typing_extensions import override

from seewhy.engines import Fill
from seewhy.methods.gradients import TOLERANCE, PixelMethod, Query
from seewhy.methods.integrated_gradients import IntegratedGradients
from seewhy.methods.regions import seen_pixels
from seewhy.methods.task import Found, enlarge

SCALES = (50, 100, 150, 250, 500, 1200)  # of Felzenszwalb's segmentations
SIGMA = 0.8
SMALLEST, GROWN = 150 / 224**2, 5 / 224  # of the picture, of its shorter side: the paper's numbers on 224 × 224 pixels
REFERENCES = ("black", "white")


def overlapping_regions(pixels: np.ndarray) -> list[np.ndarray]:
    """Bool `(h, w)` regions of a picture `(h, w, 3)` in [0, 1], of six sizes, each grown a little.

    Source: Kapishnikov 2019, section 3.1.
    """
    from skimage.morphology import dilation, disk
    from skimage.segmentation import felzenszwalb

    sides = pixels.shape[:2]
    grown, smallest = disk(max(round(GROWN * min(sides)), 1)), max(round(SMALLEST * sides[0] * sides[1]), 1)
    found: list[np.ndarray] = []
    for scale in SCALES:
        labels = felzenszwalb(pixels, scale, SIGMA, smallest)
        found += [dilation(labels == each, grown) for each in range(labels.max() + 1)]
    return found


def by_density(attributions: np.ndarray, regions: Iterable[np.ndarray]) -> tuple[np.ndarray, int]:
    """Every pixel's mean attribution `(h, w)` in the region that first took it in, and how many regions did.

    Regions come in the order of the mean over what is new in them. Source: Kapishnikov 2019, algorithm 1.
    """
    waiting = [each.ravel() for each in regions]
    flat, taken = attributions.ravel().astype(np.float64), np.zeros(attributions.size, bool)
    values, used = np.zeros(attributions.size), 0
    while waiting:
        waiting = [each & ~taken for each in waiting]
        waiting = [each for each in waiting if each.any()]
        if not waiting:
            break
        densities = [flat[each].mean() for each in waiting]
        best = waiting.pop(int(np.argmax(densities)))
        values[best] = flat[best].mean()
        taken |= best
        used += 1
    values[~taken] = flat[~taken].mean() if not taken.all() else 0
    return values.reshape(attributions.shape), used


class XRAI(PixelMethod):
    """Integrated gradients from black and from white, gathered into regions by their mean.

    `background` is another reference or several, instead of those two.
    """

    name = "xrai"
    title = "XRAI"
    signed = True
    status = "approximate"
    paper = "Kapishnikov et al. 2019"
    arxiv = "1906.02825"
    question = "Which regions of the picture changed the score most, for their size?"
    reading = (
        "The warmest region holds the most of the score for its size, the coldest speaks most against it. Regions are "
        "cut by colour, so an edge in the map is an edge in the photo."
    )
    cost = "32 to 512 forwards and backwards, until the sums are right"

    background: str | Fill = "black and white"
    steps: int = 16
    most_steps: int = 256
    tolerance: float = TOLERANCE

    def __post_init__(self) -> None:
        self._integrals()

    @override
    def attribute(self, query: Query) -> list[Found]:
        regions = overlapping_regions(seen_pixels(query.pixels))
        return [self._gathered(query, each, regions) for each in zip(*self._integrated(query), strict=True)]

    def _integrated(self, query: Query) -> list[list[Found]]:
        """For each reference the answers about each target."""
        return [each.attribute(query) for each in self._integrals()]

    def _integrals(self) -> list[IntegratedGradients]:
        """Integrated gradients from each reference, with these settings."""
        names = REFERENCES if self.background == "black and white" else (self.background,)
        plain = {each: getattr(self, each) for each in ("steps", "most_steps", "tolerance")}
        return [IntegratedGradients(background=each, **plain) for each in names]

    def _gathered(self, query: Query, found: Sequence[Found], regions: Sequence[np.ndarray]) -> Found:
        maps = torch.stack([torch.as_tensor(each.values) for each in found]).float()
        size = (query.pixels.shape[1], query.pixels.shape[2])
        pixels = maps.mean(0) if maps.shape[1:] == size else enlarge(maps, size).mean(0)
        values, used = by_density(pixels.cpu().numpy(), regions)
        checks = {"regions": float(used), "steps": max(each.checks["steps"] for each in found)}
        notes = tuple(dict.fromkeys(note for each in found for note in each.notes))
        return Found(torch.from_numpy(values).float(), checks=checks, notes=notes)

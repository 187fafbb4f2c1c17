"""Cases as pictures: where two are alike, which parts change places, what is left when evidence is hidden.

All are cut to what the network saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seewhy.cases.twins import ACROSS
from seewhy.draw import Tile, crop, fit, kept_overlay, overlay, panel, peak, region_overlay

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from seewhy.cases.counterfactuals import Removal, Swap
    from seewhy.cases.parts import Part
    from seewhy.cases.twins import Cell, SimilarityMaps, Twins
    from seewhy.draw import View
    from seewhy.images import Image

LONGEST = 640


def seen_picture(image: Image, view: View, longest: int = LONGEST) -> np.ndarray:
    """What the network saw of the picture; RGB uint8."""
    return fit(crop(image.pixels, view)[0], longest)


def similarity_pictures(maps: SimilarityMaps, image: Image, other: Image, longest: int = LONGEST) -> list[np.ndarray]:
    """Both pictures with the areas that make them alike, on one scale; RGB uint8."""
    limit = peak(maps.own, maps.other, signed=maps.signed) or None
    return [
        overlay(pixels, values, within, signed=maps.signed, limit=limit, longest=longest)
        for values, (pixels, within) in (
            (maps.own, crop(image.pixels, maps.own_view)),
            (maps.other, crop(other.pixels, maps.other_view)),
        )
    ]


def part_pictures(part: Part, image: Image, view: View, longest: int = LONGEST) -> list[np.ndarray]:
    """The picture and each twin of a part, bright where the part is; RGB uint8."""
    shown = [(image, view, part.where), *((each.image, each.view, each.map.clip(min=0)) for each in part.twins)]
    found: list[np.ndarray] = []
    for each, seen, values in shown:
        pixels, within = crop(each.pixels, seen)
        found.append(overlay(pixels, values, within, longest=longest))
    return found


def swap_pictures(swap: Swap, image: Image, other: Image) -> list[np.ndarray]:
    """Both pictures with the cells that change places, numbered in their order; RGB uint8."""
    return [
        _cells(swap, image, [pair.own for pair in swap.pairs], swap.own_view),
        _cells(swap, other, [pair.other for pair in swap.pairs], swap.other_view),
    ]


def joined_pictures(maps: SimilarityMaps, image: Image, other: Image, longest: int = LONGEST) -> list[np.ndarray]:
    """Both pictures with the areas that are most alike, each pair with a number of its own; RGB uint8."""
    return [
        _areas(maps.own.shape, image, [pair.own for pair in maps.joined], maps.own_view, longest),
        _areas(maps.other.shape, other, [pair.other for pair in maps.joined], maps.other_view, longest),
    ]


def _areas(grid: tuple[int, ...], image: Image, firsts: list[Cell], view: View, longest: int) -> np.ndarray:
    """The picture in grey but for some areas, which are numbered."""
    labels = np.zeros(grid, np.int32)
    for number, (row, column) in enumerate(firsts, start=1):
        labels[row : row + ACROSS, column : column + ACROSS] = number
    pixels, within = crop(image.pixels, view)
    names = {number: str(number) for number in range(1, len(firsts) + 1)}
    return kept_overlay(pixels, labels, np.arange(len(firsts) + 1) > 0, within, names=names, longest=longest)


def removal_picture(removal: Removal, image: Image) -> np.ndarray:
    """The picture with what was hidden in grey; RGB uint8."""
    keep = np.ones(int(removal.labels.max()) + 1, bool)
    keep[list(removal.hidden)] = False
    pixels, view = crop(image.pixels, removal.view)
    return kept_overlay(pixels, removal.labels, keep, view, longest=LONGEST)


def twins_panel(twins: Twins) -> Picture:
    """The picture, and beside it its twins, each with the areas that make it one."""
    best = twins.predictions[0]
    tiles: list[Tile] = []
    for twin in twins.twins:
        case, shown = twin.case, similarity_pictures(twin.maps, twins.image, twin.image)[1]
        label = f", labelled {case.label}" if case.label else ""
        words = f"{case.similarity:.2f} alike: {case.path}, predicted {case.prediction.name}{label}"
        tiles.append(Tile(shown, words))
    return panel(
        *crop(twins.image.pixels, twins.twins[0].maps.own_view),
        tiles,
        title=f"Twins of {twins.image.name}: {best.name} ({best.told})",
        caption="In colour what makes a twin like the picture.",
    )


def _cells(swap: Swap, image: Image, cells: list[Cell], view: View) -> np.ndarray:
    labels = np.arange(swap.height * swap.width, dtype=np.int32).reshape(swap.height, swap.width)
    names = {row * swap.width + column: str(number) for number, (row, column) in enumerate(cells, start=1)}
    weights = np.zeros(labels.size)
    weights[list(names)] = 1
    pixels, within = crop(image.pixels, view)
    return region_overlay(pixels, labels, weights, within, names=names, longest=LONGEST)

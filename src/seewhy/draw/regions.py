"""Regions over their photo: tinted by weight and numbered by rank, or some kept in colour and the rest grey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt, find_objects, gaussian_filter, maximum_filter, minimum_filter

from seewhy.draw.canvas import INK, font
from seewhy.draw.overlay import (
    LONGEST,
    OURS,
    Colors,
    View,
    blank,
    blend,
    displayed,
    frame,
    pale,
    resample,
    rounded,
    scale,
)
from seewhy.images.image import Pixels

Labels: TypeAlias = NDArray[np.integer[Any]]
Numbers: TypeAlias = NDArray[np.floating[Any]]
FINE = 2  # label maps are spread twice as fine as the picture, so that borders are smooth
THIN, THICK = 1, 4  # fine pixels
WHITE, BLACK = np.float32(255), np.float32(27)
SMALLEST, LARGEST, HALO = 11, 20, 3
NO_REGION = -1  # as an index the last place, which `np.append` fills
SMOOTH, REACH = 1.0, 4  # cells


def region_overlay(
    pixels: Pixels,
    labels: Labels,
    weights: Numbers,
    view: View,
    *,
    names: Mapping[int, str] | None = None,
    signed: bool = True,
    colors: Colors = OURS,
    limit: float | None = None,
    longest: int = LONGEST,
) -> Pixels:
    """Regions `labels` `(h, w)` over the upright RGB photo, each tinted by its weight of `weights` `(d,)`.

    Colours, `view` and `limit` are those of `overlay`, so one legend serves both. The regions of `names` are
    outlined, and their names written into them where they are widest. Weights that are all zero give `blank`.
    """
    scaled = scale(weights[None], signed=signed, limit=limit)[0][0]
    if not scaled.any():
        return blank(pixels, view, longest=longest)
    names = names or {}
    shown, box = displayed(pixels, view, longest)
    regions = spread(labels, box, shown.shape[:2])
    picture = blend(shown, _shrunk(np.append(scaled, 0)[regions]), signed=signed, colors=colors)
    picture = _lined(picture, regions, THIN, WHITE, 0.6)
    picture = _lined(picture, np.where(np.isin(regions, [*names]), regions, NO_REGION), THICK, BLACK, 0.85)
    return frame(_named(picture, regions, names), shown, box)


def kept_overlay(
    pixels: Pixels, labels: Labels, keep: NDArray[np.bool_], view: View, *, longest: int = LONGEST
) -> Pixels:
    """The regions of `keep` `(d,)` as they are in the photo, sharply outlined, and the rest in light grey."""
    shown, box = displayed(pixels, view, longest)
    regions = spread(labels, box, shown.shape[:2])
    kept = np.append(keep, False)[regions]
    share = _shrunk(kept)[..., None]
    picture = rounded(share * shown + (1 - share) * pale(shown))
    picture = _lined(picture, np.where(kept, regions, NO_REGION), THIN, WHITE, 0.6)
    picture = _lined(picture, kept, THICK, BLACK, 0.85)
    return frame(picture, shown, box)


def spread(labels: Labels, box: View, shape: tuple[int, int]) -> Labels:
    """The region of each fine pixel of a canvas `shape`, `FINE` to a pixel; `NO_REGION` outside the box.

    Borders run smoothly, and no region is too small to show.
    """
    left, top, right, bottom = (FINE * side for side in box)
    canvas = np.full((FINE * shape[0], FINE * shape[1]), NO_REGION, np.int32)
    nearness = np.zeros(canvas.shape, np.float32)
    for region, found in enumerate(find_objects(labels + 1)):
        if not found:
            continue
        row_span, column_span = found
        rows, down, (first_y, last_y) = _axis(row_span, labels.shape[0], top, bottom, canvas.shape[0])
        columns, across, (first_x, last_x) = _axis(column_span, labels.shape[1], left, right, canvas.shape[1])
        there = (first_x, first_y, last_x, last_y)
        mine = _smoothed(labels[rows, columns] == region)
        here = resample(mine, there, (down.stop - down.start, across.stop - across.start))
        nearer = here > nearness[down, across]
        canvas[down, across][nearer] = region
        nearness[down, across][nearer] = here[nearer]
    return canvas


def _smoothed(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A mask with soft borders, 1 where it is widest; there one cell of it stands above all neighbours."""
    soft = gaussian_filter(mask.astype(np.float32), SMOOTH, mode="nearest")
    soft /= soft.max()
    soft.flat[np.where(mask, soft, 0).argmax()] = 2
    return soft


def _axis(span: slice, count: int, start: float, stop: float, size: int) -> tuple[slice, slice, tuple[float, float]]:
    """Along one side: the cells in and near a span, the fine pixels they cover, their ends among these."""
    cells = slice(max(span.start - REACH, 0), min(span.stop + REACH, count))
    first, last = (start + (stop - start) * at / count for at in (cells.start, cells.stop))
    begin, end = (min(max(round(at), 0), size) for at in (first, last))
    return cells, slice(begin, end), (first - begin, last - begin)


def _shrunk(fine: NDArray[Any]) -> NDArray[np.float32]:
    """Fine pixels averaged to pixels."""
    height, width = (size // FINE for size in fine.shape)
    return fine.reshape(height, FINE, width, FINE).mean((1, 3), dtype=np.float32)


def _lined(picture: Pixels, areas: NDArray[Any], width: int, color: np.float32, opacity: float) -> Pixels:
    """Lines `width` fine pixels wide where areas meet."""
    borders = maximum_filter(areas, width + 1) != minimum_filter(areas, width + 1)
    alpha = opacity * _shrunk(borders)[..., None]
    return rounded(picture + alpha * (color - picture))


def _named(picture: Pixels, regions: Labels, names: Mapping[int, str]) -> Pixels:
    """Each region's name where it is widest, as large as fits there."""
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    places = find_objects(regions + 1, max(names, default=0) + 1)
    for region, name in names.items():
        if not places[region]:  # it is smaller than a pixel
            continue
        rows, columns = places[region]
        y, x, room = _widest(regions[rows, columns] == region)
        face = font(round(min(max(room / FINE, SMALLEST), LARGEST)), bold=True)
        half = face.getlength(name) / 2 + HALO
        x = np.clip((columns.start + x) / FINE, half, canvas.width - half)
        pen.text(
            (x, (rows.start + y) / FINE), name, fill=INK, font=face, anchor="mm", stroke_width=HALO, stroke_fill="white"
        )
    return np.asarray(canvas)


def _widest(mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Middle (y, x) and radius of the largest circle in a mask."""
    depth = np.asarray(distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]
    ridge = np.argwhere(depth > depth.max() - FINE)
    y, x = ridge[len(ridge) // 2]
    return y + 0.5, x + 0.5, float(depth[y, x])

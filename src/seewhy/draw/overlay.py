"""Maps and regions over a photo: colour where there is evidence, the photo where there is none, grey off the view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import ceil, isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from seewhy.core.names import nearest
from seewhy.draw.canvas import INK, font, label
from seewhy.errors import BadImage, ExplainError, UnknownName, UsageError
from seewhy.images.image import Pixels

Map: TypeAlias = NDArray[np.floating[Any]]
View: TypeAlias = tuple[float, float, float, float]
Labels: TypeAlias = NDArray[np.integer[Any]]

AGAINST_FOR = ("#1464c2", "#4593dd", "#b0d3f1", "#ffffff", "#f9c9a2", "#db762b", "#b34000")
OPACITY = 0.8
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
LONGEST = 900
SQUARES = 4  # times: a photo enlarged so far shows its pixels as squares
NOTHING = "no evidence found"
DUSK, DAWN = 0.25, 0.8  # of a spotlight's range: all pale below, fully lit above
BOX, SHARE = 2, 80  # a box's line in pixels at least, and in parts of the picture's shorter side
FINE = 2  # label maps are spread twice as fine as the picture, so that borders are smooth
THIN, THICK = 1, 4  # fine pixels
WHITE, BLACK = np.float32(255), np.float32(27)
SMALLEST, LARGEST, HALO = 11, 20, 3
NO_REGION = -1  # as an index the last place, which `np.append` fills
SMOOTH, REACH = 1.0, 4  # cells


@dataclass(frozen=True)
class Colors:
    """How evidence is coloured.

    `opacity`, above 0 and at most 1, is that of the strongest evidence; `cmap` is any name that Matplotlib knows, and
    None our own. Raises `UsageError` and `UnknownName`.
    """

    opacity: float = OPACITY
    cmap: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.opacity <= 1:
            raise UsageError(f"opacity is {self.opacity}, but must be above 0 and at most 1")
        if self.cmap is not None:
            palette(self.cmap, signed=False)


OURS = Colors()


def overlay(
    pixels: Pixels,
    values: Map,
    view: View,
    *,
    signed: bool = False,
    colors: Colors = OURS,
    limit: float | None = None,
    longest: int = LONGEST,
) -> Pixels:
    """Map `values` `(h, w)` in colour over the upright RGB photo `(H, W, 3)`, at display size (see `fit`).

    `view` is (left, top, right, bottom) in photo pixels: what the model saw, over which the map is spread.
    No evidence is clear, and a map without any gives `blank`.
    """
    scaled, _ = scale(values, signed=signed, limit=limit)
    if not scaled.any():
        return blank(pixels, view, longest=longest)
    shown, box = displayed(pixels, view, longest)
    wide = resample(scaled, box, shown.shape[:2])
    return frame(blend(shown, wide, signed=signed, colors=colors), shown, box)


def photo(pixels: Pixels, view: View, *, longest: int = LONGEST) -> Pixels:
    """The photo itself at display size, with the crop marked."""
    shown, box = displayed(pixels, view, longest)
    return frame(shown, shown, box)


def blank(pixels: Pixels, view: View, words: str = NOTHING, *, longest: int = LONGEST) -> Pixels:
    """The photo in neutral grey under `words`: the picture of a map that found nothing."""
    shown, box = displayed(pixels, view, longest)
    return label(frame(rounded(pale(shown)), shown, box), words)


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
    wide = resample(unit, (0, 0, width, height), (height, width))[..., None]
    rise = ((wide - DUSK) / (DAWN - DUSK)).clip(0, 1)
    light = rise * rise * (3 - 2 * rise)
    unlit = pale(pixels)
    return rounded(unlit + light * (pixels - unlit))


def boxed(pixels: Pixels, box: View, *, longest: int = LONGEST) -> Pixels:
    """The RGB photo at display size with `box`, (left, top, right, bottom) in its pixels, outlined."""
    shown = fit(pixels, longest)
    across, down = shown.shape[1] / pixels.shape[1], shown.shape[0] / pixels.shape[0]
    left, top = max(round(box[0] * across), 0), max(round(box[1] * down), 0)
    right, bottom = min(round(box[2] * across), shown.shape[1]) - 1, min(round(box[3] * down), shown.shape[0]) - 1
    canvas = Image.fromarray(shown)
    pen = ImageDraw.Draw(canvas)
    width = max(BOX, min(shown.shape[:2]) // SHARE)
    # White between black, so that it shows on any photo; all of it inside the box.
    for inset, colour in enumerate(["black", *["white"] * width, "black"]):
        if right - inset > left + inset and bottom - inset > top + inset:
            pen.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=colour)
    return np.asarray(canvas)


def region_overlay(
    pixels: Pixels,
    labels: Labels,
    weights: Map,
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
    pixels: Pixels,
    labels: Labels,
    keep: NDArray[np.bool_],
    view: View,
    *,
    names: Mapping[int, str] | None = None,
    longest: int = LONGEST,
) -> Pixels:
    """The regions of `keep` `(d,)` as they are in the photo, sharply outlined, and all the rest, white too, in grey.

    Names are written into those of `names`.
    """
    shown, box = displayed(pixels, view, longest)
    regions = spread(labels, box, shown.shape[:2])
    kept = np.append(keep, False)[regions]
    share = _shrunk(kept)[..., None]
    picture = rounded(share * shown + (1 - share) * dim(shown))
    picture = _lined(picture, np.where(kept, regions, NO_REGION), THIN, WHITE, 0.6)
    picture = _lined(picture, kept, THICK, BLACK, 0.85)
    return frame(_named(picture, regions, names or {}), shown, box)


def spread(labels: Labels, box: View, shape: tuple[int, int]) -> Labels:
    """The region of each fine pixel of a canvas `shape`, `FINE` to a pixel; `NO_REGION` outside the box.

    Borders run smoothly, and no region is too small to show.
    """
    from scipy.ndimage import find_objects

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


def peak(*maps: Map, signed: bool, percentile: float = 100.0) -> float:
    """The common `limit` of several maps, 0.0 if none shows evidence.

    `percentile` (of the values other than zero) below 100 leaves out the few strongest, beside which the rest of
    a noisy gradient map would vanish; of several maps the largest limit counts. Raises `ExplainError` for a map
    that is not finite or 2-D.
    """
    found = (evidence[evidence > 0] for evidence in (_evidence(values, signed) for values in maps))
    return max(float(np.percentile(values, percentile)) if values.size else 0.0 for values in found)


def scale(values: Map, *, signed: bool, limit: float | None = None) -> tuple[NDArray[np.float32], float]:
    """Map `(h, w)` divided by its peak, and that peak: [0, 1] for one-signed maps, [-1, 1] for signed ones.

    Zero stays zero, so a map without evidence gives zeros and the limit 0.0. One-signed maps lose their
    negative part. Values beyond a given `limit` are cut at it. Raises `ExplainError` for a map that is not
    finite or 2-D, and `UsageError` for a limit that is not positive.
    """
    strongest = float(_evidence(values, signed).max())
    limit = strongest if limit is None else float(limit)
    if not isfinite(limit) or limit < 0 or (limit == 0 < strongest):
        raise UsageError(f"limit is {limit}, but must be a positive number; leave it out to use the map's peak")
    if strongest == 0:
        return np.zeros(values.shape, np.float32), limit
    scaled = np.asarray(values, np.float64).clip(-limit if signed else 0, limit) / limit
    return scaled.astype(np.float32), limit


def colorize(scaled: Map, *, signed: bool, cmap: str | None = None) -> Pixels:
    """RGB `(h, w, 3)` of a scaled map: inferno, or blue (against) over white to orange (for) if signed.

    `cmap` takes any name that Matplotlib knows instead. Raises `UnknownName`.
    """
    position = (np.asarray(scaled, np.float64) + 1) / 2 if signed else np.asarray(scaled, np.float64)
    return palette(cmap, signed=signed)(position)


def blend(pixels: Pixels, scaled: Map, *, signed: bool, colors: Colors = OURS) -> Pixels:
    """A scaled map over pixels of the same size: the opacity grows with the value, from clear at zero."""
    colour = colorize(scaled, signed=signed, cmap=colors.cmap).astype(np.float32)
    # The roots lift weak evidence to where an eye can see it; legends are blended alike and stay true.
    strength = np.abs(scaled)[..., None]
    if signed:
        # Inked, not painted over: white, the middle of the palette, leaves no ring where the sign changes.
        under, alpha = pale(pixels), colors.opacity * strength**0.4
        return rounded(under + alpha * under * (colour / 255 - 1))
    # A darker photo with a fifth of its colour left, so that colour is read as evidence.
    under, alpha = (grey(pixels) * 4 + pixels) * 0.17, colors.opacity * strength**0.7
    return rounded(under + alpha * (colour - under))


def grey(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Luma (Rec. 601) of RGB `(..., 3)`, repeated over the three channels."""
    return np.repeat((np.asarray(pixels, np.float32) @ LUMA)[..., None], 3, axis=-1)


def pale(pixels: Pixels) -> NDArray[np.float32]:
    """A light-grey photo, on which dark blue and dark orange both stand out."""
    return grey(pixels) * 0.36 + 160


def dim(pixels: Pixels) -> NDArray[np.float32]:
    """A grey photo in which nothing is white, so that white parts that are not dimmed stand out."""
    return grey(pixels) * 0.34 + 110


def rounded(values: NDArray[np.floating[Any]]) -> Pixels:
    """To the nearest of 256 levels."""
    return values.clip(0, 255).round().astype(np.uint8)


@cache
def palette(name: str | None, *, signed: bool) -> Callable[[NDArray[np.float64]], Pixels]:
    """What makes RGB `(..., 3)` of positions in [0, 1]: our own colours, or the map of this name of Matplotlib's.

    Our own are tables, since to import Matplotlib takes longer than to explain a photo.
    """
    if name is None:
        table = _against_for() if signed else _evidence_colors()
        return lambda position: table[(position * len(table)).astype(np.intp).clip(0, len(table) - 1)]
    import matplotlib as mpl

    if name not in mpl.colormaps:
        near = ", ".join(nearest(name, mpl.colormaps, cutoff=0.6)) or "inferno, viridis, jet, RdBu_r"
        raise UnknownName(f"no colour map is called {name!r}; Matplotlib has {near}")
    found = mpl.colormaps[name]
    return lambda position: found(position, bytes=True)[..., :3]


def _against_for() -> Pixels:
    """The colours of `AGAINST_FOR` with straight lines between them, `(511, 3)`."""
    stops = np.array([ImageColor.getrgb(each) for each in AGAINST_FOR], np.float64)
    places = np.linspace(0, len(stops) - 1, 511)
    return np.stack([np.interp(places, range(len(stops)), column) for column in stops.T], axis=-1).astype(np.uint8)


def _evidence_colors() -> Pixels:
    """The colours between 0.1 and 0.92 of Matplotlib's inferno, `(256, 3)`.

    Its black first tenth and near-white end vanish on dark and bright photos.
    """
    with files("seewhy.draw").joinpath("evidence.npy").open("rb") as file:
        return np.load(file)


def crop(pixels: Pixels, view: View) -> tuple[Pixels, View]:
    """What the model saw of an RGB photo, to the nearest pixel and one at least; and the view in pixels of that.

    >>> crop(np.zeros((40, 60, 3), np.uint8), (10.25, 0, 50.25, 40))[1]
    (0.25, 0, 40.25, 40)
    """
    left, top = max(round(view[0]), 0), max(round(view[1]), 0)
    part = pixels[top : max(round(view[3]), top + 1), left : max(round(view[2]), left + 1)]
    return np.ascontiguousarray(part), (view[0] - left, view[1] - top, view[2] - left, view[3] - top)


def cut(pixels: Pixels, view: View, longest: int) -> Pixels:
    """What the model saw of an RGB photo, its long side brought to `longest` pixels."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = view
    box = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    factor = longest / max(box[2] - box[0], box[3] - box[1])
    size = (max(1, round((box[2] - box[0]) * factor)), max(1, round((box[3] - box[1]) * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box))


def fit(pixels: Pixels, longest: int = LONGEST) -> Pixels:
    """The photo at display size: its long side is brought between `longest / 2` and `longest`.

    The pixels of one that is enlarged far are squares, not blurred.
    """
    height, width = pixels.shape[:2]
    side = min(max(height, width, longest // 2), longest)
    if side == max(height, width):
        return pixels
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    enlarged = Image.Resampling.BICUBIC if factor < SQUARES else Image.Resampling.NEAREST
    kernel = Image.Resampling.LANCZOS if factor < 1 else enlarged
    return np.asarray(Image.fromarray(pixels).resize(size, kernel))


def resample(values: Map, box: View, shape: tuple[int, int]) -> NDArray[np.float32]:
    """`values` `(h, w)` spread bilinearly over `box` of a canvas `shape`, to a fraction of a pixel.

    Each cell owns an equal part of the box and has its value at the middle of it. Many cells to a pixel are
    averaged, never skipped. Beyond the box the outermost cells go on.
    """
    left, top, right, bottom = box
    down = _weights(values.shape[0], shape[0], top, bottom)
    across = _weights(values.shape[1], shape[1], left, right)
    return (across @ (down @ values).T).T.astype(np.float32)


def displayed(pixels: Pixels, view: View, longest: int) -> tuple[Pixels, View]:
    """Photo and view at display size."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        raise BadImage("bad_array", f"the photo is {pixels.dtype} {pixels.shape}, but must be uint8 (height, width, 3)")
    height, width = pixels.shape[:2]
    left, top, right, bottom = view
    if not all(map(isfinite, view)) or min(right, width) <= max(left, 0) or min(bottom, height) <= max(top, 0):
        raise UsageError(
            f"view {view} shows nothing of a photo of {width} x {height}; it is (left, top, right, bottom)"
        )
    shown = fit(pixels, longest)
    across, down = shown.shape[1] / width, shown.shape[0] / height
    return shown, (left * across, top * down, right * across, bottom * down)


def frame(inner: Pixels, shown: Pixels, box: View) -> Pixels:
    """`inner` in the box, the dimmed photo round it, a thin line between; all `inner` if nothing was cut off."""
    height, width = shown.shape[:2]
    left, right = _pixel_range(box[0], box[2], width)
    top, bottom = _pixel_range(box[1], box[3], height)
    if (left, top, right, bottom) == (0, 0, width, height):
        return inner
    picture = rounded(40 + 0.45 * grey(shown))
    picture[top:bottom, left:right] = inner[top:bottom, left:right]
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    # Dark round light: one of the two shows on any photo. Both lie outside the view, whose pixels all stay.
    for grow, colour in ((2, "black"), (1, "white")):
        pen.rectangle((left - grow, top - grow, right + grow - 1, bottom + grow - 1), outline=colour)
    return np.asarray(canvas)


def _evidence(values: Map, signed: bool) -> NDArray[np.float64]:
    checked = np.asarray(values, np.float64)
    if checked.ndim != 2 or checked.size == 0:
        raise ExplainError(f"a map to draw has shape {checked.shape}, but must be (h, w); pass one map at a time")
    if not np.isfinite(checked).all():
        bad = int(checked.size - np.isfinite(checked).sum())
        raise ExplainError(f"the map has {bad} values that are NaN or infinite; explain again in float32")
    return np.abs(checked) if signed else checked.clip(min=0)


def _pixel_range(start: float, stop: float, size: int) -> tuple[int, int]:
    """First and one-past-last pixel whose middle lies in [start, stop), at least one of them."""
    first = min(max(ceil(start - 0.5), 0), size - 1)
    return first, min(max(ceil(stop - 0.5), first + 1), size)


def _weights(cells: int, pixels: int, start: float, stop: float) -> NDArray[np.float32]:
    cells_per_pixel = cells / (stop - start)
    at = ((np.arange(pixels) + 0.5 - start) * cells_per_pixel - 0.5).clip(0, cells - 1)
    tent = (1 - np.abs(at[:, None] - np.arange(cells)) / max(1.0, cells_per_pixel)).clip(min=0)
    return (tent / tent.sum(axis=1, keepdims=True)).astype(np.float32)


def _smoothed(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A mask with soft borders, 1 where it is widest; there one cell of it stands above all neighbours."""
    from scipy.ndimage import gaussian_filter

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
    from scipy.ndimage import maximum_filter, minimum_filter

    borders = maximum_filter(areas, width + 1) != minimum_filter(areas, width + 1)
    alpha = opacity * _shrunk(borders)[..., None]
    return rounded(picture + alpha * (color - picture))


def _named(picture: Pixels, regions: Labels, names: Mapping[int, str]) -> Pixels:
    """Each region's name where it is widest, as large as fits there."""
    from scipy.ndimage import find_objects

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
    from scipy.ndimage import distance_transform_edt

    depth = np.asarray(distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]
    ridge = np.argwhere(depth > depth.max() - FINE)
    y, x = ridge[len(ridge) // 2]
    return y + 0.5, x + 0.5, float(depth[y, x])

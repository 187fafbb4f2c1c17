"""Values to colours: a linear scale whose zero stays zero, and palettes that colour-blind people can read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap, LinearSegmentedColormap
from numpy.typing import NDArray

from seewhy.core.names import nearest
from seewhy.errors import ExplainError, UnknownName, UsageError
from seewhy.images.image import Pixels

Map: TypeAlias = NDArray[np.floating[Any]]

AGAINST_FOR = ("#1464c2", "#4593dd", "#b0d3f1", "#ffffff", "#f9c9a2", "#db762b", "#b34000")
OPACITY = 0.8
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


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
    return palette(cmap, signed=signed)(position, bytes=True)[..., :3]


def blend(pixels: Pixels, scaled: Map, *, signed: bool, colors: Colors = OURS) -> Pixels:
    """A scaled map over pixels of the same size: the opacity grows with the value, from clear at zero."""
    colour = colorize(scaled, signed=signed, cmap=colors.cmap).astype(np.float32)
    # The roots lift weak evidence to where an eye can see it; legends are blended alike and stay true.
    strength = np.abs(scaled)[..., None]
    if signed:
        # Inked, not painted over: white, the middle of the palette, leaves no ring where the sign changes.
        under, alpha = pale(pixels), colors.opacity * strength**0.4
        return rounded(under + alpha * under * (colour / 255 - 1))
    under, alpha = _muted(pixels), colors.opacity * strength**0.7
    return rounded(under + alpha * (colour - under))


def grey(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Luma (Rec. 601) of RGB `(..., 3)`, repeated over the three channels."""
    return np.repeat((np.asarray(pixels, np.float32) @ LUMA)[..., None], 3, axis=-1)


def _muted(pixels: Pixels) -> NDArray[np.float32]:
    """A darker photo with a fifth of its colour left, so that colour is read as evidence."""
    return (grey(pixels) * 4 + pixels) * 0.17


def pale(pixels: Pixels) -> NDArray[np.float32]:
    """A light-grey photo, on which dark blue and dark orange both stand out."""
    return grey(pixels) * 0.36 + 160


def rounded(values: NDArray[np.floating[Any]]) -> Pixels:
    """To the nearest of 256 levels."""
    return values.clip(0, 255).round().astype(np.uint8)


@cache
def palette(name: str | None, *, signed: bool) -> Colormap:
    """The colour map of this name, or our own; never registered with Matplotlib: its state is the user's."""
    if name is None and signed:
        return LinearSegmentedColormap.from_list("against_for", AGAINST_FOR, N=511)
    if name is None:
        # The black first tenth and the near-white end of inferno vanish on dark and bright photos.
        return LinearSegmentedColormap.from_list("evidence", mpl.colormaps["inferno"](np.linspace(0.1, 0.92, 256)))
    if name not in mpl.colormaps:
        near = ", ".join(nearest(name, mpl.colormaps, cutoff=0.6)) or "inferno, viridis, jet, RdBu_r"
        raise UnknownName(f"no colour map is called {name!r}; Matplotlib has {near}")
    return mpl.colormaps[name]


def _evidence(values: Map, signed: bool) -> NDArray[np.float64]:
    checked = np.asarray(values, np.float64)
    if checked.ndim != 2 or checked.size == 0:
        raise ExplainError(f"a map to draw has shape {checked.shape}, but must be (h, w); pass one map at a time")
    if not np.isfinite(checked).all():
        bad = int(checked.size - np.isfinite(checked).sum())
        raise ExplainError(f"the map has {bad} values that are NaN or infinite; explain again in float32")
    return np.abs(checked) if signed else checked.clip(min=0)

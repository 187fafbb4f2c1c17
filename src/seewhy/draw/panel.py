"""One picture per explanation: the photo, what was found in it, and how to read the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from PIL import Image, ImageOps

from seewhy.draw.colors import OURS, Colors, Map, Pixels, peak, scale
from seewhy.draw.legend import Legend
from seewhy.draw.overlay import NOTHING, View, blank, fit, overlay, photo
from seewhy.draw.text import FAINT, PAPER, beside, stack, text_block
from seewhy.draw.weights import Weight, weight_bars
from seewhy.errors import UsageError

ROW = 4
LARGE, SMALL = 640, 360
NARROWEST = 320
GAP, MARGIN = 28, 32


@dataclass(frozen=True)
class Tile:
    """One picture of a panel, its caption, its legend where it has colours to explain, and weights to draw below."""

    picture: Pixels
    caption: str
    legend: Legend | None = None
    heading: str = ""
    weights: tuple[Weight, ...] = ()


def tile(
    pixels: Pixels,
    values: Map,
    view: View,
    caption: str,
    *,
    signed: bool = False,
    colors: Colors = OURS,
    limit: float | None = None,
    words: str = NOTHING,
) -> Tile:
    """The overlay of a map together with the legend that belongs to it; `words` stand in for an empty map."""
    scaled, limit = scale(values, signed=signed, limit=limit)
    if not scaled.any():
        return Tile(blank(pixels, view, words, longest=LARGE), caption)
    picture = overlay(pixels, values, view, signed=signed, colors=colors, limit=limit, longest=LARGE)
    return Tile(picture, caption, Legend(signed, limit, peak(values, signed=signed), colors))


def panel(pixels: Pixels, view: View, tiles: Sequence[Tile], *, title: str, caption: str = "") -> Image.Image:
    """The photo, its crop marked, and the tiles, in even rows of at most four; title above, caption below.

    Tiles can be compared only where their legends show the same numbers (`peak` finds a common limit). Raises
    `UsageError` without a tile.
    """
    if not tiles:
        raise UsageError("a panel needs at least one picture beside the photo; pass a tile")
    original = photo(pixels, view, longest=LARGE)
    whole = np.array_equal(original, fit(pixels, LARGE))
    words = "Photo" if whole else "Photo; the frame marks what the model saw"
    headed = any(each.heading for each in tiles)
    tiles = [Tile(original, "", heading=words) if headed else Tile(original, words), *tiles]
    columns = ceil(len(tiles) / ceil(len(tiles) / ROW))
    longest = LARGE if columns <= 2 else SMALL
    width = max(NARROWEST, *(fit(each.picture, longest).shape[1] for each in tiles))
    rows = [_row(tiles[start : start + columns], width, longest) for start in range(0, len(tiles), columns)]
    across = rows[0].width
    blocks = [text_block(title, across, 22, bold=True), *rows]
    blocks += [text_block(caption, across, 15, color=FAINT)] if caption else []
    return ImageOps.expand(stack(blocks, GAP), MARGIN, PAPER)


def _row(tiles: Sequence[Tile], width: int, longest: int) -> Image.Image:
    """What tiles have of each kind in a line of its own, so that each stands level with its neighbours."""
    nothing = Image.new("RGB", (width, 1), PAPER)
    headings = [text_block(each.heading, width, 17, bold=True) if each.heading else nothing for each in tiles]
    rest = [
        [stack([Image.fromarray(fit(each.picture, longest)), nothing], 0) for each in tiles],
        [text_block(each.caption, width, 15) for each in tiles],
        [each.legend.draw(width) if each.legend else nothing for each in tiles],
        [weight_bars(each.weights, width=width) if each.weights else nothing for each in tiles],
    ]
    lines = [beside(headings, GAP, bottom=True), *(beside(blocks, GAP) for blocks in rest)]
    return stack([line for line in lines if line.height > nothing.height], 10)

"""Panels: the photo beside what was found in it, with legends that say what the colours mean; and grids of many."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from seewhy.core.progress import in_notebook
from seewhy.draw.canvas import FAINT, INK, PAPER, beside, data_uri, escaped, font, photo_uri, stack, text_block
from seewhy.draw.charts import Weight, weight_bars
from seewhy.draw.overlay import NOTHING, OURS, Colors, Map, View, blank, blend, fit, overlay, peak, photo, scale
from seewhy.draw.units import Unit, told_amount
from seewhy.errors import UsageError
from seewhy.images.image import Pixels

ROW = 4
LARGE, SMALL = 640, 360
NARROWEST = 320
GAP, MARGIN = 28, 32
BAR = 12
MIDDLE_GREY = 128
CELL = 280  # pixels of a cell of a grid
CURE = ".save(folder) writes it, and .picture() gives it as a Pillow picture"
TABLE_STYLE = "border-collapse:collapse;background:#fff;color:#1b1f24"
CELL_STYLE = "padding:6px;text-align:left;vertical-align:top;max-width:300px;overflow-wrap:anywhere"


@dataclass(frozen=True)
class Legend:
    """How one map was coloured: `limit` is the value at the end of the bar, `peak` the largest |value|, in a `unit`.

    Not every map is `evidence` for or against something.
    """

    signed: bool
    limit: float
    peak: float
    colors: Colors = OURS
    unit: Unit = ""
    evidence: bool = True

    def draw(self, width: int) -> Image.Image:
        """The bar as the overlay shows it over a grey photo, with words and numbers under its ends."""
        block = Image.new("RGB", (width, BAR + 38), PAPER)
        block.paste(self._bar(width), (0, 0))
        pen = ImageDraw.Draw(block)
        _line(pen, self.words, BAR + 4, width, 13, INK)
        _line(pen, self.numbers, BAR + 22, width, 11, FAINT)
        return block

    @cached_property
    def uri(self) -> str:
        """The bar alone, as a `data:` address."""
        return data_uri(self._bar(256))

    @property
    def words(self) -> tuple[str, str, str]:
        """What the ends and the middle mean."""
        if self.evidence:
            return ("against", "0", "for") if self.signed else ("no evidence", "", "strongest evidence")
        return ("negative", "0", "positive") if self.signed else ("least", "", "most")

    @property
    def numbers(self) -> tuple[str, str, str]:
        """The values at the ends, marked where the colours were cut, with their unit.

        Values without a unit are told in per cent of the end of the colours; what the strongest of them is stands in
        the middle, where it is another.
        """
        cut = "≥ " * (self.peak > self.limit)
        if not self.unit:
            strongest = "" if self.peak == self.limit else f"strongest here {self.peak / self.limit:.0%}"
            return f"{cut}100%" if self.signed else "0%", strongest, f"{cut}100%"
        low, high = (told_amount(each, self.unit) for each in (-self.limit, self.limit))
        return cut + low if self.signed else "0", "where hidden" if self.unit == "log-odds" else "", cut + high

    def _bar(self, width: int) -> Image.Image:
        ramp = np.linspace(-1.0 if self.signed else 0.0, 1.0, width)[None].repeat(BAR, axis=0)
        under = np.full((BAR, width, 3), MIDDLE_GREY, np.uint8)
        return Image.fromarray(blend(under, ramp, signed=self.signed, colors=self.colors))


@dataclass(frozen=True)
class Tile:
    """One picture of a panel, its caption, its legend where it has colours to explain, and weights to draw below."""

    picture: Pixels
    caption: str
    legend: Legend | None = None
    heading: str = ""
    weights: tuple[Weight, ...] = ()


@dataclass(frozen=True)
class GridRow:
    """The photo, what it is called and what was asked about it, and a picture with its caption in each column.

    A cell is None where there is no result.
    """

    photo: Pixels
    name: str
    about: str
    cells: tuple[tuple[Pixels, str] | None, ...]


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
    evidence: bool = True,
) -> Tile:
    """The overlay of a map together with the legend that belongs to it; `words` stand in for an empty map."""
    scaled, limit = scale(values, signed=signed, limit=limit)
    if not scaled.any():
        return Tile(blank(pixels, view, words, longest=LARGE), caption)
    picture = overlay(pixels, values, view, signed=signed, colors=colors, limit=limit, longest=LARGE)
    return Tile(picture, caption, Legend(signed, limit, peak(values, signed=signed), colors, evidence=evidence))


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


def grid_picture(columns: Sequence[str], rows: Sequence[GridRow]) -> Image.Image:
    """Headings above, a line of pictures for each row; raises `UsageError` where there is no row."""
    if not rows:
        raise UsageError("there is nothing to draw: a grid needs at least one explanation")
    lines = [beside([text_block(each, CELL, 17, bold=True) for each in ("Photo", *columns)], GAP, bottom=True)]
    empty = Tile(np.full((1, 1, 3), 255, np.uint8), "")
    for row in rows:
        cells = [Tile(*cell) if cell else empty for cell in row.cells]
        lines.append(_row([Tile(row.photo, row.about, heading=row.name), *cells], CELL, CELL))
    return ImageOps.expand(stack(lines, GAP), MARGIN, PAPER)


def grid_html(columns: Sequence[str], rows: Sequence[GridRow], note: str = "") -> str:
    """The same as an HTML table that stands alone: pictures inside, nothing fetched, every name escaped."""
    heads = "".join(f'<th style="{CELL_STYLE}">{escaped(each)}</th>' for each in ("Photo", *columns))
    lines = "".join(f"<tr>{_html_cells(row)}</tr>" for row in rows)
    below = f"<p>{escaped(note)}</p>" if note else ""
    return f'<table style="{TABLE_STYLE}"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{below}'


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


def _line(pen: ImageDraw.ImageDraw, words: tuple[str, str, str], top: int, width: int, size: int, ink: str) -> None:
    for at, anchor, word in zip((0, width / 2, width), ("la", "ma", "ra"), words, strict=True):
        pen.text((at, top), word, fill=ink, font=font(size), anchor=anchor)


def _html_cells(row: GridRow) -> str:
    alt = f"{row.name}: {row.about}"
    cells = [f"{_html_picture(row.photo, row.name)}<br><b>{escaped(row.name)}</b><br>{escaped(row.about)}"]
    cells += [f"{_html_picture(cell[0], alt)}<br>{escaped(cell[1])}" if cell else "" for cell in row.cells]
    return "".join(f'<td style="{CELL_STYLE}">{inside}</td>' for inside in cells)


def _html_picture(pixels: Pixels, alt: str) -> str:
    shown = fit(pixels, CELL)
    size = f'width="{shown.shape[1]}" height="{shown.shape[0]}"'
    return f'<img alt="{escaped(alt)}" {size} src="{photo_uri(shown)}">'


def display(picture: Image.Image, title: str, notebook: Any = None) -> None:
    """Show a picture in the notebook that runs us, else in a window.

    Args:
        picture: What the window shows.
        title: The window's.
        notebook: What a notebook shows instead, anything with `_repr_html_`.

    Raises:
        UsageError: There is neither a notebook nor a display, as over SSH and in containers.
    """
    if in_notebook():
        from IPython.display import display as show

        show(picture if notebook is None else notebook)
        return
    windows = sys.platform in {"win32", "darwin"} or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not windows:
        raise UsageError(f"there is no display to show {title} on; {CURE}")
    from PIL import ImageShow  # which looks for IPython

    if not ImageShow.show(picture, title=title):
        raise UsageError(f"no program that shows pictures was found for {title}; {CURE}")

"""Many results at a glance: a row for each picture and class, a column for each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image, ImageOps

from seewhy.draw.colors import Pixels
from seewhy.draw.encode import photo_uri
from seewhy.draw.text import FAINT, PAPER, beside, stack, text_block
from seewhy.errors import UsageError

SIDE = 280  # pixels of a cell
GAP, MARGIN = 16, 24
TABLE = "border-collapse:collapse;background:#fff;color:#1b1f24"
CELL = "padding:6px;text-align:left;vertical-align:top;max-width:300px;overflow-wrap:anywhere"


@dataclass(frozen=True)
class GridRow:
    """The photo, what it is called and what was asked about it, and a picture with its caption in each column.

    A cell is None where there is no result.
    """

    photo: Pixels
    name: str
    about: str
    cells: tuple[tuple[Pixels, str] | None, ...]


def grid_picture(columns: Sequence[str], rows: Sequence[GridRow]) -> Image.Image:
    """Headings above, a line of pictures for each row; raises `UsageError` where there is no row."""
    if not rows:
        raise UsageError("there is nothing to draw: a grid needs at least one explanation")
    heads = [text_block(each, SIDE, 16, bold=True) for each in ("Photo", *columns)]
    return ImageOps.expand(stack([beside(heads, GAP, bottom=True), *map(_line, rows)], GAP), MARGIN, PAPER)


def grid_html(columns: Sequence[str], rows: Sequence[GridRow], note: str = "") -> str:
    """The same as an HTML table that stands alone: pictures inside, nothing fetched, every name escaped."""
    heads = "".join(f'<th style="{CELL}">{escape(each)}</th>' for each in ("Photo", *columns))
    lines = "".join(f"<tr>{_html_line(row)}</tr>" for row in rows)
    below = f"<p>{escape(note)}</p>" if note else ""
    return f'<table style="{TABLE}"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>{below}'


def _line(row: GridRow) -> Image.Image:
    about = [text_block(row.name, SIDE, 14, bold=True), text_block(row.about, SIDE, 14)]
    cells = [_tile(*cell) if cell else Image.new("RGB", (SIDE, 1), PAPER) for cell in row.cells]
    return beside([stack([_shrunk(row.photo), *about], 4), *cells], GAP)


def _tile(pixels: Pixels, caption: str) -> Image.Image:
    words = [text_block(caption, SIDE, 13, color=FAINT)] if caption else []
    return stack([_padded(_shrunk(pixels)), *words], 4)


def _padded(picture: Image.Image) -> Image.Image:
    """The picture on paper as wide as its column."""
    paper = Image.new("RGB", (SIDE, picture.height), PAPER)
    paper.paste(picture, (0, 0))
    return paper


def _html_line(row: GridRow) -> str:
    about = f"<b>{escape(row.name)}</b><br>{escape(row.about)}"
    cells = [f'<td style="{CELL}">{_html_picture(row.photo, row.name)}<br>{about}</td>']
    for cell in row.cells:
        inside = f"{_html_picture(cell[0], f'{row.name}: {row.about}')}<br>{escape(cell[1])}" if cell else ""
        cells.append(f'<td style="{CELL}">{inside}</td>')
    return "".join(cells)


def _html_picture(pixels: Pixels, words: str) -> str:
    picture = _shrunk(pixels)
    size = f'width="{picture.width}" height="{picture.height}"'
    return f'<img alt="{escape(words)}" {size} src="{photo_uri(np.asarray(picture))}">'


def _shrunk(pixels: Pixels) -> Image.Image:
    """The picture with its longer side at most `SIDE`."""
    picture = Image.fromarray(pixels)
    scale = SIDE / max(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(round(side * scale), 1) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)

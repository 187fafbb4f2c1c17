"""The picture of a network view as pixels, from the same layout as the SVG."""

from __future__ import annotations

from PIL import Image, ImageColor, ImageDraw

from seewhy.draw import percent
from seewhy.draw.bars import EXPLAINED, OTHER
from seewhy.draw.text import FAINT, INK, font
from seewhy.network.cards import PHOTO, Faces
from seewhy.network.layout import Box, Card, ClassRow, Column, Layout, Ribbon
from seewhy.network.svg import AGAINST, SMALL, TITLE, frame_width, ribbon_look

SCALE = 1.5  # pixels to one of the layout
FINE = 2  # lines are drawn so much finer and averaged
STEPS = 40  # of a curve


def network_raster(layout: Layout, faces: Faces) -> Image.Image:
    """On white paper, with DejaVu's letters, so that every machine draws the same."""
    size = round(layout.width * SCALE), round(layout.height * SCALE)
    canvas = _ribbons(layout, size)
    pen = ImageDraw.Draw(canvas)
    _paste(canvas, layout.photo, Image.fromarray(faces[PHOTO]))
    for column in layout.columns:
        _column(pen, column)
    for card in layout.cards:
        _paste(canvas, card.box, Image.fromarray(faces[card.key]))
        _card(pen, card)
    for row in layout.classes:
        _class_row(pen, row)
    return canvas


def _ribbons(layout: Layout, size: tuple[int, int]) -> Image.Image:
    fine = Image.new("L", (size[0] * FINE, size[1] * FINE), 255)
    pen = ImageDraw.Draw(fine)
    for ribbon in sorted(layout.ribbons, key=lambda each: each.strength):  # the stronger above
        width, opacity = ribbon_look(ribbon)
        grey = round(255 - opacity * (255 - ImageColor.getrgb(INK)[0]))
        pen.line(_curve(ribbon), fill=grey, width=max(round(width * SCALE * FINE), 1), joint="curve")
    return fine.resize(size, Image.Resampling.LANCZOS).convert("RGB")


def _curve(ribbon: Ribbon) -> list[tuple[float, float]]:
    """The SVG's cubic Bézier curve, as points."""
    x, y, to_x, to_y = (SCALE * FINE * value for value in ribbon[:4])
    bend = (to_x - x) / 2
    points: list[tuple[float, float]] = []
    for step in range(STEPS + 1):
        t = step / STEPS
        start, first, last, end = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
        across = start * x + first * (x + bend) + last * (to_x - bend) + end * to_x
        points.append((across, (start + first) * y + (last + end) * to_y))
    return points


def _paste(canvas: Image.Image, box: Box, picture: Image.Image) -> None:
    size = max(round(box.width * SCALE), 1), max(round(box.height * SCALE), 1)
    mask = Image.new("L", (size[0] * FINE, size[1] * FINE), 0)
    corner = 0.06 * min(mask.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), corner, fill=255)
    place = round(box.x * SCALE), round(box.y * SCALE)
    canvas.paste(picture.resize(size, Image.Resampling.LANCZOS), place, mask.resize(size))


def _column(pen: ImageDraw.ImageDraw, column: Column) -> None:
    y = column.y + 22
    _text(pen, column.x, y, column.title, bold=True)
    for number, line in enumerate(column.lines):
        _text(pen, column.x, y + 19 + 16 * number, line, faint=True)
    for number, line in enumerate(column.remark):
        _text(pen, column.x, column.remark_y + 12 + 16 * number, line, faint=True)


def _card(pen: ImageDraw.ImageDraw, card: Card) -> None:
    box = card.box
    corners = tuple(round(SCALE * value) for value in (box.x, box.y, box.right, box.y + box.height))
    colour = "#b9bec4" if not card.confirmed else AGAINST if card.cluster.weight < 0 else EXPLAINED
    width = round(SCALE * frame_width(card))
    pen.rounded_rectangle(corners, 0.06 * SCALE * min(box.width, box.height), outline=colour, width=max(width, 1))
    middle, y = box.x + box.width / 2, box.y + box.height + 4
    for line in card.words:
        y += 17
        _text(pen, middle, y, line, bold=True)
    _text(pen, middle, y + 17, card.weight, bold=not card.words)
    _text(pen, middle, y + 33, card.effect, faint=True)


def _class_row(pen: ImageDraw.ImageDraw, row: ClassRow) -> None:
    x, y, width, _ = row.box
    end = x + max((width - 58) * row.prediction.probability, 1)
    _text(pen, x, y + 18, row.name, bold=row.explained, anchor="ls")
    bar = tuple(round(SCALE * value) for value in (x, y + 26, end, y + 37))
    pen.rounded_rectangle(bar, 2 * SCALE, fill=EXPLAINED if row.explained else OTHER)
    _text(pen, end + 8, y + 36, percent(row.prediction.probability), bold=row.explained, anchor="ls")


def _text(
    pen: ImageDraw.ImageDraw,
    x: float,
    y: float,
    words: str,
    *,
    bold: bool = False,
    faint: bool = False,
    anchor: str = "ms",
) -> None:
    face = font(round(SCALE * (SMALL if faint else TITLE)), bold=bold)
    pen.text((SCALE * x, SCALE * y), words, fill=FAINT if faint else INK, font=face, anchor=anchor)

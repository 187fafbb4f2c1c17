"""Words in pictures: lines that fit, blocks of text, and blocks put together so that nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from seewhy.images.image import Pixels

PAPER = "#ffffff"
INK = "#1b1f24"
FAINT = "#5b6470"
LEAN = 1  # Letters such as j reach a little beyond the width that their font states.


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans from Matplotlib's own files, so that every machine draws the same letters."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(mpl.get_data_path(), "fonts", "ttf", name)
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float, most: int | None = None) -> list[str]:
    """Lines of at most `width` pixels, at most `most` of them; a word too long for a line is broken."""
    lines = [""]
    for piece in (piece for word in text.split() for piece in _pieces(word, face, width)):
        longer = f"{lines[-1]} {piece}".strip()
        if face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    if most is None or len(lines) <= most:
        return lines
    return [*lines[: most - 1], ellipsize(" ".join(lines[most - 1 :]), face, width)]


def ellipsize(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """The text, or as much of its beginning as leaves room for an ellipsis."""
    if face.getlength(text) <= width:
        return text
    kept = next((n for n in range(len(text) - 1, 0, -1) if face.getlength(text[:n] + "…") <= width), 0)
    return text[:kept].rstrip() + "…"


def text_block(text: str, width: int, size: int, *, bold: bool = False, color: str = INK) -> Image.Image:
    """Wrapped text on paper, `width` pixels wide and as high as it needs."""
    face = font(size, bold=bold)
    lines = wrap(text, face, width - 2 * LEAN)
    pitch = round(size * 1.4)
    block = Image.new("RGB", (width, pitch * len(lines)), PAPER)
    pen = ImageDraw.Draw(block)
    for row, line in enumerate(lines):
        pen.text((LEAN, row * pitch), line, fill=color, font=face)
    return block


def label(pixels: Pixels, words: str) -> Pixels:
    """Words on a dark plate in the middle of a picture, as large as fits."""
    height, width = pixels.shape[:2]
    size = max(8, min(22, width // 16, height // 2))
    face = font(size)
    text = "\n".join(wrap(words, face, width * 0.9))
    canvas = Image.fromarray(pixels)
    pen = ImageDraw.Draw(canvas)
    left, top, right, bottom = pen.textbbox((width / 2, height / 2), text, face, anchor="mm", align="center")
    plate = (left - size, top - size * 0.6, right + size, bottom + size * 0.6)
    pen.rounded_rectangle(plate, radius=size // 2, fill="#30353c")
    pen.text((width / 2, height / 2), text, fill="white", font=face, anchor="mm", align="center")
    return np.asarray(canvas)


def stack(blocks: Sequence[Image.Image], gap: int) -> Image.Image:
    """Blocks one below the other, on paper as wide as the widest."""
    size = (
        max(block.width for block in blocks),
        sum(block.height for block in blocks) + gap * (len(blocks) - 1),
    )
    whole, top = Image.new("RGB", size, PAPER), 0
    for block in blocks:
        whole.paste(block, (0, top))
        top += block.height + gap
    return whole


def beside(blocks: Sequence[Image.Image], gap: int, *, bottom: bool = False) -> Image.Image:
    """Blocks side by side, their tops or bottoms in line, on paper as high as the highest."""
    size = (
        sum(block.width for block in blocks) + gap * (len(blocks) - 1),
        max(block.height for block in blocks),
    )
    whole, left = Image.new("RGB", size, PAPER), 0
    for block in blocks:
        whole.paste(block, (left, whole.height - block.height if bottom else 0))
        left += block.width + gap
    return whole


def _pieces(word: str, face: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    while word:
        count = next((n for n in range(len(word), 1, -1) if face.getlength(word[:n]) <= width), 1)
        yield word[:count]
        word = word[count:]

"""The colour bar under an overlay: what the colours mean, in words and in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from seewhy.draw.colors import OURS, Colors
from seewhy.draw.overlay import blend
from seewhy.draw.text import FAINT, INK, PAPER, font

BAR = 12
MIDDLE_GREY = 128


@dataclass(frozen=True)
class Legend:
    """How one map was coloured: `limit` is the value at the end of the bar, `peak` the largest |value|."""

    signed: bool
    limit: float
    peak: float
    colors: Colors = OURS

    def draw(self, width: int) -> Image.Image:
        """The bar as the overlay shows it over a grey photo, with words and numbers under its ends."""
        block = Image.new("RGB", (width, BAR + 38), PAPER)
        block.paste(self._bar(width), (0, 0))
        pen = ImageDraw.Draw(block)
        _line(pen, self.words, BAR + 4, width, 13, INK)
        _line(pen, self.numbers, BAR + 22, width, 11, FAINT)
        return block

    @property
    def words(self) -> tuple[str, str, str]:
        """What the ends and the middle mean."""
        return ("against", "0", "for") if self.signed else ("no evidence", "", "strongest evidence")

    def _bar(self, width: int) -> Image.Image:
        ramp = np.linspace(-1.0 if self.signed else 0.0, 1.0, width)[None].repeat(BAR, axis=0)
        under = np.full((BAR, width, 3), MIDDLE_GREY, np.uint8)
        bar = blend(under, ramp, signed=self.signed, colors=self.colors)
        return Image.fromarray(bar)

    @property
    def numbers(self) -> tuple[str, str, str]:
        """The values at the ends, marked where the colours were cut, and in the middle the largest if it is another."""
        cut = self.peak > self.limit
        middle = "" if self.peak == self.limit else f"largest |value| {self.peak:.3g}"
        low = f"{'≤ ' if cut else ''}\N{MINUS SIGN}{self.limit:.3g}" if self.signed else "0"
        return low, middle, f"{'≥ ' if cut else ''}{self.limit:{'+' if self.signed else ''}.3g}"


def _line(pen: ImageDraw.ImageDraw, words: tuple[str, str, str], top: int, width: int, size: int, ink: str) -> None:
    for at, anchor, word in zip((0, width / 2, width), ("la", "ma", "ra"), words, strict=True):
        pen.text((at, top), word, fill=ink, font=font(size), anchor=anchor)

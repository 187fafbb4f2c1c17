"""Drawings of shapes and blocks of text, with two back-ends: SVG for pages, Pillow for files. And pictures to bytes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from seewhy.core.text import visible
from seewhy.errors import SeewhyError
from seewhy.images.image import Pixels

PAPER = "#ffffff"
INK = "#1b1f24"
FAINT = "#5b6470"
LEAN = 1  # Letters such as j reach a little beyond the width that their font states.
FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
CORNER = 0.06  # radius of a picture's corners, as a share of its sides
CORNERS = '<clipPath id="{}" clipPathUnits="objectBoundingBox"><rect width="1" height="1" rx="{}"/></clipPath>'
FINE = 3  # shapes are drawn so much finer than pixels, and averaged
STEPS = 40  # of a curve
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}
QUALITY = 85


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans from Matplotlib's own files, so that every machine draws the same letters."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(_fonts() / name), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _fonts() -> Path:
    """Where Matplotlib keeps them; to find that out it need not be imported, which takes longer than to draw."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise SeewhyError("the letters of pictures come with Matplotlib, which is missing; install seewhy again")
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float, most: int | None = None) -> list[str]:
    """Lines of at most `width` pixels, at most `most` of them; a word too long for a line is broken."""
    lines = [""]
    for piece in (piece for word in visible(" ".join(text.split())).split() for piece in _pieces(word, face, width)):
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
    size = max(block.width for block in blocks), sum(block.height + gap for block in blocks) - gap
    whole, top = Image.new("RGB", size, PAPER), 0
    for block in blocks:
        whole.paste(block, (0, top))
        top += block.height + gap
    return whole


def beside(blocks: Sequence[Image.Image], gap: int, *, bottom: bool = False) -> Image.Image:
    """Blocks side by side, their tops or bottoms in line, on paper as high as the highest."""
    size = sum(block.width + gap for block in blocks) - gap, max(block.height for block in blocks)
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


class Shape(Protocol):
    """What both back-ends can draw."""

    def svg(self, page: str) -> str:
        """As an SVG element; `page` names the drawing within a page, or is empty."""
        ...

    def draw(self, canvas: Image.Image, scale: float) -> None:
        """On paper, `scale` pixels to one of the drawing."""
        ...


@dataclass(frozen=True)
class Paint:
    """A colour, or None for the ink of the page, and its opacity in [0, 1]."""

    color: str | None = None
    opacity: float = 1.0

    @property
    def on_paper(self) -> tuple[int, ...]:
        """The colour that shows where it lies on paper."""
        color, paper = ImageColor.getrgb(self.color or INK), ImageColor.getrgb(PAPER)
        return tuple(round(under + self.opacity * (over - under)) for over, under in zip(color, paper, strict=True))

    def svg(self, use: Literal["fill", "stroke"]) -> dict[str, str | None]:
        """The attributes for one use."""
        return {use: self.color or "currentColor", f"{use}_opacity": _share(self.opacity)}


@dataclass(frozen=True)
class Stroke(Paint):
    """A line's colour, its width in pixels, and the lengths of its dashes and gaps, which only SVGs show."""

    width: float = 1.0
    dash: Sequence[float] = ()

    @property
    def look(self) -> dict[str, str | None]:
        """The attributes."""
        dash = " ".join(f"{each:g}" for each in self.dash) or None
        width = None if self.width == 1 else f"{self.width:.3g}"
        return {**self.svg("stroke"), "stroke_width": width, "stroke_dasharray": dash}


@dataclass(frozen=True)
class Rect:
    """A rectangle, filled, outlined or both."""

    x: float
    y: float
    width: float
    height: float
    fill: Paint | None = None
    stroke: Stroke | None = None
    radius: float = 0.0

    def svg(self, page: str) -> str:
        """See `Shape`."""
        look = {**(self.fill or Paint("none")).svg("fill"), **(self.stroke.look if self.stroke else {})}
        place = {"x": self.x, "y": self.y, "width": self.width, "height": self.height}
        return element("rect", **place, rx=self.radius or None, **look)

    def draw(self, canvas: Image.Image, scale: float) -> None:
        """See `Shape`."""
        half = self.stroke.width / 2 if self.stroke else 0
        box = (self.x - half, self.y - half, self.x + self.width + half, self.y + self.height + half)
        ImageDraw.Draw(canvas).rounded_rectangle(
            _within(box, scale),
            (self.radius + half) * scale,
            self.fill.on_paper if self.fill else None,
            self.stroke.on_paper if self.stroke else None,
            max(round(2 * half * scale), 1),
        )


@dataclass(frozen=True)
class Circle:
    """A filled circle."""

    x: float
    y: float
    radius: float
    fill: Paint

    def svg(self, page: str) -> str:
        """See `Shape`."""
        return element("circle", cx=self.x, cy=self.y, r=self.radius, **self.fill.svg("fill"))

    def draw(self, canvas: Image.Image, scale: float) -> None:
        """See `Shape`."""
        box = (self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)
        ImageDraw.Draw(canvas).ellipse(_within(box, scale), self.fill.on_paper)


@dataclass(frozen=True)
class Line:
    """A line through points; `title` is what it says when one points at it, `attributes` go to its SVG element.

    With `eased` it is a curve between two points that starts and ends level.
    """

    points: Sequence[tuple[float, float]]
    stroke: Stroke
    title: str | None = None
    eased: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    def svg(self, page: str) -> str:
        """See `Shape`."""
        look = {"fill": "none", "stroke_linejoin": "round", **self.attributes, **self.stroke.look}
        if self.eased:
            (x, y), (to_x, to_y) = self.points
            bend = (x + to_x) / 2
            curve = f"M{x:.1f} {y:.1f}C{bend:.1f} {y:.1f} {bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
            return element("path", d=curve, **look)
        if len(self.points) == 2 and self.title is None:
            (x, y), (to_x, to_y) = self.points
            return element("line", x1=x, x2=to_x, y1=y, y2=to_y, **self.stroke.look)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)
        return element("polyline", _title(self.title), points=points, **look)

    def draw(self, canvas: Image.Image, scale: float) -> None:
        """See `Shape`."""
        pen, color, width = ImageDraw.Draw(canvas), self.stroke.on_paper, max(round(self.stroke.width * scale), 1)
        points = scale * np.asarray(self.points, float)
        if not self.eased:
            pen.line([(x, y) for x, y in points.tolist()], color, width, joint="curve")
            return
        t = np.linspace(0, 1, STEPS + 1)  # along the cubic Bézier curve of the SVG
        shares = np.stack([1.5 * t * (1 - t) + t**3, t**2 * (3 - 2 * t)], axis=1)
        curve = points[0] + shares * (points[1] - points[0])
        along = np.gradient(curve, axis=0)
        aside = width / 2 * (along / np.linalg.norm(along, axis=1, keepdims=True))[:, ::-1] * (-1, 1)
        # Short pieces of a wide line would leave hairlines between them.
        pen.polygon([(x, y) for x, y in [*(curve + aside).tolist(), *(curve - aside)[::-1].tolist()]], color)


@dataclass(frozen=True)
class Text:
    """One line of words on the baseline `y`, turned about its anchor by `turn` degrees, clockwise."""

    x: float
    y: float
    words: str
    size: int = 12
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False
    opacity: float = 1.0
    turn: float = 0.0

    def svg(self, page: str) -> str:
        """See `Shape`."""
        turned = f"rotate({self.turn:g} {self.x:.1f} {self.y:.1f})" if self.turn else None
        bold = "bold" if self.bold else None
        look = {"text_anchor": self.anchor, "font_size": f"{self.size}", "fill_opacity": _share(self.opacity)}
        return element("text", escaped(self.words), x=self.x, y=self.y, transform=turned, font_weight=bold, **look)

    def draw(self, canvas: Image.Image, scale: float) -> None:
        """See `Shape`."""
        at, ink = (self.x * scale, round(self.y * scale)), Paint(opacity=self.opacity).on_paper
        face, anchor = font(round(self.size * scale), bold=self.bold), ANCHORS[self.anchor]
        if not self.turn:
            ImageDraw.Draw(canvas).text(at, visible(self.words), ink, face, anchor)
            return
        mask = Image.new("L", canvas.size)
        ImageDraw.Draw(mask).text(at, visible(self.words), 255, face, anchor)
        canvas.paste(ink, (0, 0), mask.rotate(-self.turn, Image.Resampling.BICUBIC, center=at))


@dataclass(frozen=True)
class Picture:
    """RGB pixels `(h, w, 3)` stretched over a rectangle with round corners; `key` names them within the drawing.

    `opacity` is over paper.
    """

    x: float
    y: float
    width: float
    height: float
    pixels: Pixels
    key: str
    opacity: float = 1.0

    def svg(self, page: str) -> str:
        """See `Shape`."""
        if page:
            place = f"translate({self.x:.1f} {self.y:.1f}) scale({self.width:.2f} {self.height:.2f})"
            used = element("use", href=f"#face-{page}-{self.key}", transform=place)
            return element("g", used, clip_path=f"url(#round-{page})", opacity=_share(self.opacity))
        place = {"x": self.x, "y": self.y, "width": self.width, "height": self.height}
        return self.whole(**place, clip_path="url(#round)", opacity=_share(self.opacity))

    def whole(self, **place: float | str | None) -> str:
        """An `<image>` that holds the pixels."""
        return element("image", **place, preserveAspectRatio="none", href=photo_uri(self.pixels))

    def draw(self, canvas: Image.Image, scale: float) -> None:
        """See `Shape`."""
        size = max(round(self.width * scale), 1), max(round(self.height * scale), 1)
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).rounded_rectangle(
            (0, 0, size[0] - 1, size[1] - 1), CORNER * min(size), round(255 * self.opacity)
        )
        shown = Image.fromarray(self.pixels).resize(size, Image.Resampling.LANCZOS)
        canvas.paste(shown, (round(self.x * scale), round(self.y * scale)), mask)


@dataclass(frozen=True)
class Group:
    """Shapes that belong together: `title` speaks for all, `attributes` go to their SVG element.

    With a `link` they lead to `#group-PAGE-LINK` of the page that the drawing is part of.
    """

    shapes: Sequence[Shape]
    title: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    link: str = ""

    def svg(self, page: str) -> str:
        """See `Shape`."""
        inner = _title(self.title) + "".join(each.svg(page) for each in self.shapes)
        group = element("g", inner, **self.attributes)
        return element("a", group, href=f"#group-{page}-{self.link}") if page and self.link else group

    def draw(self, canvas: Image.Image, scale: float) -> None:
        """See `Shape`."""
        for each in self.shapes:
            each.draw(canvas, scale)


@dataclass(frozen=True)
class Drawing:
    """Shapes from back to front, in pixels from the upper left; `spoken` describes them for screen readers."""

    width: float
    height: float
    spoken: str
    shapes: Sequence[Shape]


def svg(drawing: Drawing, *, page: str = "", alone: bool = False) -> str:
    """The drawing as one `<svg>` element, which takes its text colour from the page around it, light or dark.

    Args:
        drawing: what to draw.
        page: a name for it in the page. It then takes its pictures from the `definitions` of that name, its groups
            lead to places in the page, and the page says how large it is.
        alone: for a file of its own, with its own ink and paper.
    """
    width, height = f"{drawing.width:g}", f"{drawing.height:g}"
    pictures = not page and any(isinstance(each, Picture) for each in flat(drawing.shapes))
    parts = [CORNERS.format("round", CORNER)] if pictures else []
    parts += [element("rect", width=width, height=height, fill=PAPER)] if alone else []
    return element(
        "svg",
        "\n".join(["", *parts, *(shape.svg(page) for shape in drawing.shapes), ""]),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="group" if page else "img",
        aria_label=drawing.spoken,
        style=None if page else "max-width:100%;height:auto",
        color=INK if alone else None,
        fill="currentColor",
        font_family=FAMILY,
    )


def definitions(drawing: Drawing, page: str) -> str:
    """An `<svg>` of no size with every picture of a drawing once, for its SVGs of this `page`."""
    pictures = [each for each in flat(drawing.shapes) if isinstance(each, Picture)]
    images = [each.whole(id=f"face-{page}-{each.key}", width="1", height="1") for each in pictures]
    defs = element("defs", "\n".join([CORNERS.format(f"round-{page}", CORNER), *images]))
    hidden = {"width": "0", "height": "0", "style": "position:absolute", "aria_hidden": "true"}
    return element("svg", defs, xmlns="http://www.w3.org/2000/svg", **hidden)


def raster(drawing: Drawing, scale: float = 1.0) -> Image.Image:
    """The drawing on white paper, `scale` pixels to one of its own; the same letters on every machine."""
    size = round(drawing.width * scale), round(drawing.height * scale)
    fine = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    texts: list[Text] = []  # they are drawn last, at the size that they are shown in, which is sharper
    for shape in flat(drawing.shapes):
        if isinstance(shape, Text):
            texts.append(shape)
        else:
            shape.draw(fine, scale * FINE)
    canvas = fine.reduce(FINE)
    for text in texts:
        text.draw(canvas, scale)
    return canvas


def escaped(words: str) -> str:
    """Words for HTML and SVG; what cannot be seen, and might turn the page round, as escapes."""
    return escape(visible(words))


def element(name: str, inner: str = "", /, **attributes: Any) -> str:
    """An SVG element: `inner` is markup already, numbers have one decimal place, and what is None is left out."""
    said = "".join(
        f' {key.replace("_", "-")}="{escaped(value) if isinstance(value, str) else f"{value:.1f}"}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{said}>{inner}</{name}>" if inner else f"<{name}{said}/>"


def png_bytes(picture: Pixels | Image.Image) -> bytes:
    """PNG of an RGB picture, without time stamps, profiles or other notes: the same picture gives the same bytes."""
    buffer = BytesIO()
    Image.fromarray(np.asarray(picture)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def data_uri(picture: Pixels | Image.Image) -> str:
    """The same PNG as a `data:` address, to stand inside a page."""
    return "data:image/png;base64," + b64encode(png_bytes(picture)).decode("ascii")


def photo_uri(pixels: Pixels) -> str:
    """RGB uint8 `(h, w, 3)` as the `data:` address of a JPEG: a tenth of a PNG of the same photo."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode("ascii")


def flat(shapes: Iterable[Shape]) -> Iterator[Shape]:
    """The shapes without their groups."""
    for shape in shapes:
        if isinstance(shape, Group):
            yield from flat(shape.shapes)
        else:
            yield shape


def _title(words: str | None) -> str:
    return "" if words is None else element("title", escaped(words))


def _share(opacity: float) -> str | None:
    return f"{opacity:.2g}" if opacity < 1 else None


def _within(box: tuple[float, float, float, float], scale: float) -> tuple[int, int, int, int]:
    """The first and the last pixels of a box, one at least."""
    left, top, right, bottom = (round(side * scale) for side in box)
    return left, top, max(right - 1, left), max(bottom - 1, top)

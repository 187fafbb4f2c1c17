"""The report of `cases correspond`: what was drawn, where it is in all other photos, and how evidence divides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from seewhy.core.outcome import Outcome
from seewhy.core.text import percent
from seewhy.draw import crop, fit, kept_overlay
from seewhy.draw.canvas import font
from seewhy.report.page import Picture, counted, embed, listed, render, title_of
from seewhy.train.data import Pictures

SHOWN = 48  # photos
WIDE = 300
RING, NUMBERS = 6, 14
REST = "the rest"


class _Photo(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def drawn(self) -> bool: ...
    @property
    def masks(self) -> np.ndarray | None: ...
    @property
    def points(self) -> Mapping[str, Any]: ...
    @property
    def lacking(self) -> bool: ...


class _Found(Protocol):
    @property
    def model(self) -> str: ...
    @property
    def parts(self) -> tuple[str, ...]: ...
    @property
    def pictures(self) -> Pictures: ...
    @property
    def method(self) -> str: ...
    @property
    def photos(self) -> Sequence[_Photo]: ...
    @property
    def failures(self) -> Sequence[Outcome[Any]]: ...
    @property
    def attribution(self) -> dict[str, list[float]]: ...


def correspond_page(found: _Found) -> str:
    """The page: photos that were drawn on first, then those carried to, then those without a match."""
    drawn = [each for each in found.photos if each.drawn]
    carried = [each for each in found.photos if not each.drawn and not each.lacking]
    lacking = [each for each in found.photos if not each.drawn and each.lacking]
    return render(
        "correspond.html",
        title="Where is the same part?",
        lead=f"{listed(found.parts)}, carried from {counted(len(drawn), 'photo')} to {counted(len(carried), 'other')} "
        f"by what {found.model} sees; {counted(len(lacking), 'photo')} without a match.",
        key=", ".join(f"{number} {name}" for number, name in enumerate(found.parts, start=1)),
        masked=any(each.masks is not None for each in found.photos),
        drawn=[_shown(found, each) for each in drawn[:SHOWN]],
        carried=[_shown(found, each) for each in carried[:SHOWN]],
        more=max(0, len(carried) - SHOWN),
        lacking=[each.path for each in lacking],
        method=title_of(found.method) if found.method else "",
        attribution=[_sentence(found, name, shares) for name, shares in found.attribution.items()],
        failures=found.failures,
    )


def _sentence(found: _Found, name: str, shares: Sequence[float]) -> tuple[str, str]:
    """Of a class the share of each part."""
    parts = [f"{part} {percent(share)}" for part, share in zip((*found.parts, REST), shares, strict=True)]
    return name, ", ".join(parts)


def _shown(found: _Found, each: _Photo) -> tuple[str, Picture]:
    image = found.pictures.image(each.index)
    pixels, within = crop(image.pixels, found.pictures.preprocessing.view(image))
    if each.masks is None:
        places = {number: each.points[name] for number, name in enumerate(found.parts, start=1) if name in each.points}
        seen = {number: (at.x, at.y) for number, at in places.items() if at.found and 0 <= at.x <= 1 and 0 <= at.y <= 1}
        return each.path, embed(ringed(fit(pixels, WIDE), seen), f"{each.path}, with rings round the points found")
    labels = _mask_labels(each.masks)
    names = {number: part for number, part in enumerate(found.parts, start=1) if (labels == number).any()}
    told = f"{each.path}, in colour where {listed([*names.values()])} {'is' if len(names) == 1 else 'are'}"
    keep = np.arange(len(found.parts) + 1) > 0
    shown = names if len(found.parts) > 1 else {}
    return each.path, embed(kept_overlay(pixels, labels, keep, within, names=shown, longest=WIDE), told)


def ringed(pixels: np.ndarray, places: Mapping[int, tuple[float, float]]) -> np.ndarray:
    """RGB uint8 with a numbered ring round each place `(x, y)` in [0, 1]."""
    drawn = Pillow.fromarray(pixels)
    pen, face = ImageDraw.Draw(drawn), font(NUMBERS, bold=True)
    for number, (x, y) in places.items():
        left, top = x * drawn.width, y * drawn.height
        for size, colour in ((RING + 1.5, "black"), (RING, "white")):
            pen.ellipse((left - size, top - size, left + size, top + size), outline=colour, width=2)
        place = (left + RING + 2, top - NUMBERS / 2)
        pen.text(place, str(number), "white", font=face, stroke_width=2, stroke_fill="black")
    return np.asarray(drawn)


def _mask_labels(masks: np.ndarray) -> np.ndarray:
    """Parts numbered from 1 on, int32 `(h, w)`; where they overlap the first has it."""
    labels = np.zeros(masks.shape[1:], np.int32)
    for number in range(len(masks), 0, -1):
        labels[masks[number - 1]] = number
    return labels

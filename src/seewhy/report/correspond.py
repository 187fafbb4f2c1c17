"""The report of `cases correspond`: what was drawn, where it is in all other photos, and how evidence divides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.core.text import percent
from seewhy.draw import crop, kept_overlay
from seewhy.report.page import Picture, counted, embed, listed, render, title_of
from seewhy.train.data import Pictures

SHOWN = 48  # photos
WIDE = 220
GRID = 40  # cells a side in which points are drawn
REST = "the rest"


class _Match(Protocol):
    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def found(self) -> bool: ...


class _Photo(Protocol):
    path: str
    index: int
    drawn: bool
    masks: np.ndarray | None
    points: Mapping[str, Any]

    @property
    def lacking(self) -> bool: ...


class _Found(Protocol):
    model: str
    parts: tuple[str, ...]
    pictures: Pictures
    method: str
    photos: Sequence[Any]
    failures: Sequence[Outcome[Any]]

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
    labels = _point_labels(each.points, found.parts) if each.masks is None else _mask_labels(each.masks)
    names = {number: part for number, part in enumerate(found.parts, start=1) if (labels == number).any()}
    keep = np.arange(len(found.parts) + 1) > 0
    told = f"{each.path}, in colour where {listed([*names.values()])} {'is' if len(names) == 1 else 'are'}"
    return each.path, embed(kept_overlay(pixels, labels, keep, within, names=names, longest=WIDE), told)


def _mask_labels(masks: np.ndarray) -> np.ndarray:
    """Parts numbered from 1 on, int32 `(h, w)`; where they overlap the first has it."""
    labels = np.zeros(masks.shape[1:], np.int32)
    for number in range(len(masks), 0, -1):
        labels[masks[number - 1]] = number
    return labels


def _point_labels(points: Mapping[str, _Match], names: Sequence[str]) -> np.ndarray:
    """A square of cells round each point that was found, numbered from 1 on."""
    labels = np.zeros((GRID, GRID), np.int32)
    for number, name in enumerate(names, start=1):
        if name in points and points[name].found:
            row, column = (min(max(int(at * GRID), 1), GRID - 2) for at in (points[name].y, points[name].x))
            labels[row - 1 : row + 2, column - 1 : column + 2] = number
    return labels

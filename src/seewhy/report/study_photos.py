"""A study photo by photo: every map of every model and method side by side, and orders in which photos are telling."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seewhy.core.text import percent
from seewhy.draw import fit, overlay
from seewhy.errors import SeewhyError
from seewhy.methods import Method
from seewhy.metrics import Metric
from seewhy.metrics.context import ranks
from seewhy.report.page import Picture, embed, number, title_of
from seewhy.report.verdict import photo_words
from seewhy.study.scores import ModelScores
from seewhy.study.summary import StudyResult
from seewhy.study.verdict import Verdict

if TYPE_CHECKING:
    import polars as pl

SHOWN = 300  # photos with scores; a page of more would be slow to open
DRAWN = 600  # maps; with them a page is a few megabytes large
THUMBNAIL, MAP = 120, 180  # pixels
FOLDER = "folder"
ORDERS = {
    "apart": "where methods disagree most",
    "worst": "where they score worst",
    "wrong": "wrong answers first",
    FOLDER: "as they lie in the folder",
}


class Scores(NamedTuple):
    """One explanation: why what, and its score by each metric, in words."""

    model: str
    method: str
    why: str
    values: Sequence[str]


@dataclass(frozen=True)
class Photo:
    """One photo, with a verdict on it alone; without its picture where it cannot be opened any more.

    `maps` has a row for each model: its name, and a title and a picture for each method. `places` says where the photo
    stands in each order, and `remark` why it is telling.
    """

    name: str
    picture: Picture | None
    rows: Sequence[Scores]
    verdicts: Sequence[str] = ()
    maps: Sequence[tuple[str, Sequence[tuple[str, Picture]]]] = ()
    places: Mapping[str, int] | None = None
    remark: str = ""


def photos_of(result: StudyResult, only: str | None = None) -> list[Photo]:
    """Photos that have scores, the most telling first, no more than `SHOWN`; of one photo alone, that one."""
    orders = orders_of(result)
    shown = [name for name in orders[FOLDER] if name == only] if only else shown_photos(result)
    units = _units(result, shown)
    alone = result.photo_verdicts(shown)
    pictured = shown if only else telling(result, orders)
    drawn = _Drawn(result, units, pictured)
    apart, wrong = distances(result), answers(result)
    places = {order: {name: place for place, name in enumerate(names)} for order, names in orders.items()}
    return [
        Photo(
            name,
            _thumbnail(result, name),
            [
                _scores(units[scores.model, method, name], result.metrics)
                for scores in result.scores
                for method in _order(scores, alone.get((name, scores.model)))
                if (scores.model, method, name) in units
            ],
            [
                (f"{scores.model}: " if len(result.scores) > 1 else "") + photo_words(alone[name, scores.model])
                for scores in result.scores
                if (name, scores.model) in alone
            ],
            [*drawn.rows(name)],
            {order: place[name] for order, place in places.items()},
            _remark(apart.get(name), wrong.get(name, 0)),
        )
        for name in shown
    ]


def shown_photos(result: StudyResult) -> list[str]:
    """The photos that have a place on the page: the telling ones, then those that come first in the folder."""
    orders = orders_of(result)
    return [*dict.fromkeys((*telling(result, orders), *orders[FOLDER]))][:SHOWN]


def telling(result: StudyResult, orders: Mapping[str, Sequence[str]]) -> list[str]:
    """The photos whose maps are drawn: the first of each order, where maps were kept."""
    if result.stored is None or result.plan.maps == "none":
        return []
    each = max(DRAWN // (len(orders) * len(result.plan.models) * len(result.plan.methods)), 1)
    return [*dict.fromkeys(name for names in orders.values() for name in names[:each])]


def orders_of(result: StudyResult) -> dict[str, list[str]]:
    """All photos that have scores, by each of `ORDERS` that says something; of one photo as they lie in the folder."""
    scored = {*result.table["image"].unique()}
    names = [name for name in result.plan.images if name in scored]
    worths: dict[str, Callable[[str], float]] = {}
    if len(names) > 1:
        if apart := distances(result):
            worths["apart"] = lambda name: -apart.get(name, 0)
        if worth := worths_of(result):
            worths["worst"] = lambda name: worth.get(name, np.inf)
        if known := answers(result):
            worths["wrong"] = lambda name: known.get(name, np.inf)
    return {order: sorted(names, key=key) for order, key in worths.items()} | {FOLDER: names}


def distances(result: StudyResult) -> dict[str, float]:
    """How far methods' maps are apart, by photo: the mean over models and methods, where that was asked."""
    if "apart" not in result.table.columns:
        return {}
    import polars as pl

    found = result.table.drop_nulls("apart").group_by("image").agg(pl.col("apart").cast(float).mean())
    return dict(found.iter_rows())


def worths_of(result: StudyResult) -> dict[str, float]:
    """How well methods score on each photo, by the mean of its ranks among photos: low where they score badly."""
    found: dict[str, list[float]] = {}
    for scores in result.scores:
        rivals = [place for place, method in enumerate(scores.methods) if method in scores.rivals]
        worths = scores.worths[..., rivals].swapaxes(1, 2)  # (tests, methods, photos)
        placed = np.where(np.isfinite(worths), ranks(np.nan_to_num(worths, nan=-np.inf)), np.nan)
        known = np.isfinite(placed).sum(axis=(0, 1))
        means = np.nansum(placed, axis=(0, 1)) / np.maximum(known, 1)
        for name, mean, count in zip(scores.pictures, means.tolist(), known.tolist(), strict=True):
            if count:
                found.setdefault(name, []).append(mean)
    return {name: float(np.mean(each)) for name, each in found.items()}


def answers(result: StudyResult) -> dict[str, float]:
    """By photo how sure a wrong answer is, from −1 on, or a right one, up to 1; nothing where no classes are known.

    Sub-folders count as classes if any answer bears the name of one.
    """
    classes = _classes(result)
    told = result.table.select("model", "image", "label", "probability").unique(maintain_order=True)
    rows = [(image, same(label, classes[image]), probability or 0.0)
            for _, image, label, probability in told.iter_rows() if image in classes]  # fmt: skip
    if not any(right for _, right, _ in rows):
        return {}
    found: dict[str, float] = {}
    for image, right, probability in rows:
        found[image] = min(found.get(image, np.inf), probability if right else -probability)
    return found


def same(label: str | None, name: str) -> bool:
    """Whether a class of the network and a folder have one name.

    >>> same("Tabby cat", "tabby_cat")
    True
    """
    return label is not None and label.casefold().replace("_", " ") == name.casefold().replace("_", " ")


def _classes(result: StudyResult) -> dict[str, str]:
    entries = result.folder.entries if result.folder else ()
    return {entry.path: entry.label for entry in entries if entry.label is not None}


def _remark(apart: float | None, answer: float) -> str:
    """How far apart the maps are, and whether an answer is wrong."""
    maps = [] if apart is None else [f"maps {number(apart, 2)} apart"]
    return ", ".join([*maps, *(["a wrong answer"] if answer < 0 else [])])


def _units(result: StudyResult, names: Sequence[str]) -> dict[Any, pl.DataFrame]:
    import polars as pl

    found = result.table.filter(pl.col("image").is_in([*names]))
    return found.partition_by("model", "method", "image", as_dict=True) if found.height else {}


def _order(scores: ModelScores, alone: Verdict | None) -> list[str]:
    """The methods as they stand on one photo, then controls."""
    return [*dict.fromkeys((*(alone.order if alone else ()), *scores.rivals)), *scores.controls]


class _Drawn:
    """The maps of some photos over the photos themselves."""

    def __init__(self, result: StudyResult, units: Mapping[Any, pl.DataFrame], names: Sequence[str]) -> None:
        self._result, self._units = result, units
        self._maps = result.maps(names) if names else {}

    def rows(self, name: str) -> Iterator[tuple[str, Sequence[tuple[str, Picture]]]]:
        """For each model its maps of a photo, best method first."""
        try:
            pixels = self._result.picture(name).pixels if self._maps else None
        except (SeewhyError, KeyError):
            pixels = None
        if pixels is None:
            return
        for scores in self._result.scores:
            found = [
                (title_of(method), _drawn(pixels, method, values, view))
                for method in scores.ordered
                if (values := self._maps.get((scores.model, method, name))) is not None
                and (view := self._view(scores.model, method, name)) is not None
            ]
            if found:
                yield scores.model, found

    def _view(self, model: str, method: str, name: str) -> tuple[float, float, float, float] | None:
        unit = self._units.get((model, method, name))
        told = None if unit is None or "view" not in unit.columns else unit["view"][0]
        found = json.loads(told) if told else []
        return tuple(found) if len(found) == 4 else None


def _drawn(pixels: np.ndarray, method: str, values: np.ndarray, view: tuple[float, float, float, float]) -> Picture:
    signed = any(each.signed for each in Method.registry.all() if each.name == method)  # of strangers nothing is known
    shown = overlay(pixels, values, view, signed=signed, longest=MAP)
    return embed(shown, f"The map by {title_of(method)}")


def _scores(unit: pl.DataFrame, metrics: Sequence[type[Metric]]) -> Scores:
    first = unit.row(0, named=True)
    values = dict(unit.select("metric", "value").iter_rows())
    share = first["probability"]
    why = f"{first['label']} ({first.get('told', '') if share is None else percent(share)})"
    known = (values.get(each.name) for each in metrics)
    words = ["–" if value is None else number(value) for value in known]
    return Scores(first["model"], title_of(first["method"]), why, words)


def _thumbnail(result: StudyResult, name: str) -> Picture | None:
    try:
        return embed(fit(result.picture(name).pixels, THUMBNAIL), f"The photo {name}")
    except (SeewhyError, KeyError):
        return None

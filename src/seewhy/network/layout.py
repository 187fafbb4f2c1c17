"""Where everything stands in the picture of a network view: clusters are cards, layers beside or below each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import sqrt
from typing import NamedTuple

from seewhy.draw.canvas import ellipsize, font, wrap
from seewhy.images import Box
from seewhy.models import Prediction
from seewhy.network.checks import Link
from seewhy.network.reach import in_words
from seewhy.network.view import Cluster, LayerView, NetworkView, Words

LEAST = 0.25  # of a group that is gone without another one, for a ribbon between them

MARGIN = 28
PITCH = 152  # from column to column
LARGEST, SMALLEST = 116, 34  # sides of the card without which most is lost, and of one without which nothing is
CAPTION, LINE, GAP = 42, 18, 18
HEADER = 90
END, PHOTO, ROW = 196, 150, 50
CLASS_GAP = 24  # between the last layer and the classes
SHOWN_WORDS = 3
TITLE, SMALL = 14, 12
AT_ONCE = 4  # groups of a layer in the picture for people
ABREAST = 2  # cards in a row on a telephone
NO_EFFECT = 0.05  # a smaller fall is taken for none
FAINTEST = 0.35  # opacity of the picture of a group that other samples of maps do not find again


@dataclass(frozen=True)
class Card:
    """A cluster: where its picture stands, and what is written below."""

    key: str  # names it within the picture
    layer: LayerView
    cluster: Cluster
    box: Box
    words: tuple[str, ...]
    weight: str
    effect: str
    fall: float | None  # the share of the class's probability that is gone without its maps; below 0 it grows
    opacity: float  # as stable as the layer's groups are

    @property
    def confirmed(self) -> bool | None:
        """Whether the class changes without these maps."""
        return None if self.fall is None else abs(self.fall) >= NO_EFFECT


@dataclass(frozen=True)
class Column:
    """A layer: its middle and top, its heading, and a remark with its place where there is one."""

    x: float
    y: float
    title: str
    lines: tuple[str, ...]
    remark: tuple[str, ...]
    remark_y: float


class Ribbon(NamedTuple):
    """A curve between two points, as bold as it is strong, in [0, 1]; the keys of what it joins."""

    points: tuple[tuple[float, float], tuple[float, float]]
    strength: float
    start: str
    end: str


@dataclass(frozen=True)
class ClassRow:
    """One of the likeliest classes, at the right end."""

    box: Box
    name: str
    prediction: Prediction
    explained: bool


@dataclass(frozen=True)
class Layout:
    """The whole picture, in pixels."""

    width: float
    height: float
    columns: tuple[Column, ...]
    cards: tuple[Card, ...]
    ribbons: tuple[Ribbon, ...]
    photo: Box
    classes: tuple[ClassRow, ...]


def brief(view: NetworkView) -> tuple[NetworkView, tuple[int, ...]]:
    """Three layers of a view and four groups of each, those without which most is lost; and the layers' numbers.

    Layers without a group are passed over; the last one is in.
    """
    full = [number for number, layer in enumerate(view.layers) if layer.clusters]
    numbers = tuple(sorted({full[round(step * (len(full) - 1))] for step in (0, 0.5, 1)})) if full else ()
    kept = [_heaviest(view, view.layers[number]) for number in numbers]
    layers = tuple(
        replace(view.layers[number], clusters=tuple(view.layers[number].clusters[place] for place in places))
        for number, places in zip(numbers, kept, strict=True)
    )
    at = {
        (number, place): (layer, position)
        for layer, (number, places) in enumerate(zip(numbers, kept, strict=True))
        for position, place in enumerate(places)
    }
    ends = [(link, at.get((link.layer, link.start)), at.get((link.to, link.end))) for link in view.links]
    links = tuple(Link(*one, *other, link.influence) for link, one, other in ends if one and other)
    return replace(view, layers=layers, links=links), numbers


def _heaviest(view: NetworkView, layer: LayerView) -> list[int]:
    """The places of the groups that are shown at once, in their order."""

    def size(place: int) -> tuple[float, float]:
        cluster = layer.clusters[place]
        return abs(fall(view, cluster) or 0.0), abs(cluster.weight)

    return sorted(sorted(range(len(layer.clusters)), key=size, reverse=True)[:AT_ONCE])


def lay_out(
    view: NetworkView, words: Words | None = None, per_band: int | None = None, places: Sequence[int] | None = None
) -> Layout:
    """Place a view and the `words` on its cards; with `per_band` so many layers in a row, for paper.

    `places` are the numbers of the layers in the view that this one is a part of; cards are known by them.
    """
    size = per_band or max(len(view.layers), 1)
    numbers = range(len(view.layers))
    bands = [list(numbers[start : start + size]) for start in numbers[::size]] or [[]]
    joined = shown_links(view)
    placing = _Placing(view, words or {}, _orders(view, joined), places or numbers)
    heights = [placing.height(band) for band in bands]
    tops = [MARGIN + sum(heights[:place]) for place in range(len(bands))]
    columns: list[Column] = []
    cards: list[list[Card]] = []
    for band, top, height in zip(bands, tops, heights, strict=True):
        left = MARGIN + (END if not columns else 0)
        for place, number in enumerate(band):
            column, mine = placing.column(number, left + PITCH * (place + 0.5), top, height)
            columns.append(column)
            cards.append(mine)
    photo = placing.photo(tops[0] + HEADER, heights[0] - HEADER)
    right = (columns[-1].x + PITCH / 2) if columns else MARGIN + END
    classes = placing.classes(right, tops[-1] + HEADER, heights[-1] - HEADER)
    width = max([column.x + PITCH / 2 for column in columns] + [right + END]) + MARGIN
    every, ribbons = tuple(chain.from_iterable(cards)), tuple(_ribbons(joined, cards, classes))
    return Layout(width, tops[-1] + heights[-1] + MARGIN, tuple(columns), every, ribbons, photo, classes)


def stack(view: NetworkView, words: Words | None = None, places: Sequence[int] | None = None) -> Layout:
    """Place a view for a telephone: photo, layer below layer, classes; without ribbons, which would cross cards."""
    numbers = range(len(view.layers))
    placing = _Placing(view, words or {}, _orders(view, ()), places or numbers)
    width = PITCH * ABREAST + MARGIN
    photo = placing.photo(MARGIN / 2, PHOTO, (width - PHOTO) / 2)
    y = photo.bottom + GAP
    columns: list[Column] = []
    cards: list[Card] = []
    for number in numbers:
        column, mine, y = placing.rows(number, MARGIN / 2, y)
        columns.append(column)
        cards += mine
    classes = placing.classes((width - END) / 2 - CLASS_GAP, y, ROW * len(view.predictions))
    end = y + ROW * len(classes) + MARGIN
    return Layout(width, end, tuple(columns), tuple(cards), (), photo, classes)


def shown_links(view: NetworkView) -> tuple[Link, ...]:
    """Between neighbouring layers of a view, those of which a quarter or more of the later group is gone."""
    return tuple(each for each in view.links if each.to == each.layer + 1 and each.influence >= LEAST)


def fall(view: NetworkView, cluster: Cluster) -> float | None:
    """The share of the class's probability that is gone without a cluster's maps; None where that was not measured."""
    if cluster.effect is None:
        return None
    return (view.probability - cluster.effect.without) / max(abs(view.probability), 1e-9)


class _Placing:
    """Sizes and words of one view; `order` is that of each layer's clusters, from top to bottom."""

    def __init__(self, view: NetworkView, words: Words, order: Sequence[Sequence[int]], numbers: Sequence[int]) -> None:
        self._view, self._words, self._order, self._numbers = view, words, order, numbers
        self._checked = any(cluster.effect for layer in view.layers for cluster in layer.clusters)
        self._most = max((self._size(cluster) for layer in view.layers for cluster in layer.clusters), default=1.0)
        longest = max(view.view.width, view.view.height)
        self._across, self._down = view.view.width / longest, view.view.height / longest

    def height(self, numbers: Sequence[int]) -> float:
        """Of a band of layers, with its heading."""
        columns = [self._column_height(self._view.layers[number]) for number in numbers]
        return HEADER + max([*columns, PHOTO + 2 * LINE, ROW * len(self._view.predictions)]) + GAP

    def column(self, number: int, x: float, top: float, height: float) -> tuple[Column, list[Card]]:
        """A layer about `x`, its cards about the middle of the band."""
        layer = self._view.layers[number]
        y = top + HEADER + (height - HEADER - self._column_height(layer)) / 2
        cards: dict[int, Card] = {}
        for index in self._order[number]:
            cards[index] = self._card(number, layer, layer.clusters[index], x, y)
            y += self._card_height(layer, layer.clusters[index])
        return self._headed(layer, x, top, y), [cards[index] for index in sorted(cards)]

    def rows(self, number: int, left: float, top: float) -> tuple[Column, list[Card], float]:
        """A layer from `left` and `top` on, its cards in rows of a few; and where it ends."""
        layer, middle = self._view.layers[number], left + PITCH * ABREAST / 2
        y = top + HEADER
        cards: dict[int, Card] = {}
        order = self._order[number]
        for start in range(0, len(order), ABREAST):
            row = order[start : start + ABREAST]
            for place, index in enumerate(row):
                x = middle + PITCH * (place - (len(row) - 1) / 2)
                cards[index] = self._card(number, layer, layer.clusters[index], x, y)
            y += max(self._card_height(layer, layer.clusters[index]) for index in row)
        found = [cards[index] for index in sorted(cards)]
        return self._headed(layer, middle, top, y), found, y + self._remark_height(layer)

    def _headed(self, layer: LayerView, x: float, top: float, remark_y: float) -> Column:
        """What is written above a layer's cards about `x`, and below them."""
        # Names are shortened at their beginning: what layers are called differs at the end.
        title = ellipsize(layer.name[::-1], font(TITLE, bold=True), PITCH - 20)[::-1]
        maps = f"{layer.grid.channels:,} maps" if layer.grid.channels > 1 else "1 map"
        shown = f"{sum(abs(cluster.weight) for cluster in layer.clusters):.0f} % of weight shown"
        sees = () if layer.reach is None else (in_words(layer.reach),)
        lines = (*sees, f"{maps}, {layer.grid.height} × {layer.grid.width}", shown)
        remark = tuple(wrap(layer.outcome, font(SMALL), PITCH - 16)) if layer.outcome else ()
        return Column(x, top, title, lines, remark, remark_y)

    def photo(self, top: float, height: float, left: float = MARGIN) -> Box:
        """In the middle of a place of this height, at the left end where no other is told."""
        across, down = PHOTO * self._across, PHOTO * self._down
        return _box(left + (PHOTO - across) / 2, top + (height - down) / 2, across, down)

    def classes(self, left: float, top: float, height: float) -> tuple[ClassRow, ...]:
        """Right of `left`, likeliest first."""
        rows = self._view.predictions
        y = top + (height - ROW * len(rows)) / 2
        return tuple(
            ClassRow(
                _box(left + CLASS_GAP, y + ROW * place, END - CLASS_GAP, ROW),
                ellipsize(each.name, font(TITLE, bold=True), END - CLASS_GAP),
                each,
                each.index == self._view.target.index,
            )
            for place, each in enumerate(rows)
        )

    def _size(self, cluster: Cluster) -> float:
        """What a card's area follows: what is lost without the cluster, or its weight where that was not measured."""
        return abs(fall(self._view, cluster) or 0.0) if self._checked else abs(cluster.weight)

    def _side(self, cluster: Cluster) -> float:
        share = self._size(cluster) / max(self._most, 1e-9)
        return sqrt(SMALLEST**2 + min(share, 1) * (LARGEST**2 - SMALLEST**2))

    def _column_height(self, layer: LayerView) -> float:
        cards = sum(self._card_height(layer, cluster) for cluster in layer.clusters)
        return cards + self._remark_height(layer)

    def _remark_height(self, layer: LayerView) -> float:
        return LINE * 3 if layer.outcome else 0

    def _card_height(self, layer: LayerView, cluster: Cluster) -> float:
        return self._side(cluster) * self._down + CAPTION + LINE * len(self._lines(layer, cluster)) + GAP

    def _lines(self, layer: LayerView, cluster: Cluster) -> tuple[str, ...]:
        labels = [label for label, _ in self._words.get((layer.name, cluster.index), ())][:SHOWN_WORDS]
        return tuple(wrap(", ".join(labels), font(TITLE, bold=True), PITCH - 14, most=2)) if labels else ()

    def _card(self, number: int, layer: LayerView, cluster: Cluster, x: float, y: float) -> Card:
        side, effect = self._side(cluster), cluster.effect
        return Card(
            f"{self._numbers[number]}-{cluster.index}",
            layer,
            cluster,
            _box(x - side * self._across / 2, y, side * self._across, side * self._down),
            self._lines(layer, cluster),
            f"{cluster.weight:.0f} %".replace("-", "\N{MINUS SIGN}"),
            "" if effect is None else f"{self._view.told(effect.without)} without it",
            fall(self._view, cluster),
            1.0 if layer.stability is None else max(FAINTEST, min(layer.stability, 1.0)),
        )


def _box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x, y, x + width, y + height)


def _orders(view: NetworkView, joined: Sequence[Link]) -> list[list[int]]:
    """Heaviest first; from the second layer on beside what they hang on, so that few ribbons cross."""
    orders: list[list[int]] = []
    for number, layer in enumerate(view.layers):
        count = len(layer.clusters)
        before = {index: (place + 0.5) / len(orders[-1]) for place, index in enumerate(orders[-1])} if orders else {}
        heights: list[float] = []
        for index in range(count):
            mine = [link for link in joined if (link.layer, link.end) == (number - 1, index)]
            pulled = sum(link.influence * before[link.start] for link in mine)
            heights.append(pulled / sum(link.influence for link in mine) if mine else (index + 0.5) / count)
        orders.append(sorted(range(count), key=heights.__getitem__))
    return orders


def _ribbons(joined: Sequence[Link], cards: Sequence[Sequence[Card]], classes: Sequence[ClassRow]) -> Iterator[Ribbon]:
    """Between cards of which the later hangs on the earlier, and from the last ones to the class that hangs on them."""
    for link in joined:
        one, other = cards[link.layer][link.start], cards[link.to][link.end]
        start, end = _right(one.box), _left(other.box)
        # Of a pair that a new row parts, two stubs.
        stubs = [(start, (start[0] + MARGIN, start[1])), ((end[0] - MARGIN, end[1]), end)]
        for pair in [(start, end)] if other.box.left > one.box.left else stubs:
            yield Ribbon(pair, min(link.influence, 1.0), one.key, other.key)
    for row in (row for row in classes if row.explained):
        x, y = _left(row.box)
        for card in cards[-1] if cards else ():
            if card.confirmed and card.fall is not None and card.fall > 0:
                yield Ribbon((_right(card.box), (x - 8, y)), min(card.fall, 1.0), card.key, "class")


def _left(box: Box) -> tuple[float, float]:
    """The middle of its left side."""
    return box.left, (box.top + box.bottom) / 2


def _right(box: Box) -> tuple[float, float]:
    return box.right, (box.top + box.bottom) / 2

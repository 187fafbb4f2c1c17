"""`NetworkPicture`: a network view, drawn, with the words that people have for what is on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seewhy import __version__
from seewhy.core.files import write_whole
from seewhy.core.folders import whole_folder, write_manifest
from seewhy.core.text import percent
from seewhy.draw import cut, spotlight
from seewhy.draw.canvas import Drawing, Group, Line, Paint, Picture, Rect, Stroke, Text, definitions, raster, svg
from seewhy.draw.charts import AGAINST, EXPLAINED, PALE
from seewhy.images import Box, save_image
from seewhy.network.layout import LINE, SMALL, TITLE, Card, ClassRow, Column, Layout, Ribbon, brief, lay_out, stack
from seewhy.network.view import Cluster, LayerView, NetworkView, Words

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from seewhy.images.image import Pixels

SCHEMA = 2
MEASURED = ("without it", "area grey", "area filled")
FAINT = 0.7  # opacity of secondary text
SHARPNESS = 2.5  # pixels of a picture to a pixel of the drawing: screens are fine, and people zoom
SCALE = 1.5  # pixels of the PNG to one of the drawing


@dataclass(frozen=True, eq=False)
class NetworkPicture:
    """A view, the `words` on its cards, and `about_words`: where they come from, to be said beside them."""

    view: NetworkView
    words: Words = field(default_factory=dict[tuple[str, int], Sequence[tuple[str, float]]])
    about_words: str = ""

    @cached_property
    def layout(self) -> Layout:
        """All layers in one row."""
        return lay_out(self.view, self.words)

    @cached_property
    def drawing(self) -> Drawing:
        """All layers in one row, drawn."""
        return _drawing(self.view, self.layout, self.spoken)

    @property
    def svg(self) -> str:
        """One `<svg>` that needs nothing else."""
        return svg(self.drawing, alone=True)

    @property
    def spoken(self) -> str:
        """What it shows, in a sentence."""
        return self.spoken_of(self.view)

    @staticmethod
    def spoken_of(view: NetworkView) -> str:
        """What a drawing of a view shows, in a sentence."""
        groups = sum(len(layer.clusters) for layer in view.layers)
        return (
            f"What {view.classifier} found in {view.image.name} that speaks for {view.target_label} "
            f"({view.told(view.probability)}): {groups} groups of maps in {len(view.layers)} layers, "
            "from the first to the last; each group is the photo, lit where it responds"
        )

    def raster(self) -> PillowImage:
        """The same on white paper, as pixels."""
        return raster(self.drawing, SCALE)

    def definitions(self, name: str) -> str:
        """Pictures for `inside` and `folded` of this name, to stand in a page before them."""
        return definitions(self.drawing, name)

    def inside(self, name: str) -> str:
        """The `<svg>` for a page."""
        return svg(self.drawing, page=name)

    def brief(self, name: str) -> str:
        """Three layers and four groups of each, for a page: what is seen at once."""
        view, numbers = brief(self.view)
        return svg(_drawing(view, lay_out(view, self.words, places=numbers), self.spoken_of(view)), page=name)

    def stacked(self, name: str) -> str:
        """What `brief` shows, layer below layer, for a telephone."""
        view, numbers = brief(self.view)
        return svg(_drawing(view, stack(view, self.words, numbers), self.spoken_of(view)), page=name)

    def folded(self, name: str) -> str:
        """The same in two rows, for paper."""
        half = -(-len(self.view.layers) // 2)
        return svg(_drawing(self.view, lay_out(self.view, self.words, max(half, 1)), self.spoken), page=name)

    def to_dict(self) -> dict[str, Any]:
        """All but the arrays, as plain JSON values; `map` names each cluster's map in `maps.npz`."""
        view, image = self.view, self.view.image
        same = ("target_label", "probability", "classifier", "fingerprint", "clustering", "signed", "seed")
        return {
            "schema": SCHEMA,
            "seewhy": __version__,
            "image": {"name": image.name, "sha256": image.sha256, "notes": list(image.notes)},
            "network": {
                **{name: getattr(view, name) for name in same},
                "view": list(view.view),
                "target": asdict(view.target),
                "predictions": [each.to_dict() for each in view.predictions],
                "cost": view.cost._asdict(),
                "layers": [self._layer_dict(number, layer) for number, layer in enumerate(view.layers)],
                "links": [each._asdict() for each in view.links],
            },
        }

    def rows(self) -> list[dict[str, str]]:
        """A table for people: a row for each group, and one for each layer that has none."""
        rows: list[dict[str, str]] = []
        for layer in self.view.layers:
            about = {"image": self.view.image.name, "why": self.view.target_label, "layer": layer.name}
            none = dict.fromkeys(("weight", "maps", *MEASURED), "")
            rows += [] if layer.clusters else [{**about, "group": layer.outcome or "", **none}]
            for each in layer.clusters:
                effect = map(self.view.told, each.effect) if each.effect else ("", "", "")
                measured = {"weight": f"{each.weight:.1f} %", "maps": str(len(each.maps))}
                told = dict(zip(MEASURED, effect, strict=True))
                rows.append({**about, "group": str(each.index + 1), **measured, **told})
        return rows

    def save(self, folder: str | Path) -> Path:
        """Write `network.svg`, `network.png`, the photo, the maps and `manifest.json`, all or none; returns the folder.

        Raises:
            NotWritten: the disk is full, or the folder may not be written.
            UsageError: the name is that of a file, or another process is writing there.
        """
        with whole_folder(Path(folder)) as part:
            self.write(part)
        return Path(folder)

    def write(self, folder: Path) -> None:
        """Write what `save` does into an empty folder that is part of a larger result."""
        numbered = enumerate(self.view.layers)
        maps = {f"{number}-{each.index}": each.map for number, layer in numbered for each in layer.clusters}
        save_image(self.view.image, folder / "image.png")
        np.savez_compressed(folder / "maps.npz", **maps)  # pyright: ignore[reportArgumentType]
        write_whole(folder / "network.svg", self.svg.encode("utf-8", "replace"))
        self.raster().save(folder / "network.png")
        write_manifest(folder, self.to_dict())

    def _layer_dict(self, number: int, layer: LayerView) -> dict[str, Any]:
        clusters = [
            {
                "index": each.index,
                "weight": each.weight,
                "maps": list(each.maps),
                "map": f"{number}-{each.index}",
                "effect": each.effect._asdict() if each.effect else None,
                "words": [
                    {"label": label, "score": score} for label, score in self.words.get((layer.name, each.index), ())
                ],
            }
            for each in layer.clusters
        ]
        return {
            "name": layer.name,
            "maps": layer.grid.channels,
            "grid": [layer.grid.height, layer.grid.width],
            "weight_kept": layer.weight_kept,
            "outcome": layer.outcome,
            "stability": layer.stability,
            "clusters": clusters,
        }

    def _repr_html_(self) -> str:
        return self.svg


def face(view: NetworkView, cluster: Cluster, longest: int) -> Pixels:
    """What the network saw, lit by a cluster's map, its long side `longest` pixels."""
    return spotlight(cut(view.image.pixels, view.view, max(longest, 8)), cluster.map)


def spoken_card(card: Card, told: Callable[[float], str] = percent) -> str:
    """A card in a sentence."""
    cluster = card.cluster
    maps = "1 map" if len(cluster.maps) == 1 else f"{len(cluster.maps)} maps"
    parts = [f"{card.layer.name}, group {cluster.index + 1}: {maps} with {card.weight} of the layer's weight"]
    if card.words:
        parts.append("people say " + " ".join(card.words))
    if cluster.effect:
        parts.append(
            f"without them the class has {told(cluster.effect.without)}, with their area grey "
            f"{told(cluster.effect.hidden)}, with it filled from around {told(cluster.effect.imputed)}"
        )
    return "; ".join(parts)


def _drawing(view: NetworkView, layout: Layout, spoken: str) -> Drawing:
    photo = cut(view.image.pixels, view.view, _longest(layout.photo))
    shapes = [
        *map(_ribbon, layout.ribbons),
        Picture(*_place(layout.photo), photo, "photo"),
        *(text for column in layout.columns for text in _column(column)),
        *(_card(card, face(view, card.cluster, _longest(card.box)), view.told) for card in layout.cards),
        *map(_class_row, layout.classes),
    ]
    return Drawing(round(layout.width), round(layout.height), spoken, shapes)


def _longest(box: Box) -> int:
    return round(SHARPNESS * max(box.width, box.height))


def _place(box: Box) -> tuple[float, float, float, float]:
    return box.left, box.top, box.width, box.height


def _ribbon(ribbon: Ribbon) -> Line:
    stroke = Stroke(width=0.5 + 7 * ribbon.strength, opacity=0.1 + 0.2 * ribbon.strength)
    joined = {"class": "link", "data_start": ribbon.start, "data_end": ribbon.end}
    return Line(ribbon.points, stroke, eased=True, attributes=joined)


def _column(column: Column) -> Iterator[Text]:
    yield _text(column.x, column.y + 22, column.title, bold=True)
    for top, lines in ((column.y + 41, column.lines), (column.remark_y + 12, column.remark)):
        yield from (_text(column.x, top + 16 * number, line, faint=True) for number, line in enumerate(lines))


def _card(card: Card, pixels: Pixels, told: Callable[[float], str]) -> Group:
    box = card.box
    x, y = (box.left + box.right) / 2, box.bottom + 4
    words = [_text(x, y + (LINE - 1) * number, line, bold=True) for number, line in enumerate(card.words, start=1)]
    y += (LINE - 1) * len(words)
    shapes = [
        Picture(*_place(box), pixels, card.key, card.opacity),
        Rect(*_place(box), stroke=_frame(card), radius=0.06 * min(box.width, box.height)),
        *words,
        _text(x, y + 17, card.effect or card.weight, bold=not words),
        _text(x, y + 33, f"weight {card.weight}" if card.effect else "", faint=True),
    ]
    return Group(shapes, spoken_card(card, told), {"class": "card", "data_key": card.key}, card.key)


def _frame(card: Card) -> Stroke:
    """Orange where the class loses without it, blue where it gains, the bolder the more; dotted where neither."""
    if card.fall is not None and card.confirmed:
        return Stroke(EXPLAINED if card.fall > 0 else AGAINST, width=2 + 3 * min(abs(card.fall), 1))
    return Stroke(opacity=0.3) if card.confirmed is None else Stroke(opacity=0.35, dash=(1.5, 2.5))


def _class_row(row: ClassRow) -> Group:
    x, y, width, _ = _place(row.box)
    share, bold = row.prediction.probability, row.explained
    long = 0 if share is None else max((width - 58) * share, 1)
    name = Text(x, y + 18, row.name, TITLE, bold=bold)
    bar = Rect(x, y + 26, long, 11, Paint(EXPLAINED) if bold else Paint(opacity=PALE), radius=2)
    number = Text(x + long + 8, y + 36, row.prediction.told, 13, bold=bold)
    return Group([name, bar, number], row.prediction.name, {"class": "class"})


def _text(x: float, y: float, words: str, *, bold: bool = False, faint: bool = False) -> Text:
    return Text(x, y, words, SMALL if faint else TITLE, "middle", bold=bold, opacity=FAINT if faint else 1.0)

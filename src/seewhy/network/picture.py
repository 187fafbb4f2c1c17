"""`NetworkPicture`: a network view, drawn, with the words that people have for what is on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from seewhy.draw import percent
from seewhy.network.cards import Faces, draw_faces
from seewhy.network.layout import Layout, lay_out
from seewhy.network.storage import save
from seewhy.network.svg import face_definitions, network_svg
from seewhy.network.view import NetworkView, Words

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def _no_words() -> Words:
    return {}


@dataclass(frozen=True, eq=False)
class NetworkPicture:
    """A view, the `words` on its cards, and `about_words`: where they come from, to be said beside them."""

    view: NetworkView
    words: Words = field(default_factory=_no_words)
    about_words: str = ""

    @cached_property
    def layout(self) -> Layout:
        """All layers in one row."""
        return lay_out(self.view, self.words)

    @cached_property
    def faces(self) -> Faces:
        """What stands on the cards."""
        return draw_faces(self.view, self.layout)

    @property
    def svg(self) -> str:
        """One `<svg>` that needs nothing else."""
        return network_svg(self.layout, self.faces, self.spoken)

    @property
    def spoken(self) -> str:
        """What it shows, in a sentence."""
        groups = sum(len(layer.clusters) for layer in self.view.layers)
        return (
            f"What {self.view.classifier} found in {self.view.image.name} that speaks for {self.view.target_label} "
            f"({percent(self.view.probability)}): {groups} groups of maps in {len(self.view.layers)} layers, the first "
            "at the left; each group is the photo, lit where it responds"
        )

    def raster(self) -> Picture:
        """The same on white paper, as pixels."""
        from seewhy.network.raster import network_raster

        return network_raster(self.layout, self.faces)

    def definitions(self, name: str) -> str:
        """Pictures for `inside` and `folded` of this name, to stand in a page before them."""
        return face_definitions(self.faces, name)

    def inside(self, name: str) -> str:
        """The `<svg>` for a page."""
        return network_svg(self.layout, self.faces, self.spoken, inside=name)

    def folded(self, name: str) -> str:
        """The same in two rows, for paper."""
        half = -(-len(self.view.layers) // 2)
        return network_svg(lay_out(self.view, self.words, max(half, 1)), self.faces, self.spoken, inside=name)

    def save(self, folder: str | Path) -> Path:
        """Write `network.svg`, `network.png`, the photo, the maps and `manifest.json`; returns the folder."""
        saved = save(self.view, Path(folder), self.words)
        (saved / "network.svg").write_text(self.svg, "utf-8")
        self.raster().save(saved / "network.png")
        return saved

    def _repr_html_(self) -> str:
        return self.svg

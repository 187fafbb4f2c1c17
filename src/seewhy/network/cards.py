"""The faces of the cards: the photo, lit where a cluster responds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from seewhy.draw import cut, spotlight
from seewhy.draw.colors import Pixels
from seewhy.network.layout import Layout
from seewhy.network.view import Cluster, NetworkView

PHOTO = "photo"
Faces: TypeAlias = Mapping[str, Pixels]  # by the keys of the cards; the photo itself by PHOTO
SHARPNESS = 2.5  # pixels of a picture to a pixel of the layout: screens are fine, and people zoom


def draw_faces(view: NetworkView, layout: Layout) -> Faces:
    """What stands on every card of a layout, a few times finer than the layout."""
    boxes = {PHOTO: layout.photo, **{card.key: card.box for card in layout.cards}}
    sides = {key: round(SHARPNESS * max(box.width, box.height)) for key, box in boxes.items()}
    photo = cut(view.image.pixels, view.view, sides[PHOTO])
    return {PHOTO: photo} | {card.key: face(view, card.cluster, sides[card.key]) for card in layout.cards}


def face(view: NetworkView, cluster: Cluster, longest: int) -> Pixels:
    """What the network saw, lit by a cluster's map, its long side `longest` pixels."""
    return spotlight(cut(view.image.pixels, view.view, max(longest, 8)), cluster.map)

"""This looks like that, as pictures: a place in the photo beside the patch that it looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from seewhy.draw import Tile, boxed, fit, panel
from seewhy.errors import UsageError
from seewhy.prototypes.explaining import Match, PrototypeExplanation
from seewhy.prototypes.model import Prototype

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from seewhy.images.image import Pixels

SIDE = 320
SHOWN = 6
GAP = 6


def place_picture(found: PrototypeExplanation, match: Match, longest: int = SIDE) -> Pixels:
    """What the network saw of the photo, with a box round what looks like the prototype."""
    left, top, right, bottom = found.view
    rows, columns = slice(max(round(top), 0), round(bottom)), slice(max(round(left), 0), round(right))
    box = (match.box.left - left, match.box.top - top, match.box.right - left, match.box.bottom - top)
    return boxed(found.image.pixels[rows, columns], box, longest=longest)


def prototype_picture(prototype: Prototype, longest: int = SIDE) -> Pixels:
    """What the network saw of the training picture, with a box round the patch.

    Raises:
        UsageError: the prototype is no patch of a picture.
    """
    if prototype.picture is None:
        raise UsageError("these prototypes were never made patches of training pictures, so there is nothing to show")
    return boxed(prototype.picture.pixels, prototype.box, longest=longest)


def match_words(match: Match) -> str:
    """How many points, and what for."""
    return f"likeness {match.similarity:.2f} × weight {match.weight:.2f} = {_signed(match.points)} points"


def explanation_panel(found: PrototypeExplanation) -> Picture:
    """The photo, and for the class predicted the best matches, each beside the training picture that it looks like."""
    best = found.predictions[0]
    matches = [each for each in found.matches(best.index) if each.prototype.picture][:SHOWN]
    tiles = [
        Tile(_pair(place_picture(found, each), prototype_picture(each.prototype)), match_words(each))
        for each in matches
    ]
    points = float(found.points(best.index).sum())
    start, score = found.start(best.index), float(found.scores[best.index])
    return panel(
        found.image.pixels,
        found.view,
        tiles or [Tile(fit(found.image.pixels, SIDE), "no prototype speaks for this class")],
        title=f"Why “{best.name}” ({best.probability:.1%})? This looks like that",
        caption=(
            f"Start {_signed(start)}, prototypes {_signed(points)}, score {_signed(score)}. Left the photo, "
            f"right a training picture of {best.name}; the boxes show what is alike · {found.image.name}"
        ),
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def _pair(left: Pixels, right: Pixels) -> Pixels:
    """Two pictures of one height side by side."""
    height = min(left.shape[0], right.shape[0])
    one, other = (_as_high(each, height) for each in (left, right))
    return np.concatenate([one, np.full((height, GAP, 3), 255, np.uint8), other], axis=1)


def _as_high(pixels: Pixels, height: int) -> Pixels:
    width = max(1, round(height * pixels.shape[1] / pixels.shape[0]))
    return np.asarray(Image.fromarray(pixels).resize((width, height)))

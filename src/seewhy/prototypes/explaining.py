"""This looks like that: what a prototype network finds in a picture, the points it gives for it, as pictures too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.ndimage import find_objects, label
from torch.nn import functional

from seewhy.core.progress import Progress, silent
from seewhy.draw import Tile, boxed, crop, fit, panel
from seewhy.draw.canvas import beside
from seewhy.errors import UsageError
from seewhy.images import Image
from seewhy.models import Box, Prediction
from seewhy.prototypes.model import Prototype, PrototypeModel

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from seewhy.images.image import Pixels

Numbers = NDArray[np.float32]

TOP = 0.95  # of all pixels, those above this share
SIDE = 320
SHOWN = 6
GAP = 6


@dataclass(frozen=True)
class Match:
    """Where a picture is most similar to a prototype, how similar, and the points that a class gets for it."""

    number: int
    prototype: Prototype
    similarity: float
    weight: float
    box: Box  # in pixels of the upright picture

    @property
    def points(self) -> float:
        """Similarity × weight."""
        return self.similarity * self.weight

    @property
    def words(self) -> str:
        """How many points, and what for."""
        return f"similarity {self.similarity:.2f} × weight {self.weight:.2f} = {_signed(self.points)} points"


@dataclass(frozen=True, eq=False)
class PrototypeExplanation:
    """What each prototype of a model finds in one picture.

    Attributes:
        image: the picture.
        view: the part that the network saw, in pixels of the picture.
        maps: `(J, h, w)`, the similarity of each patch to each prototype.
        scores: `(K,)`, the network's logits.
        predictions: all classes, best first.
        model: whose prototypes they are.
    """

    image: Image
    view: Box
    maps: Numbers = field(repr=False)
    scores: Numbers
    predictions: tuple[Prediction, ...]
    model: PrototypeModel = field(repr=False)

    @property
    def similarities(self) -> Numbers:
        """The largest similarity to each prototype, `(J,)`."""
        return self.maps.max((1, 2))

    def start(self, label: int) -> float:
        """The points that a class has before anything is found."""
        return float(self.model.network.head.bias[label])

    def points(self, label: int) -> Numbers:
        """What each prototype gives to a class, `(J,)`; with its start they add up to its score."""
        return self.model.network.head.weights[label].cpu().numpy() * self.similarities

    def matches(self, label: int) -> list[Match]:
        """The prototypes that change a class's score, those with most points first."""
        points = self.points(label)
        order = np.argsort(-np.abs(points), kind="stable").tolist()
        size, similarities = self.model.preprocessing.size, self.similarities.tolist()
        weights = self.model.network.head.weights[label].tolist()
        return [
            Match(
                number,
                self.model.prototypes[number],
                similarities[number],
                weights[number],
                on_picture(peak_box(self.maps[number], size), size, self.view),
            )
            for number in order
            if points[number]
        ]


def explain_by_prototypes(
    model: PrototypeModel, images: Sequence[Image], progress: Progress = silent
) -> list[PrototypeExplanation]:
    """Compare every picture with the prototypes; one forward each."""
    classifier, head = model.classifier, model.network.head
    found: list[PrototypeExplanation] = []
    for done, image in enumerate(images):
        progress(done, len(images), "pictures")
        with torch.no_grad():
            maps = head.similarity(head.distances(model.network.backbone(classifier.preprocess([image]))))
            scores = head.score(maps.amax((2, 3)))[0]
        ranked, view = tuple(classifier.ranked(scores.softmax(0), len(scores))), model.preprocessing.view(image)
        found.append(PrototypeExplanation(image, view, maps[0].cpu().numpy(), scores.cpu().numpy(), ranked, model))
    return found


# --- Boxes --------------------------------------------------------------------------------------------------------


def peak_box(similarity: np.ndarray, size: tuple[int, int]) -> Box:
    """Where a map `(h, w)` is highest, as a box in pixels of an input of `size` (height, width).

    Source: Chen et al.'s code, helpers.py: the bounding box of the 5 % highest pixels of the map, enlarged bicubically.
    We differ: of several islands only that of the best cell counts, since a box round all may hold nothing similar.
    """
    grid = torch.from_numpy(np.ascontiguousarray(similarity, np.float32))[None, None]
    large = functional.interpolate(grid, size, mode="bicubic", align_corners=False)[0, 0].numpy()
    # Between two high cells the enlarged map may rise above the best one.
    best = np.unravel_index(similarity.argmax(), similarity.shape)
    middle = tuple(((np.array(best) + 0.5) * size / similarity.shape).astype(int))
    islands: np.ndarray = label(large >= min(np.quantile(large, TOP), large[middle]))[0]  # pyright: ignore[reportIndexIssue]
    rows, columns = find_objects(islands)[islands[middle] - 1]
    return Box(float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))


def on_picture(box: Box, size: tuple[int, int], view: Box) -> Box:
    """A box in pixels of the input in pixels of the upright picture, of which the input shows `view`."""
    across, down = view.width / size[1], view.height / size[0]
    return Box(
        view.left + box.left * across,
        view.top + box.top * down,
        view.left + box.right * across,
        view.top + box.bottom * down,
    )


# --- Pictures -----------------------------------------------------------------------------------------------------


def place_picture(found: PrototypeExplanation, match: Match, longest: int = SIDE) -> Pixels:
    """What the network saw of the photo, with a box round what is similar to the prototype."""
    pixels, within = crop(found.image.pixels, found.view)
    left, top = found.view.left - within[0], found.view.top - within[1]  # where the pixels begin
    box = (match.box.left - left, match.box.top - top, match.box.right - left, match.box.bottom - top)
    return boxed(pixels, box, longest=longest)


def prototype_picture(prototype: Prototype, longest: int = SIDE) -> Pixels:
    """What the network saw of the training picture, with a box round the patch.

    Raises:
        UsageError: the prototype is no patch of a picture.
    """
    if prototype.picture is None:
        raise UsageError("these prototypes were never made patches of training pictures, so there is nothing to show")
    return boxed(prototype.picture.pixels, prototype.box, longest=longest)


def explanation_panel(found: PrototypeExplanation) -> Picture:
    """The photo, and for the class predicted the best matches, each beside the training picture of the prototype."""
    best = found.predictions[0]
    matches = [each for each in found.matches(best.index) if each.prototype.picture][:SHOWN]
    tiles = [Tile(_pair(place_picture(found, each), prototype_picture(each.prototype)), each.words) for each in matches]
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
    one, other = (
        Pillow.fromarray(each).resize((max(1, round(height * each.shape[1] / each.shape[0])), height))
        for each in (left, right)
    )
    return np.asarray(beside([one, other], GAP))

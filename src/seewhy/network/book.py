"""A book of concepts: for each chosen layer a dictionary over many photos, with crops that show each concept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seewhy.core.progress import Progress, silent
from seewhy.draw import cut
from seewhy.errors import UsageError
from seewhy.images import Image, open_image
from seewhy.images.image import Pixels
from seewhy.models import Box, Classifier, Grid, Target, capture, folded
from seewhy.models.state import undisturbed
from seewhy.network.dictionary import Dictionary, coded, find_dictionary
from seewhy.network.layers import default_layers
from seewhy.network.parts import taken_out_of, watched_photo

Opened = Callable[[int], Image]

BATCH = 16
ROWS = 8_000  # places of which a dictionary is made
EXAMPLES = 3  # crops of a concept, each of another photo
CROP, SIDE = 0.4, 160  # of the picture's side; pixels
FEWEST = 8  # photos
COUNT = 25  # concepts to look for in a layer
TELLING = 0.1  # nats that an answer says of its photo; an untrained network says next to none


@dataclass(frozen=True, eq=False)
class Example:
    """A crop of a photo about the place where a concept is strongest; one in a file is read when it is looked at."""

    photo: str
    crop: Pixels | Path

    @cached_property
    def pixels(self) -> Pixels:
        """Of the crop."""
        return open_image(self.crop).pixels if isinstance(self.crop, Path) else self.crop


@dataclass(frozen=True, eq=False)
class Concept:
    """A direction of a layer; `key` names it within the book.

    `share` is its part of the squares of the layer's activations, `peak` how strong it is in the weakest of its
    `examples`, at the strongest place. `importance` is what the probability of the predicted
    class loses without it, as a share, the mean over its `examples`.
    """

    key: str
    vector: Tensor
    stability: float
    share: float
    importance: float
    peak: float
    examples: tuple[Example, ...]


@dataclass(frozen=True, eq=False)
class LayerConcepts:
    """The concepts of one layer that are stable, and how many are not or were doubles.

    `unexplained` is the share of the layer's activations that none of them explains, `least` what as many directions of
    any kind leave at least.
    """

    layer: str
    grid: Grid
    concepts: tuple[Concept, ...]
    unexplained: float
    least: float
    unstable: int
    merged: int
    signed: bool

    @property
    def vectors(self) -> Tensor:
        """All of them, `(k, C)`."""
        found = [each.vector for each in self.concepts]
        return torch.stack(found) if found else torch.zeros((0, self.grid.channels))


@dataclass(frozen=True, eq=False)
class ConceptBook:
    """The concepts of a network's layers over `photos` photos.

    `telling` is how much an answer says of its photo, in nats: the mutual information of photo and class. `words` are
    those that stand on concepts, by key; `proposals` what a model proposes for them.
    """

    classifier: str
    fingerprint: str
    photos: int
    layers: tuple[LayerConcepts, ...]
    telling: float
    seed: int
    words: Mapping[str, Word] = field(default_factory=dict[str, "Word"])
    proposals: Mapping[str, Proposal] = field(default_factory=dict[str, "Proposal"])

    @property
    def verdict(self) -> str | None:
        """Why its concepts are not to be relied on; None where they are."""
        if self.telling < TELLING:
            return "not stable: the network says nearly the same of every photo, so that nothing it sees is a concept"
        if not any(layer.concepts for layer in self.layers):
            return "not stable: no concept is found again from other photos; take more of them"
        return None

    def name(self, key: str) -> str:
        """What people call a concept, or its key."""
        return self.words[key].text if key in self.words else f"concept {key}"


@dataclass(frozen=True)
class Word:
    """What `people` of `asked` call a concept."""

    text: str
    people: int
    asked: int

    @property
    def givers(self) -> str:
        """How many say so."""
        return f"{self.people} of {self.asked} people"

    @property
    def told(self) -> str:
        """The word, and who says so."""
        return f"{self.text} ({self.givers})"


@dataclass(frozen=True)
class Proposal:
    """Words that a model proposes for a concept, the likeliest first; no person said them."""

    words: tuple[str, ...]
    model: str

    @property
    def told(self) -> str:
        """The words, and that a machine says so."""
        return f"perhaps {', '.join(self.words)} (proposed by {self.model}, said by nobody)"


def concept_layers(classifier: Classifier) -> tuple[str, ...]:
    """Three layers: two on the way, and the one that the decision reads."""
    found = default_layers(classifier)
    last = classifier.default_layer
    way = [found[len(found) // 3], found[-(len(found) // 3 + 1)]]
    return tuple(dict.fromkeys([*(each for each in way if each != last), last]))


@undisturbed()
def build_book(
    classifier: Classifier,
    opened: Opened,
    count: int,
    *,
    layers: Sequence[str] = (),
    concepts: int = COUNT,
    seed: int = 0,
    progress: Progress = silent,
) -> ConceptBook:
    """Find the concepts of each layer over `count` photos, of which `opened` gives one by its number.

    Args:
        classifier: it must offer layers.
        opened: a photo by its number; called several times for each, so that memory holds a batch of them.
        count: how many photos.
        layers: which; without any, see `concept_layers`.
        concepts: how many to look for in each layer.
        seed: of all randomness.
        progress: told of photos and concepts.

    Raises:
        UsageError: fewer than eight photos.
        ExplainError: a layer has no grid.
    """
    if count < FEWEST:
        raise UsageError(f"concepts are what many photos share; give {FEWEST} photos at least, not {count}")
    place = {layer.name: number for number, layer in enumerate(classifier.layers)}
    names = sorted(dict.fromkeys(layers or concept_layers(classifier)), key=lambda name: place.get(name, -1))
    grids = {name: classifier.require_grid(name) for name in names}
    generator = torch.Generator().manual_seed(seed)
    rows: dict[str, list[Tensor]] = {name: [] for name in names}
    logits: list[Tensor] = []

    def sample(_first: int, maps: Mapping[str, Tensor], answers: Tensor) -> None:
        logits.append(answers)
        for name, each in maps.items():
            places = each.flatten(2).transpose(1, 2)
            each_photo = max(min(ROWS // count, places.shape[1]), 1)
            picked = torch.stack([torch.randperm(places.shape[1], generator=generator)[:each_photo] for _ in each])
            rows[name].append(torch.stack([one[places_of] for one, places_of in zip(places, picked, strict=True)]))

    _watch(classifier, opened, count, grids, sample, progress)
    found: dict[str, Dictionary] = {}
    for name in names:
        sampled = torch.cat(rows.pop(name))
        photos = torch.arange(len(sampled)).repeat_interleave(sampled.shape[1])
        found[name] = find_dictionary(sampled.flatten(0, 1), photos, concepts, seed=seed, progress=progress)
    places = _strongest(classifier, opened, count, grids, found, progress)
    book = tuple(
        _layer(classifier, opened, name, number, grids[name], found[name], places[name], progress)
        for number, name in enumerate(names)
    )
    shares = classifier.head.probabilities(torch.cat(logits))
    telling = math.inf if classifier.head.meaning == "values" else _information(shares)
    return ConceptBook(classifier.name, classifier.fingerprint, count, book, telling, seed)


def _watch(
    classifier: Classifier,
    opened: Opened,
    count: int,
    grids: Mapping[str, Grid],
    tell: Callable[[int, Mapping[str, Tensor], Tensor], None],
    progress: Progress,
) -> None:
    """Run photos batch by batch; `tell` gets the number of the first, maps `(n, C, h, w)` by layer, and logits."""
    size = 1 if classifier.head.alone else BATCH
    for first in range(0, count, size):
        progress(first, count, "photos")
        images = [opened(number) for number in range(first, min(first + size, count))]
        with capture(classifier.module, list(grids), gradients=False) as seen:
            logits = classifier.logits(classifier.preprocess(images)).float().cpu()
            maps = {name: folded(grid, seen[name]).float().cpu() for name, grid in grids.items()}
        tell(first, maps, logits)


def _strongest(
    classifier: Classifier,
    opened: Opened,
    count: int,
    grids: Mapping[str, Grid],
    found: Mapping[str, Dictionary],
    progress: Progress,
) -> dict[str, list[list[tuple[int, int, float]]]]:
    """By layer, of each concept the photos and places where it is strongest, the strongest first, and how strong."""
    peaks: dict[str, list[Tensor]] = {name: [] for name in grids}
    cells: dict[str, list[Tensor]] = {name: [] for name in grids}

    def look(_first: int, maps: Mapping[str, Tensor], _logits: Tensor) -> None:
        for name, each in maps.items():
            amounts = coded(each.flatten(2).transpose(1, 2).flatten(0, 1), found[name].vectors)
            peak = amounts.view(len(each), math.prod(grids[name].size), len(found[name].vectors)).max(1)
            peaks[name].append(peak.values)
            cells[name].append(peak.indices)

    _watch(classifier, opened, count, grids, look, progress)
    strongest: dict[str, list[list[tuple[int, int, float]]]] = {}
    for name in grids:
        height, where = torch.cat(peaks[name]), torch.cat(cells[name])
        order = height.argsort(0, descending=True)[:EXAMPLES]
        strongest[name] = [
            [
                (photo, int(where[photo, each]), peak)
                for photo in order[:, each].tolist()
                if (peak := float(height[photo, each])) > 0
            ]
            for each in range(height.shape[1])
        ]
    return strongest


def _layer(
    classifier: Classifier,
    opened: Opened,
    name: str,
    number: int,
    grid: Grid,
    found: Dictionary,
    places: Sequence[Sequence[tuple[int, int, float]]],
    progress: Progress,
) -> LayerConcepts:
    concepts: list[Concept] = []
    for index, vector in enumerate(found.vectors):
        progress(index, len(found.vectors), f"examples at {name}")
        shown: list[Example] = []
        losses: list[float] = []
        for photo, cell, _ in places[index]:
            image = opened(photo)
            shown.append(Example(image.name, _crop(image, classifier.preprocessing.view(image), grid, cell)))
            losses.append(_loss(classifier, image, name, grid, found.vectors, index))
        importance = float(np.mean(losses)) if losses else 0.0
        share, stability = found.shares[index], found.stability[index]
        peak = min((strong for _, _, strong in places[index]), default=0.0)
        concepts.append(Concept(f"{number}-{index}", vector, stability, share, importance, peak, tuple(shown)))
    left = found.unexplained, found.least
    return LayerConcepts(name, grid, tuple(concepts), *left, found.unstable, found.merged, found.signed)


def _loss(classifier: Classifier, image: Image, layer: str, grid: Grid, vectors: Tensor, index: int) -> float:
    """The share of the predicted class's probability that is gone without a concept."""
    out = taken_out_of(watched_photo(classifier, image, [layer]), layer, grid, vectors, [[index]])
    target = Target(int(classifier.head.likeliest(out.logits)), chosen="predicted")
    whole, without = classifier.head.probability(torch.stack([out.logits, out.without[0]]), target).tolist()
    return (whole - without) / max(abs(whole), 1e-9)


def _crop(image: Image, view: Box, grid: Grid, cell: int) -> Pixels:
    row, column = divmod(cell, grid.width)
    across, down = CROP * view.width, CROP * view.height
    x, y = view.left + (column + 0.5) * view.width / grid.width, view.top + (row + 0.5) * view.height / grid.height
    left = min(max(x - across / 2, view.left), view.right - across)
    top = min(max(y - down / 2, view.top), view.bottom - down)
    return cut(image.pixels, Box(left, top, left + across, top + down), SIDE)


def _information(shares: Tensor) -> float:
    """The mutual information of photo and class of probabilities `(n, K)`, in nats."""
    each = shares.double() / shares.double().sum(1, keepdim=True).clamp(min=1e-12)

    def entropy(of: Tensor) -> Tensor:
        return -torch.special.xlogy(of, of).sum(-1)

    return float(entropy(each.mean(0)) - entropy(each).mean())


def described(book: ConceptBook) -> dict[str, Any]:
    """All but arrays and pictures, as plain JSON values."""
    return {
        "classifier": book.classifier,
        "fingerprint": book.fingerprint,
        "photos": book.photos,
        "telling": None if math.isinf(book.telling) else book.telling,
        "seed": book.seed,
        "verdict": book.verdict,
        "layers": [
            {
                "layer": each.layer,
                "grid": [each.grid.layout, each.grid.channels, each.grid.height, each.grid.width, each.grid.prefix],
                "unexplained": each.unexplained,
                "least": each.least,
                "unstable": each.unstable,
                "merged": each.merged,
                "signed": each.signed,
                "concepts": [
                    {
                        "key": one.key,
                        "stability": one.stability,
                        "share": one.share,
                        "importance": one.importance,
                        "peak": one.peak,
                        "examples": [shown.photo for shown in one.examples],
                    }
                    for one in each.concepts
                ],
            }
            for each in book.layers
        ],
    }

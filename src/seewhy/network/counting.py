"""A class in a book's concepts: in how many of its photos each concept is, and whether it adds to the class there.

A concept counts for the class where taking it out of its layer lowers the score. Whether it does so in more photos than
a coin would say is a sign test, corrected for all concepts asked (Holm). It is not made of fewer than ten photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seewhy.core.statistics import LEVEL, Share, holm, wilson
from seewhy.network.book import ConceptBook, LayerConcepts
from seewhy.network.parts import LayerParts

FEWEST = 10  # photos, for a verdict


@dataclass(frozen=True)
class ConceptCount:
    """A concept over the photos of a class.

    `here` is the share of photos it is in, `added` what it adds to the score, the mean over all photos, `rises` of
    `moved` photos in which it moves the score it adds. `p` is corrected; None where photos are few.
    """

    key: str
    layer: str
    here: Share
    added: float
    rises: int
    moved: int
    p: float | None

    @property
    def verdict(self) -> str:
        """What may be said of it."""
        if self.p is None:
            return "too few photos"
        if self.p >= LEVEL:
            return "no more than chance"
        return "raises the class" if 2 * self.rises > self.moved else "lowers the class"


@dataclass(frozen=True)
class WordCount:
    """A word of people: the share of photos with a concept of that name, for each layer of the book, early to late."""

    word: str
    shares: tuple[float, ...]

    @property
    def late(self) -> float:
        """How much more often it is found in the last layer than in the first."""
        return self.shares[-1] - self.shares[0]


@dataclass(frozen=True)
class ConceptCounts:
    """The concepts of each layer, the one in most photos first; words, the latest first; and how many photos."""

    layers: tuple[tuple[ConceptCount, ...], ...]
    words: tuple[WordCount, ...]
    photos: int


def counted(book: ConceptBook, photos: Sequence[Sequence[LayerParts]]) -> ConceptCounts:
    """What photos of a class, at least one, say together; each has its parts layer by layer, as the book has layers."""
    raw = [
        _layer(layer, [each[number] for each in photos]) for number, layer in enumerate(book.layers) if layer.concepts
    ]
    if len(photos) >= FEWEST:
        corrected = iter(holm([_sign_test(rises, moved) for layer in raw for *_, rises, moved in layer]))
    else:
        corrected = iter([None] * sum(map(len, raw)))
    layers = tuple(
        tuple(
            ConceptCount(key, name, wilson(here, len(photos)), added, rises, moved, next(corrected))
            for key, name, here, added, rises, moved in layer
        )
        for layer in raw
    )
    ordered = tuple(tuple(sorted(layer, key=lambda each: -each.here.value)) for layer in layers)
    return ConceptCounts(ordered, _words(book, photos), len(photos))


def _layer(layer: LayerConcepts, parts: Sequence[LayerParts]) -> list[tuple[str, str, int, float, int, int]]:
    found: list[tuple[str, str, int, float, int, int]] = []
    for concept in layer.concepts:
        mine = [part for each in parts for part in each.parts if part.key == concept.key]
        added = [part.added for part in mine]
        here = sum(part.here for part in mine)
        rises, moved = sum(each > 0 for each in added), sum(each != 0 for each in added)
        found.append((concept.key, layer.layer, here, float(np.sum(added)) / len(parts), rises, moved))
    return found


def _sign_test(rises: int, moved: int) -> float:
    from scipy.stats import binomtest

    return float(binomtest(rises, moved).pvalue) if moved else 1.0


def _words(book: ConceptBook, photos: Sequence[Sequence[LayerParts]]) -> tuple[WordCount, ...]:
    """For each word how often it stands on a photo in each layer, whichever of its concepts is there."""
    found: list[WordCount] = []
    for word in dict.fromkeys(each.text for each in book.words.values()):
        keys = {key for key, each in book.words.items() if each.text == word}
        shares = [
            float(np.mean([any(part.key in keys for part in each[number].found) for each in photos]))
            for number in range(len(book.layers))
        ]
        found.append(WordCount(word, tuple(shares)))
    return tuple(sorted(found, key=lambda each: (-each.late, each.word)))

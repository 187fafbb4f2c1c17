"""Concepts: many photos in, a book of concepts out; photos and a book in, what each concept adds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from seewhy import __version__
from seewhy.core.folders import write_manifest
from seewhy.core.outcome import Outcome, attempt
from seewhy.core.progress import Progress, silent
from seewhy.errors import UsageError
from seewhy.images import Image, open_image
from seewhy.images.opening import open_each
from seewhy.models import Classifier, Target
from seewhy.network.book import COUNT, Concept, ConceptBook, build_book, described
from seewhy.network.book_files import book_hash, name_concept, open_concepts, write_book
from seewhy.network.counting import ConceptCounts, counted
from seewhy.network.naming import Fate, fates, known_as, next_concept, propose, sayings, write_proposals
from seewhy.network.parts import LayerParts, PhotoConcepts, parts_of, watched_photo
from seewhy.report.concepts import book_page, counts_page, photos_page
from seewhy.report.page import save_page
from seewhy.verbs.result import PhotoResults, Result

__all__ = [
    "BuiltConcepts",
    "ConceptsResult",
    "CountsResult",
    "ToName",
    "build_concepts",
    "count_concepts",
    "explain_concepts",
    "name_concept",
    "open_concepts",
    "propose_words",
    "to_name",
]
SCHEMA = 1


@dataclass(frozen=True, eq=False)
class BuiltConcepts(Result):
    """A book of concepts, and the photos that could not be opened."""

    book: ConceptBook
    failures: Sequence[Outcome[Any]] = ()

    @override
    def to_dict(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "seewhy": __version__, **described(self.book)}

    @override
    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "layer": layer.layer,
                "concept": each.key,
                "stability": each.stability,
                "share of the layer": f"{each.share:.1%}",
                "lost without it": f"{each.importance:.0%}",
            }
            for layer in self.book.layers
            for each in layer.concepts
        ]

    @override
    def page(self) -> str:
        return book_page(self.book, self.failures)

    @override
    def write(self, folder: Path) -> None:
        save_page(folder, self.page())
        write_book(folder, self.book)
        write_manifest(folder, self.to_dict())


def build_concepts(
    classifier: Classifier,
    sources: Sequence[str | Path],
    *,
    layers: Sequence[str] = (),
    concepts: int = COUNT,
    seed: int = 0,
    progress: Progress = silent,
) -> BuiltConcepts:
    """Find what a network sees in many photos: for each layer a dictionary of concepts, those that are stable.

    Args:
        classifier: from `seewhy.load` or `Classifier.from_module`; it must offer layers.
        sources: paths of photos, eight at least; some hundreds are well.
        layers: which; without any, two on the way and the one that the decision reads.
        concepts: how many to look for in each layer.
        seed: of all randomness.
        progress: told of the work done; may raise `Cancelled`.

    Raises:
        UsageError: too few photos can be opened.
        ExplainError: a layer has no grid.
    """
    paths = [Path(each) for each in sources]
    opened, failures = open_each(paths)
    readable = list(opened)
    del opened
    book = build_book(
        classifier,
        lambda number: open_image(readable[number]),
        len(readable),
        layers=layers,
        concepts=concepts,
        seed=seed,
        progress=progress,
    )
    return BuiltConcepts(book, failures)


@dataclass(frozen=True, eq=False)
class ConceptsResult(PhotoResults[PhotoConcepts]):
    """Photos in concepts; parts and rest of each layer add up to the score."""

    found: Sequence[PhotoConcepts]
    book: ConceptBook
    failures: Sequence[Outcome[Any]] = ()

    @override
    def values(self, each: PhotoConcepts) -> dict[str, Any]:
        return {
            "image": {"name": each.image.name, "sha256": each.image.sha256},
            "target": each.label,
            "probability": each.probability,
            "predictions": [one.to_dict() for one in each.predictions],
            "layers": [
                {
                    "layer": layer.layer,
                    "score": layer.score,
                    "rest": layer.rest,
                    "together": layer.together,
                    "missed": layer.missed,
                    "parts": [
                        {
                            "concept": part.key,
                            "word": self.book.words[part.key].text if part.key in self.book.words else None,
                            "here": part.here,
                            "added": part.added,
                            "without": part.without,
                        }
                        for part in layer.parts
                    ],
                }
                for layer in each.layers
            ],
        }

    @override
    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "image": each.image.name,
                "why": each.label,
                "layer": layer.layer,
                "concept": self.book.name(part.key),
                "adds": part.added,
                "without it": part.without,
            }
            for each in self.found
            for layer in each.layers
            for part in layer.found
        ]

    @override
    def page(self) -> str:
        return photos_page(self.found, self.book, self.failures)

    @override
    def write_photo(self, each: PhotoConcepts, folder: Path) -> None:
        maps = {part.key: part.map for layer in each.layers for part in layer.parts}
        np.savez_compressed(folder / "maps.npz", **maps)  # pyright: ignore[reportArgumentType]


def explain_concepts(
    classifier: Classifier,
    sources: Sequence[str | Path],
    book: ConceptBook,
    target: str | int | Target | None = None,
    progress: Progress = silent,
) -> ConceptsResult:
    """What concepts of a book are in photos, where, and how much each adds to the score.

    Args:
        classifier: that of the book.
        sources: paths of photos.
        book: from `build_concepts` or `open_concepts`.
        target: class index, name or "A vs B"; without it the class that the classifier predicts.
        progress: told of photos.

    Raises:
        UsageError: the book is of another network, or a name is unknown.
    """
    check_book(classifier, book)
    asked = None if target is None else classifier.target(target)
    outcomes: list[Outcome[PhotoConcepts]] = []
    for done, source in enumerate(sources):
        progress(done, len(sources), "photos")
        outcomes.append(
            attempt(source, lambda source=source: _in_concepts(classifier, open_image(source), book, asked))
        )
    found = [each.value for each in outcomes if each.value]
    return ConceptsResult(found, book, [each for each in outcomes if each.error])


@dataclass(frozen=True, eq=False)
class ToName:
    """The concept whose crops a player is to see next, to call it by a word; None when they have seen all.

    They have seen `seen` of the book's `concepts`; `said` is what has become of their words, in the order they came.
    """

    concept: Concept | None
    seen: int
    concepts: int
    said: Sequence[Fate]


def to_name(folder: str | Path, player: str) -> ToName:
    """What a player is to name next, and how far they are. Concepts that few people were asked about come first."""
    root = Path(folder)
    book = open_concepts(root)
    said = sayings(root, book_hash(root))
    known = {each.key: each for layer in book.layers for each in layer.concepts}
    player = known_as((each.player for each in said), player)
    seen = {each.concept for each in said if each.player == player and not each.refused}
    key = next_concept(book, said, player)
    return ToName(known[key] if key else None, len(seen), len(known), fates(said, player))


def propose_words(folder: str | Path, namer: Classifier) -> ConceptBook:
    """Let a model that compares pictures with words propose some for each concept, for people to judge.

    They are marked as a machine's wherever they appear, and name nothing: a word stands once two people say it.

    Args:
        folder: of a book of concepts.
        namer: a classifier whose classes are the words to choose from, such as `load("hf-hub:…", …)` of CLIP.

    Raises:
        UsageError: the classifier gives values.
    """
    root = Path(folder)
    book = open_concepts(root)
    write_proposals(root, book_hash(root), namer.name, propose(book, namer))
    return open_concepts(root)


@dataclass(frozen=True, eq=False)
class CountsResult(Result):
    """A class in a book's concepts, over its photos."""

    name: str
    counts: ConceptCounts
    book: ConceptBook
    failures: Sequence[Outcome[Any]] = ()

    @override
    def to_dict(self) -> dict[str, Any]:
        return {
            "class": self.name,
            "photos": self.counts.photos,
            "concepts": [
                {
                    "concept": each.key,
                    "word": self.book.words[each.key].text if each.key in self.book.words else None,
                    "layer": each.layer,
                    "here": each.here._asdict(),
                    "added": each.added,
                    "rises": each.rises,
                    "moved": each.moved,
                    "p": each.p,
                    "verdict": each.verdict,
                }
                for layer in self.counts.layers
                for each in layer
            ],
            "words": [{"word": each.word, "shares": list(each.shares)} for each in self.counts.words],
        }

    @override
    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "layer": each.layer,
                "concept": self.book.name(each.key),
                "in photos": f"{each.here.value:.0%}",
                "adds": each.added,
                "p": each.p,
                "so": each.verdict,
            }
            for layer in self.counts.layers
            for each in layer
        ]

    @override
    def page(self) -> str:
        return counts_page(self.name, self.counts, self.book, self.failures)


def count_concepts(
    classifier: Classifier,
    sources: Sequence[str | Path],
    book: ConceptBook,
    target: str | int | Target,
    progress: Progress = silent,
) -> CountsResult:
    """In how many photos of a class each concept is, early layers against late ones, and which raise the class.

    Args:
        classifier: that of the book.
        sources: photos of the class; of fewer than ten nothing is said of what raises it.
        book: from `build_concepts` or `open_concepts`.
        target: the class, by index or name.
        progress: told of photos.

    Raises:
        UsageError: the book is of another network, a name is unknown, or no photo can be opened.
    """
    check_book(classifier, book)
    asked, failures = classifier.target(target), list[Outcome[Any]]()
    photos: list[tuple[LayerParts, ...]] = []
    for done, source in enumerate(sources):
        progress(done, len(sources), "photos")
        found = attempt(source, lambda source=source: _in_concepts(classifier, open_image(source), book, asked).layers)
        if found.value is not None:
            photos.append(found.value)
        else:
            failures.append(found)
    if not photos:
        raise UsageError("no photo could be opened, so no concept can be counted")
    return CountsResult(asked.label(classifier.categories), counted(book, photos), book, failures)


def check_book(classifier: Classifier, book: ConceptBook) -> None:
    """Refuse a book of another network.

    Raises:
        UsageError: it is.
    """
    if book.fingerprint != classifier.fingerprint:
        raise UsageError(f"the concepts are those of {book.classifier} with other weights than {classifier.name}")


def _in_concepts(classifier: Classifier, image: Image, book: ConceptBook, asked: Target | None) -> PhotoConcepts:
    head, run = classifier.head, watched_photo(classifier, image, [each.layer for each in book.layers])
    logits = run.logits[0].float().cpu()
    target = asked or Target(int(head.likeliest(logits)), chosen="predicted")
    layers = tuple(
        parts_of(
            classifier, run, target, each.layer, each.grid, each.vectors, [(one.key, one.peak) for one in each.concepts]
        )
        for each in book.layers
    )
    return PhotoConcepts(
        image,
        classifier.preprocessing.view(image),
        target,
        target.label(classifier.categories),
        float(head.probability(logits, target)),
        tuple(classifier.ranked(head.probabilities(logits), 5, target)),
        layers,
    )

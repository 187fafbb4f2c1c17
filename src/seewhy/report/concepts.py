"""The reports of `network concepts`: a book of concepts, and photos in its words, with sums that hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.draw import cut, spotlight
from seewhy.network.book import Concept, ConceptBook
from seewhy.network.counting import ConceptCounts
from seewhy.network.parts import LayerParts, Part, PhotoConcepts
from seewhy.report.page import Picture, counted, embed, render

FACE, PHOTO = 220, 420
SHOWN = 4  # concepts of a layer that are seen at once
SAME = 1e-3  # of the score: less is rounding


def book_page(book: ConceptBook, failures: Sequence[Outcome[Any]] = ()) -> str:
    """What a network sees in many photos, layer by layer."""
    found = sum(len(layer.concepts) for layer in book.layers)
    lead = (
        f"{counted(found, 'concept')} over {counted(book.photos, 'photo')}. They are what most of several dictionaries "
        "find, each from another start and of other photos; what the others do not find again is left out."
    )
    return render(
        "concepts.html",
        title="The concepts of a network",
        lead=f"{book.verdict.capitalize()}. Do not rely on what is below." if book.verdict else lead,
        book=book,
        photos=(),
        examples=_examples,
        failures=failures,
        shown=SHOWN,
    )


def photos_page(found: Sequence[PhotoConcepts], book: ConceptBook, failures: Sequence[Outcome[Any]] = ()) -> str:
    """Photos in the concepts of a book."""
    verdict = f"{book.verdict.capitalize()}. Do not rely on what is below. " if book.verdict else ""
    return render(
        "concepts.html",
        title="The photo in the network's concepts" if len(found) == 1 else "Photos in the network's concepts",
        lead=verdict
        + "Each concept is a direction of a layer that the network sees in many photos. Each is taken out of its "
        "layer; what the score loses is what the concept adds."
        if found
        else "Every photo failed; the reasons are below.",
        book=book,
        photos=[_photo(each, book) for each in found],
        examples=_examples,
        failures=failures,
        shown=SHOWN,
    )


def counts_page(name: str, counts: ConceptCounts, book: ConceptBook, failures: Sequence[Outcome[Any]] = ()) -> str:
    """A class in the concepts of a book."""
    concepts = {one.key: one for layer in book.layers for one in layer.concepts}
    told = f"In how many of {counted(counts.photos, 'photo')} each concept is, and whether it adds to the class there."
    return render(
        "concept-counts.html",
        title=f"What the network goes by: {name}",
        lead=f"{book.verdict.capitalize()}. Do not rely on what is below." if book.verdict else told,
        name=name,
        counts=counts,
        book=book,
        crops={key: _examples(one) for key, one in concepts.items()},
        failures=failures,
    )


def _photo(each: PhotoConcepts, book: ConceptBook) -> dict[str, Any]:
    concepts = {one.key: one for layer in book.layers for one in layer.concepts}
    seen = cut(each.image.pixels, each.view, PHOTO)
    small = cut(each.image.pixels, each.view, FACE)
    return {
        "name": each.image.name,
        "label": each.label,
        "probability": each.probability,
        "picture": embed(seen, f"{each.image.name}, as the network sees it"),
        "layers": [
            {
                "name": layer.layer,
                "parts": [_part(part, concepts[part.key], book, small) for part in layer.found],
                "sum": _sum(layer),
                "missed": layer.missed,
                "apart": len(layer.parts) > 1 and not _together(layer),
            }
            for layer in each.layers
        ],
    }


def _part(part: Part, concept: Concept, book: ConceptBook, seen: np.ndarray) -> dict[str, Any]:
    word = book.words.get(part.key)
    return {
        "key": part.key,
        "name": word.text if word else book.name(part.key),
        "people": word.givers if word else "",
        "proposed": "" if word or part.key not in book.proposals else book.proposals[part.key].told,
        "lit": embed(spotlight(seen, part.map), f"The photo, lit where {book.name(part.key)} is"),
        "added": part.added,
        "without": part.without,
        "stability": concept.stability,
        "examples": _examples(concept),
    }


def _sum(layer: LayerParts) -> list[tuple[str, float]]:
    """The score in numbers that add up to it."""
    shown, others = layer.found[:SHOWN], layer.found[SHOWN:]
    traces = [part for part in layer.parts if not part.here]
    terms = [("shown above", sum(part.added for part in shown))]
    if others:
        terms.append((f"{counted(len(others), 'further concept')}", sum(part.added for part in others)))
    if traces:
        terms.append((f"traces of {counted(len(traces), 'concept')}", sum(part.added for part in traces)))
    if _together(layer):
        terms.append(("what changes only when several go together", layer.together))
    return [*terms, ("what no concept explains", layer.rest)]


def _together(layer: LayerParts) -> bool:
    """Whether something changes only when several of its concepts go."""
    return abs(layer.together) > SAME * max(abs(layer.score), 1)


def _examples(concept: Concept) -> list[Picture]:
    return [embed(each.pixels, f"A part of {each.photo}") for each in concept.examples]

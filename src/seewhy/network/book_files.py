"""The folder of a book of concepts: its vectors, crops and manifest; what people call its concepts lies beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from typing_extensions import TypedDict

from seewhy.core.folders import MANIFEST, Mark, check_mark, settle
from seewhy.core.reading import damaged, is_relative, read_arrays, read_json
from seewhy.core.text import shown
from seewhy.errors import UsageError
from seewhy.images import Image, save_image
from seewhy.models import Classifier, Grid
from seewhy.network.book import Concept, ConceptBook, Example, LayerConcepts
from seewhy.network.naming import Saying, check_concept, proposals, say, sayings, words_of

VECTORS = "concepts.npz"
CURE = "build it again: `seewhy network concepts build PHOTOS --out FOLDER`"
LAYOUTS = ("channels first", "channels last", "tokens")


def write_book(folder: Path, book: ConceptBook) -> None:
    """Write vectors and crops into an empty folder; the manifest, which knows their hashes, comes last."""
    vectors = {str(number): layer.vectors.numpy() for number, layer in enumerate(book.layers)}
    np.savez_compressed(folder / VECTORS, **vectors)  # pyright: ignore[reportArgumentType]
    (folder / "examples").mkdir()
    for each in (concept for layer in book.layers for concept in layer.concepts):
        for place, one in enumerate(each.examples):
            save_image(Image(one.pixels, one.photo), folder / _example(each.key, place))


class _Concept(TypedDict):
    key: str
    stability: float
    share: float
    importance: float
    peak: float
    examples: list[str]


class _Layer(TypedDict):
    layer: str
    grid: tuple[str, int, int, int, int]
    unexplained: float
    least: float
    unstable: int
    merged: int
    signed: bool
    concepts: list[_Concept]


class _Book(TypedDict):
    classifier: str
    fingerprint: str
    photos: int
    telling: float | None
    seed: int
    layers: list[_Layer]
    files: dict[str, Mark]


def open_concepts(folder: str | Path, classifier: Classifier | None = None) -> ConceptBook:
    """The book in a folder that `build_concepts` saved, with the words that people have for its concepts.

    Raises:
        BadFile: a file is missing, damaged or changed.
        UsageError: the book is of another network than `classifier`.
    """
    root = Path(folder)
    book = _without_words(root, classifier)
    mark = book_hash(root)
    said = sayings(root, mark)
    return replace(book, words=words_of(said), proposals=proposals(root, mark, said))


def _without_words(root: Path, classifier: Classifier | None = None) -> ConceptBook:
    settle(root)
    told = read_json(root / MANIFEST, _Book, CURE)
    if classifier is not None and told["fingerprint"] != classifier.fingerprint:
        raise UsageError(
            f"the concepts in {root} are those of {told['classifier']} with other weights than {classifier.name}; "
            f"{CURE}"
        )
    marks = told["files"]
    if VECTORS not in marks or not all(is_relative(name) for name in marks):
        raise damaged(root / MANIFEST, "it names no files of concepts", CURE)
    check_mark(root / VECTORS, marks[VECTORS], CURE)
    vectors = read_arrays(root / VECTORS, CURE, [str(number) for number in range(len(told["layers"]))], "f")
    layers = tuple(
        _opened_layer(root, number, each, vectors[str(number)], marks) for number, each in enumerate(told["layers"])
    )
    telling = float("inf") if told["telling"] is None else told["telling"]
    return ConceptBook(told["classifier"], told["fingerprint"], told["photos"], layers, telling, told["seed"])


def _opened_layer(root: Path, number: int, told: _Layer, vectors: np.ndarray, marks: dict[str, Mark]) -> LayerConcepts:
    layout, channels, height, width, prefix = told["grid"]
    keys = [f"{number}-{index}" for index in range(len(told["concepts"]))]
    fits = vectors.shape == (len(keys), channels) and bool(np.isfinite(vectors).all())
    if layout not in LAYOUTS or not fits or [each["key"] for each in told["concepts"]] != keys:
        raise damaged(root / VECTORS, "it does not hold the concepts that the manifest tells of", CURE)
    found: list[Concept] = []
    for each, vector in zip(told["concepts"], torch.from_numpy(vectors.astype(np.float32)), strict=True):
        examples: list[Example] = []
        for place, photo in enumerate(each["examples"]):
            name = _example(each["key"], place)
            if name not in marks:
                raise damaged(root / MANIFEST, f"it does not name {name}", CURE)
            examples.append(Example(photo, check_mark(root / name, marks[name], CURE)))
        found.append(
            Concept(
                each["key"], vector, each["stability"], each["share"], each["importance"], each["peak"], tuple(examples)
            )
        )
    grid = Grid(layout, channels, height, width, prefix)
    return LayerConcepts(
        told["layer"],
        grid,
        tuple(found),
        told["unexplained"],
        told["least"],
        told["unstable"],
        told["merged"],
        told["signed"],
    )


def _example(key: str, place: int) -> str:
    return f"examples/{key}-{place}.png"


def name_concept(folder: str | Path, concept: str, text: str, player: str, *, refused: bool = False) -> None:
    """Call a concept by a word. It stands on photos once two people agree; what one said before is replaced.

    Without a word the player passes. With `refused` the word, which a model proposes, is wrong; two who say so end it.

    Raises:
        UnknownName: the book has no such concept.
        UsageError: there is no player, the word is too long or holds what nobody can see, or a word is refused that
            is not proposed.
    """
    root, word, mark = Path(folder), " ".join(text.split()), book_hash(Path(folder))
    check_concept(_without_words(root), concept)
    if refused:
        known = proposals(root, mark, ()).get(concept)
        if word.casefold() not in [each.casefold() for each in (known.words if known else ())]:
            raise UsageError(
                f"nothing like '{shown(word, 40)}' is proposed for {concept}, so that nobody can refuse it"
            )
    say(root, Saying(concept, player.strip(), word, mark, refused))


def book_hash(folder: Path) -> str:
    """What words go with: the SHA-256 of a book's vectors."""
    return read_json(folder / MANIFEST, _Book, CURE)["files"][VECTORS].sha256

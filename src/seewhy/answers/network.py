"""Answers of concepts: those of a book, those in a photo, a whole class in people's words."""

from __future__ import annotations

from typing_extensions import TypedDict

from seewhy.answers.common import Photo, Prediction


class BookConcept(TypedDict):
    """A concept of a layer: how surely it is found again, its share of the layer, and what is lost without it."""

    key: str
    stability: float
    share: float
    importance: float
    peak: float
    examples: list[int]


class BookLayer(TypedDict):
    """The concepts of one layer."""

    layer: str
    grid: list[str | int]
    unexplained: float
    unstable: int
    merged: int
    signed: bool
    concepts: list[BookConcept]


class Book(TypedDict):
    """Concepts that a network sees in many photos; `verdict` says what to think of them, if there is a doubt."""

    schema: int
    seewhy: str
    classifier: str
    fingerprint: str
    photos: int
    telling: float | None
    seed: int
    verdict: str
    layers: list[BookLayer]


class ConceptPart(TypedDict):
    """A concept in a photo: how much it is there, what it adds to the score, and the score without it."""

    concept: str
    word: str | None
    here: float
    added: float
    without: float | None


class ConceptLayer(TypedDict):
    """A layer's score as a sum of concepts and a rest."""

    layer: str
    score: float
    rest: float
    together: float | None
    missed: float | None
    parts: list[ConceptPart]


class PhotoConcepts(TypedDict):
    """A decision in concepts, layer by layer."""

    image: Photo
    target: str
    probability: float | None
    predictions: list[Prediction]
    layers: list[ConceptLayer]


class ConceptWord(TypedDict):
    """A concept's name, and how many of those asked agree to it."""

    word: str
    people: int
    asked: int


class ConceptExample(TypedDict):
    """A photo in which a label is found, and in which groups."""

    image: str
    sha256: str
    clusters: list[int]
    score: float


class ClassConcept(TypedDict):
    """What people call something that a layer goes by."""

    label: str
    score: float
    weight: float
    pictures: int
    examples: list[ConceptExample]


class ClassLayer(TypedDict):
    """What one layer goes by for a class."""

    layer: str
    pictures: int
    concepts: list[ClassConcept]


class Trend(TypedDict):
    """How a label's score moves with depth."""

    label: str
    curve: list[float]
    slope: float
    p: float


class ConceptTest(TypedDict):
    """How a class responds to a concept at a layer (TCAV), held against chance."""

    concept: str
    layer: str
    tcav: float
    slope: float
    chance: list[float]
    p: float
    accuracy: float
    pictures: int


class ClassView(TypedDict):
    """A whole class in people's words, layer by layer."""

    schema: int
    seewhy: str
    about: str
    classifier: str
    simulated: bool
    pictures: int
    layers: list[ClassLayer]
    trends: list[Trend]
    tests: list[ConceptTest]

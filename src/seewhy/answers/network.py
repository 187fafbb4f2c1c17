"""Answers about concepts and classes: a book's, a photo's, a class in words, in pictures and along axes."""

from __future__ import annotations

from typing_extensions import TypedDict

from seewhy.answers.common import Photo, Prediction, Share


class BookConcept(TypedDict):
    """A concept of a layer: how surely it is found again, its share of the layer, and what is lost without it."""

    key: str
    stability: float
    share: float
    importance: float
    peak: float
    examples: list[str]


class BookLayer(TypedDict):
    """The concepts of one layer."""

    layer: str
    grid: list[str | int]
    unexplained: float
    least: float
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
    verdict: str | None
    layers: list[BookLayer]


class ConceptPart(TypedDict):
    """A concept in a photo: whether it is there, what it adds to the score, and the target's probability without it."""

    concept: str
    word: str | None
    here: bool
    added: float
    without: float


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


class SaidOfConcept(TypedDict):
    """A player's word for a concept: how many people give it, and whether it stands on photos."""

    concept: str
    text: str
    people: int
    stands: bool


class NextConcept(TypedDict):
    """The concept that a player is to name next, and its crops in the book's folder; null when there is none left.

    The player has seen `seen` of `concepts`; `said` are their words so far.
    """

    concept: str | None
    crops: list[str]
    seen: int
    concepts: int
    said: list[SaidOfConcept]


class ProposedWords(TypedDict):
    """What a model proposes to call a concept, the likeliest first; no person said it."""

    words: list[str]
    model: str


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


class CountedConcept(TypedDict):
    """A concept over photos of a class: the share it is in, what it adds, and whether that is more than chance."""

    concept: str
    word: str | None
    layer: str
    here: Share
    added: float
    rises: int
    moved: int
    p: float | None
    verdict: str


class CountedWord(TypedDict):
    """A word of people: the share of photos with a concept of that name, layer by layer."""

    word: str
    shares: list[float]


ClassCounts = TypedDict(
    "ClassCounts", {"class": str, "photos": int, "concepts": list[CountedConcept], "words": list[CountedWord]}
)
ClassCounts.__doc__ = "A class in the concepts of a book, over its photos."


class PhasePicture(TypedDict):
    """How many crops of a phase picture the network calls by the class, and their mean probability."""

    said: Share
    probability: float


class AccumulatedPicture(TypedDict):
    """How many fresh noise pictures become the class with an accumulated picture, and without."""

    said: Share
    before: float


class NearPhoto(TypedDict):
    """A photo near to a phase picture."""

    image: str
    cosine: float


DrawnClass = TypedDict(
    "DrawnClass",
    {
        "class": str,
        "phase picture": PhasePicture,
        "accumulated picture": AccumulatedPicture,
        "near": list[NearPhoto],
    },
)
DrawnClass.__doc__ = "How far the pictures of a class succeed."


class ClassPictures(TypedDict):
    """What classes look like to a network."""

    classifier: str
    seed: int
    classes: list[DrawnClass]


ProbedClass = TypedDict(
    "ProbedClass", {"class": str, "pixels": float, "share": float, "turned": Share, "distance": float}
)
ProbedClass.__doc__ = "The smallest change that turns photos into a class, and how far below the median it is."


class Probed(TypedDict):
    """Whether a trigger is hidden in a network."""

    classifier: str
    photos: int
    seed: int
    suspicious: list[str]
    classes: list[ProbedClass]


class ClassAxis(TypedDict):
    """A direction by which classes differ, with the classes at both ends."""

    axis: int
    share: float
    low: list[str]
    high: list[str]


class PhotoOnAxes(TypedDict):
    """Where a photo lies on the axes."""

    image: str
    coordinates: list[float]


class ClassAxes(TypedDict):
    """What separates the classes, and how many directions no class sees."""

    classifier: str
    directions: int
    blind: int
    unseen: float
    axes: list[ClassAxis]
    photos: list[PhotoOnAxes]

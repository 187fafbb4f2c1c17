"""Answers by other pictures: cases, twins, counterfactuals, parts, influence, prototypes."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from seewhy.answers.common import Failure, Photo, Prediction


class BuiltCases(TypedDict):
    """A case base: how many pictures it has, how many were embedded anew, and how many failed."""

    cases: int
    embedded: int
    failed: int
    embedding: str
    fingerprint: str
    out: NotRequired[str]


class ListedCases(TypedDict):
    """A case base that can be asked: the model that it explains, and by what pictures are compared."""

    name: str
    model: str
    embedding: str


class Base(TypedDict):
    """What a case base was made from."""

    root: str
    embedding: str
    classifier: str
    fingerprint: str
    encoder: str | None
    model: str
    weights: str | None
    beside: str | None


class Case(TypedDict):
    """A picture of the base: its class folder, what the classifier says of it, and how alike it is (cosine)."""

    path: str
    label: str | None
    prediction: Prediction
    similarity: float


class Joined(TypedDict):
    """An area of the photo, the area of the other picture most like it (row and column), and the pair's share."""

    own: list[int]
    other: list[int]
    share: float


class Twin(Case):
    """A case and where the two are alike, at a layer."""

    layer: str
    layer_similarity: float
    joined: list[Joined]


class LeftOut(Case):
    """A case that does not count, and why."""

    reason: str


class Vote(TypedDict):
    """How many of the nearest cases are of a class."""

    name: str
    cases: int


class TwinList(TypedDict):
    """The nearest cases, best first; of the predicted class where `same_class`."""

    embedding: str
    same_class: bool
    twins: list[Twin]
    cases: int


class Beside(TwinList):
    """The twins by another encoder, and how far both agree."""

    overlap: float
    correlation: float | None
    candidates: int


class AboutPhoto(TypedDict):
    """The photo, what the classifier says of it, and the base that was asked."""

    base: Base
    image: Photo
    predictions: list[Prediction]


class Twins(AboutPhoto, TwinList):
    """The cases most like a photo to the model. Below 1, `trust` speaks against the prediction."""

    vote: list[Vote]
    trust: float | None
    left_out: list[LeftOut]
    beside: Beside | None


class SwappedPair(TypedDict):
    """A part of the photo and the part of the other picture that it was swapped for, by row and column or number."""

    own: list[int]
    other: list[int]


class Swap(TypedDict):
    """Parts of another picture that turn the decision when they stand in the photo."""

    layer: str
    grid: list[int]
    pairs: list[SwappedPair]
    area: float
    prediction: Prediction


class Removal(TypedDict):
    """Regions that turn the decision when they are hidden."""

    hidden: list[int]
    regions: int
    area: float
    fill: str
    prediction: Prediction


class Counterfactuals(AboutPhoto):
    """What would have turned a decision: a case unlike it, one like it, one between, a swap, a removal."""

    embedding: str
    target: str | None
    unlike: Twin | None
    like: Twin | None
    borderline: Twin | None
    swap: Swap | None
    removal: Removal | None
    left_out: list[LeftOut]


class PartCase(Case):
    """A case in which a part is found, and how alike that part is."""

    part_similarity: float


class Part(TypedDict):
    """A part of a decision with its points; doubtful where most of its cases are of another class."""

    points: float
    same: float | None
    doubtful: bool
    cases: list[PartCase]


class Parts(AboutPhoto):
    """A decision as a sum: parts and `bias` add up to `margin`, the class's lead on its rival or on all others."""

    rival: Prediction | None
    layer: str
    parts: list[Part]
    bias: float
    margin: float
    cases: int


class Influence(Case):
    """What a training picture does: its pull on the class's log-odds, and how they change without it."""

    pull: float
    foretold: float
    real: float
    copy: str | None


class PhotoInfluences(AboutPhoto):
    """The training pictures that a decision hangs on; of `checked` changes foretold, how well they came true."""

    said: str
    probability: float
    helpful: list[Influence]
    harmful: list[Influence]
    checked: int
    correlation: float | None
    gap: float
    cases: int


class DoubtedLabel(TypedDict):
    """A picture whose label the others contradict, with the probabilities of both."""

    row: int
    path: str
    label: str
    likelier: str
    probability: float
    own: float


class CopyAcross(TypedDict):
    """Two pictures that are nearly the same, in different classes."""

    paths: list[str]
    labels: list[str]


class Influences(TypedDict):
    """Photo by photo which pictures decisions hang on, and which labels to look at."""

    photos: list[PhotoInfluences]
    failures: list[Failure]
    classes: list[str]
    accuracy: float | None
    labelled: bool
    doubted_labels: list[DoubtedLabel]
    copies_across: list[CopyAcross]


class Match(TypedDict):
    """A place in the photo that looks like a prototype, and the points it gives."""

    prototype: int
    similarity: float
    weight: float
    points: float
    box: list[float]
    source: str


_OfClass = TypedDict("_OfClass", {"class": str})


class PrototypeClass(_OfClass):
    """A class's score: `start` and the points of all its prototypes."""

    probability: float
    score: float
    start: float
    prototypes: list[Match]


class PrototypePhoto(TypedDict):
    """What in a photo looks like which patch of a training picture."""

    image: Photo
    model: str
    usable: bool
    view: list[float]
    classes: list[PrototypeClass]


class PrototypeModel(TypedDict):
    """Whether a model with prototypes is usable, why not, and its figures on pictures that it was not trained on."""

    model: str
    usable: bool
    reasons: list[str]
    accuracy: float
    recalls: dict[str, float]
    usage_entropy: float
    classes: list[str]
    confusion: list[list[int]]
    backbone_accuracy: float
    mean_similarity: list[list[float]]
    usage: list[int]
    shared_patches: int
    cluster: float
    separation: float
    pushed: bool
    trained: int
    speaking: float | None
    places: float | None


class Corresponding(TypedDict):
    """One photo: its points by name (x, y, cosine), or how much of it each part covers and holds of the evidence."""

    photo: str
    drawn: bool
    points: dict[str, list[float]]
    areas: list[float] | None
    shares: list[float] | None


class Correspondence(TypedDict):
    """Points or parts carried through a folder; `attribution` is by class folder, the rest last."""

    model: str
    parts: list[str]
    method: str | None
    attribution: dict[str, list[float]]
    photos: list[Corresponding]
    failures: list[Failure]


class JudgedPhoto(TypedDict):
    """What an explainer and its rivals scored on one photo, by question; `forwards` those of the long answer."""

    photo: str
    target: str
    scores: dict[str, dict[str, float]]
    forwards: int


class LearnedExplainer(TypedDict):
    """An explainer that was trained: its name as a method, whether it is usable, why not, and what it was judged by."""

    method: str
    objective: str
    usable: bool
    reasons: list[str]
    classes: list[str]
    photos_used: dict[str, int]
    photos: list[JudgedPhoto]
    told: list[str]

"""Answers about whole folders: training, evaluation, audit, repair, diff, studies."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from seewhy.answers.common import Failure, Mean, Share
from seewhy.answers.dossier import Poor, Slice, WrongLabel
from seewhy.answers.explaining import PhotoVerdict, Score, Verdict


class ClassScore(TypedDict):
    """What became of the pictures of one class; a share is null where there is nothing to divide by."""

    name: str
    pictures: int
    predicted: int
    right: int
    precision: float | None
    recall: float | None
    f1: float | None


class Bin(TypedDict):
    """Predictions of like confidence: how sure on average, and how often right."""

    low: float
    high: float
    pictures: int
    confidence: float
    accuracy: Share


class ClassFigures(TypedDict):
    """How good a classifier is: accuracy, what the commonest class alone would get, F1, confusion, calibration."""

    pictures: int
    accuracy: Share
    commonest_class: float
    macro_f1: float
    classes: list[ClassScore]
    confusion: list[list[int]]
    calibration_error: float
    reliability: list[Bin]


class LabelScore(TypedDict):
    """What became of one label."""

    name: str
    pictures: int
    predicted: int
    right: int
    threshold: float
    average_precision: Share | None
    precision: Share | None
    recall: Share | None
    f1: Share | None


class LabelFigures(TypedDict):
    """How good a classifier of labels is, of which several may be true."""

    pictures: int
    mean_average_precision: Share
    macro_f1: Share
    exact: Share
    labels: list[LabelScore]


class Listened(TypedDict):
    """What masks of people changed: numbers of the network that learned with them, and of its twin without."""

    part: str
    masks: int
    accuracy: list[float | None]
    energy: list[float | None]


class Guided(TypedDict):
    """What episodes guided by explanations cost and changed: of the network, then of its twin without guidance."""

    part: str
    shots: int
    episodes: int
    accuracy: list[float | None]
    linear: float
    half: list[float | None]
    agreement: float
    mapped: int


class Trained(TypedDict):
    """A trained classifier: the name that opens it, its classes, and the figures of each part."""

    model: str
    classes: list[str]
    metrics: dict[str, ClassFigures | LabelFigures]
    listened: NotRequired[Listened]
    guided: NotRequired[Guided]


class _Evaluated(TypedDict):
    model: str
    fingerprint: str
    left_out_as_learned: int


class EvaluatedClasses(_Evaluated, ClassFigures):
    """How good a classifier is on a folder; pictures that it learned from do not count."""


class EvaluatedLabels(_Evaluated, LabelFigures):
    """How good a classifier of labels is on a folder; pictures that it learned from do not count."""


Evaluated = EvaluatedClasses | EvaluatedLabels


class Taught(TypedDict):
    """A classifier of somebody's own classes, and why its prototypes cannot be used, if they cannot."""

    name: str
    model: str
    objections: list[str]


class Test(TypedDict):
    """The effect of a change on a class's probability, on photos on which it was not looked for."""

    effect: float
    interval: list[float] | None
    p: float
    tested_on: int
    before: float | None
    after: float | None


_OfClass = TypedDict("_OfClass", {"class": str})


class Finding(_OfClass):
    """A wrong reason, or a suspect that did not pass: where it lies, in shares of the photo, and which carry it.

    Figures are those of the paste test, null where there was no photo to lay it over; `name` is what people call it.
    """

    name: str | None
    sentence: str
    effect: float | None
    interval: list[float] | None
    p: float
    before: float | None
    after: float | None
    tested_on: int
    photos: int
    region: list[float] | None
    reasons: list[str]
    removal: Test | None
    names: list[str]


class Power(TypedDict):
    """What the audit could have found: parts planted to be searched, and the chance that a test tells an effect."""

    planted: int
    found: int
    photos: int
    searched: int
    tested: int
    told: float | None


class Audited(TypedDict):
    """The wrong reasons that were found over a folder, the suspects that did not pass, and the power to find."""

    schema: int
    seewhy: str
    model: str
    fingerprint: str
    seed: int
    methods: list[str]
    without: list[str]
    photos: int
    findings: list[Finding]
    suspects: list[Finding]
    power: Power
    copies: list[list[str]]
    slices: list[Slice]
    wrong_labels: list[WrongLabel]
    copies_across_classes: list[list[str]]
    poor: Poor
    failures: list[Failure]


class RepairPhotos(TypedDict):
    """How many photos each step of a repair had."""

    learned_from: int
    picked_by: int
    judged_on: int


class Judged(TypedDict):
    """Figures on photos that no step of the repair has seen."""

    accuracy: float
    groups: dict[str, float | None]
    worst: float | None
    effect: float | None


class Tried(TypedDict):
    """A way of repair, and what it gained on the photos kept aside; null where it was not worth it."""

    way: str
    gain: float | None


class Repaired(TypedDict):
    """What a repair brought, and in a sentence whether it is worth it."""

    model: str
    fingerprint: str
    fingerprint_before: str
    finding: str
    way: str | None
    usable: bool
    verdict: str
    photos: RepairPhotos
    tried: list[Tried]
    before: Judged
    after: Judged


ChangedReason = TypedDict(
    "ChangedReason",
    {"photo": str, "answer": str, "first": float, "second": float, "apart": float, "apart by seeds": float | None},
)


class OtherAnswer(TypedDict):
    """A photo to which the two models answer otherwise."""

    photo: str
    first: str
    second: str


class FindingsBetween(TypedDict):
    """Findings of the second audit that the first has not, those that it lost, and those of both."""

    new: list[str]
    lost: list[str]
    kept: list[str]


class Different(TypedDict):
    """The photos to which two models give one answer for different reasons; `p` is that of chance."""

    models: list[str]
    fingerprints: list[str]
    method: str
    seed: int
    same: int
    changed: list[ChangedReason]
    p: float | None
    answers: list[OtherAnswer]
    leaning: list[float | None] | None
    findings: FindingsBetween | None
    failures: list[Failure]


class StudyStanding(TypedDict):
    """How far a study is."""

    units: int
    done: int
    failed: int
    seconds: float
    workers: int
    running: bool
    seconds_left: float | None


class Studied(TypedDict):
    """What a study found, by model."""

    verdict: str
    judged: dict[str, Verdict]
    photo_verdicts: list[PhotoVerdict]
    scores: list[Score]
    notes: list[str]


class MethodTruth(TypedDict):
    """How much of a method's evidence lies in the overlay's place, for the class it turned photos to and another."""

    method: str
    photos: int
    failed: int
    asks_for_class: bool | None
    inside: Mean
    control: Mean
    difference: Mean
    deleted: Mean
    spot: Share
    spot_control: Share


class ModelTruth(TypedDict):
    """A model's photos that the overlay turned, and each method's figures on them."""

    model: str
    photos: int
    turned: int
    turned_to: str | None
    counted: int
    was: float | None
    now: float | None
    order_agrees_with_deletion: float | None
    methods: list[MethodTruth]


class OverlayStudied(TypedDict):
    """What a study with an overlay found: the reason of each answer that it turned is known."""

    verdict: str
    overlay: str
    models: list[ModelTruth]


# What `seewhy study --json` gives: rows of scores, or with --status how far it is, or with --overlay the truths.
StudyAnswer = list[Score] | StudyStanding | OverlayStudied

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class JobStatus(TypedDict):
    """A job at one moment: `ahead` other jobs come first, `done` of `total` units of work are finished."""

    id: str
    state: State
    ahead: int
    done: int
    total: int | None
    message: str
    error: str


class Set(TypedDict):
    """A set of pictures by its id, a secret; how many there are of each class, and what was left out."""

    pictures: str
    classes: dict[str, int]
    left_out: list[Failure]

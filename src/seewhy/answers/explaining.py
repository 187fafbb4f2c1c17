"""Answers of predict, explain, compare, and of explanations in concepts and layers of one photo."""

from __future__ import annotations

from typing import NotRequired

from pydantic import JsonValue
from typing_extensions import TypedDict

from seewhy.answers.common import Cost, Mean, Meaning, Photo, Prediction, Target


class PhotoPredictions(TypedDict):
    """The likeliest classes of one photo."""

    image: str
    predictions: list[Prediction]


class Predictions(TypedDict):
    """The likeliest classes of the photo that was asked about."""

    predictions: list[Prediction]


class RegionPair(TypedDict):
    """What two regions do together beyond what each does by itself."""

    first: int
    second: int
    value: float
    error: float


class RegionWeights(TypedDict):
    """The weight of each region in `unit`, with standard errors; none as large as `least`: no single part decides.

    `alone` is what is told of the class when this region alone is hidden; `company` over what effects are averaged.
    """

    weights: list[float]
    errors: list[float] | None
    unit: str
    least: float
    company: str
    alone: list[float | None] | None
    pairs: list[RegionPair]


class SecondLook(TypedDict):
    """The precision of a rule where hidden regions show something else."""

    hidden: str
    precision: float
    low: float
    high: float
    variations: int


class Rule(TypedDict):
    """While `regions` stay, the class stays, in a share `precision` of variations."""

    regions: list[int]
    precision: float
    low: float
    high: float
    coverage: float
    area: float
    variations: int
    threshold: float
    sentence: str
    second: SecondLook | None


class Explained(TypedDict):
    """How a method explains a class of a photo; the map itself is in the file `values.npy`.

    `view` is the part of the photo that the network saw, as left, top, right and bottom. `checks` are figures on the
    map, `notes` what has to be known of it. `cost` counts passes of the network.
    """

    view: list[float]
    target: Target
    target_label: str
    predictions: list[Prediction]
    method: str
    signed: bool
    classifier: str
    fingerprint: str
    layer: str | None
    parameters: dict[str, JsonValue]
    seed: int | None
    cost: Cost
    checks: dict[str, float]
    regions: RegionWeights | None
    rule: Rule | None
    notes: list[str]
    meaning: Meaning
    computed: list[str]


class ExplanationManifest(TypedDict):
    """One explanation with all but its arrays, as `manifest.json` holds it."""

    schema: int
    seewhy: str
    image: Photo
    explanation: Explained


class Explanations(TypedDict):
    """What each method found in a photo, and by a method's name why it found nothing."""

    explanations: list[ExplanationManifest]
    failures: dict[str, str]


class Verdict(TypedDict):
    """What tests say of a model's methods: their order, those that no other beats, and which beat the controls."""

    pictures: int
    order: list[str]
    not_beaten: list[str]
    recommended: list[str]
    beats_controls: dict[str, bool | None]
    strongest_control: str | None
    above_controls: list[str]
    first_under: int
    tests: int
    pictures_needed: int


class PhotoVerdict(Verdict):
    """The verdict on one photo alone."""

    image: str
    model: str


class Score(Mean):
    """How a method scores by a metric, held against maps drawn by chance and against maps of other classes."""

    model: str
    method: str
    metric: str
    family: str
    higher_is_better: bool
    mean_rank: float | None
    beats_chance: bool | None
    failed: int
    other_classes: float | None
    better_than_other_classes: bool | None


class Compared(TypedDict):
    """Which explanation to believe: the best method if tests single one out, a verdict in words, and all scores."""

    best: str | None
    recommended: list[str]
    verdict: str
    judged: Verdict
    photo_verdicts: list[PhotoVerdict]
    scores: list[Score]
    notes: list[str]


class Word(TypedDict):
    """What people call a group, and how much it is theirs."""

    label: str
    score: float


class Effect(TypedDict):
    """The class's probability without a group's maps, with its area grey, and with it filled from around it."""

    without: float
    hidden: float
    imputed: float


class Group(TypedDict):
    """Maps of a layer that go together, by their weight in the layer; `map` names the group's map in `maps.npz`."""

    index: int
    weight: float
    maps: list[int]
    map: str
    effect: Effect | None
    words: list[Word]


class Layer(TypedDict):
    """What a layer found in a photo."""

    name: str
    maps: int
    grid: list[int]
    weight_kept: float
    outcome: str | None
    stability: float | None
    clusters: list[Group]


class Link(TypedDict):
    """Which share of a later group is lost once an earlier one is taken out."""

    layer: int
    start: int
    to: int
    end: int
    influence: float


class Network(TypedDict):
    """Layer by layer, what was found in a photo for a class."""

    target_label: str
    probability: float | None
    classifier: str
    fingerprint: str
    clustering: str
    signed: bool
    seed: int
    view: list[float]
    target: Target
    predictions: list[Prediction]
    cost: Cost
    layers: list[Layer]
    links: list[Link]
    meaning: NotRequired[Meaning]


class NetworkManifest(TypedDict):
    """The network in one photo with all but its arrays, as `manifest.json` holds it."""

    schema: int
    seewhy: str
    image: Photo
    network: Network

"""Answers about people and what they did, and lists of what there is."""

from __future__ import annotations

from typing_extensions import TypedDict


class RoundsOf(TypedDict):
    """The rounds of a picture, and how many of them are new."""

    image: str
    rounds: int
    new: int


class Standing(TypedDict):
    """What a player has done."""

    player: str
    points: int
    won: int
    lost: int
    resigned: int
    mean_stage: float | None
    labels: int
    simulated: bool


class Ranked(Standing):
    """A player with a rank."""

    rank: int


class AreaAgreement(TypedDict):
    """How far the players agree who drew one thing on one picture."""

    image: str
    label: str
    players: int
    iou: float


class Reliability(TypedDict):
    """What is known of one player."""

    player: str
    guesses: int
    ability: float
    gold: int
    gold_right: int
    shared_words: float | None
    simulated: bool


class Agreement(TypedDict):
    """How far people agree, as Krippendorff's α and by areas, and how far to rely on each of them."""

    simulated: bool
    answers: int
    alpha: float | None
    layers: dict[str, float | None]
    areas: list[AreaAgreement]
    players: list[Reliability]


class Banned(TypedDict):
    """All players who are banned."""

    banned: list[str]


class Forgotten(TypedDict):
    """How many records were deleted, by kind."""

    deleted: dict[str, int]


class SimulatedAnswers(TypedDict):
    """How many answers simulated players gave."""

    simulated_answers: int


class Label(TypedDict):
    """One meaning: its name, the class that it was said of, and phrases as typed with their counts."""

    name: str
    about: str
    language: str
    phrases: list[tuple[str, int]]


class Vocabulary(TypedDict):
    """What people said, grouped, and how much was dropped, by reason."""

    simulated: bool
    labels: list[Label]
    dropped: dict[str, int]


class ListedLayer(TypedDict):
    """A layer with a grid: its kind and the shape that it puts out."""

    name: str
    kind: str
    shape: list[int]


class _Entry(TypedDict):
    name: str
    title: str
    family: str
    question: str
    reading: str
    paper: str
    arxiv: str | None
    needs: list[str]


class ListedMethod(_Entry):
    """A method: the question it answers, its cost, whether to start with it, and a technique claimed as a patent."""

    status: str
    first: bool
    class_blind: bool
    cost: str
    claimed: str


class ListedMetric(_Entry):
    """A metric: the question it answers, and which way is better."""

    higher_is_better: bool

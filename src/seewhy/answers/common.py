"""What several answers hold: photos, predictions, shares, costs, failures; and what servers say of themselves."""

from __future__ import annotations

from typing import Literal, NotRequired

from pydantic import JsonValue
from typing_extensions import TypedDict

Meaning = Literal["classes", "labels", "binary", "values"]


class Prediction(TypedDict):
    """One class with its probability; of a network without classes, one value. `present` is told of labels alone."""

    index: int
    name: str
    probability: NotRequired[float]
    value: NotRequired[float]
    present: NotRequired[bool]


class Photo(TypedDict):
    """A photo by its name and the hash of its pixels; `notes` say what was done to it when it was opened."""

    name: str
    sha256: str
    notes: NotRequired[list[str]]
    composite: NotRequired[bool]


class Target(TypedDict):
    """What is explained: the class `index`, with `also` several together, with `against` rather than another one."""

    index: int
    against: int | None
    chosen: Literal["asked", "predicted"]
    also: list[int]


class Cost(TypedDict):
    """Forward and backward passes of the network, and seconds."""

    forwards: int
    backwards: int
    seconds: float


class Failure(TypedDict):
    """What went wrong with a photo: cause and cure."""

    source: str
    error: str


class Share(TypedDict):
    """A figure and the bounds of its 95 % interval; a bound is null where so few pictures have none that holds."""

    value: float | None
    low: float | None
    high: float | None


class Mean(Share):
    """The mean over so many pictures."""

    pictures: int


class Serving(TypedDict):
    """Where an app answers, and what about it stands open."""

    address: str
    rest: str
    warnings: list[str]


class AgentTool(TypedDict):
    """A tool of the Model Context Protocol: what it takes and gives, as JSON Schemas."""

    name: str
    title: str
    description: str
    input: dict[str, JsonValue]
    output: dict[str, JsonValue]

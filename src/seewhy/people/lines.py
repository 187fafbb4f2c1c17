"""The records of `people.jsonl`, each field with its type and its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, NaiveDatetime

from seewhy.people.names import (
    LONGEST_CLASS,
    LONGEST_HASH,
    LONGEST_IMAGE,
    LONGEST_KEY,
    LONGEST_LABEL,
    LONGEST_NAME,
    LONGEST_TAG,
    LONGEST_WORDS,
    MOST_LABELS,
)
from seewhy.people.rounds import MOST_CELLS, MOST_OPTIONS, MOST_OVERLAP
from seewhy.people.runs import LONGEST_RUNS

VERSION = 1
LARGEST_CELL = 3e38  # of float32
LONGEST_PICTURE = 64 << 20  # letters of a picture's bytes

Number: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
Positive: TypeAlias = Annotated[int, Field(ge=1, lt=2**31)]
Cell: TypeAlias = Annotated[float, Field(ge=-LARGEST_CELL, le=LARGEST_CELL)]
Stage: TypeAlias = Annotated[int, Field(ge=0, le=5)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
ImageName: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_IMAGE)]
Hash: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_HASH)]
ClassName: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_CLASS)]
Key: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)]


@dataclass
class Head:
    """What the file is."""

    kind: Literal["seewhy-people"]
    version: int


@dataclass
class PlayerLine:
    """Who plays."""

    kind: Literal["player"]
    name: Name
    simulated: bool
    joined: NaiveDatetime
    banned: NaiveDatetime | None = None


@dataclass
class PictureLine:
    """What players see; `content` is Base64."""

    kind: Literal["picture"]
    id: Number
    image: ImageName
    image_hash: Hash
    content: Annotated[str, Field(max_length=LONGEST_PICTURE)]


@dataclass
class RoundLine:
    """What is played; `picture` is the id of a line before."""

    kind: Literal["round"]
    id: Number
    picture: Number
    model: ClassName
    layer: ClassName
    cluster: Number
    weight: float
    true_class: ClassName
    options: Annotated[list[ClassName], Field(max_length=MOST_OPTIONS)]
    overlap: Annotated[int, Field(ge=1, le=MOST_OVERLAP)]
    gold: bool
    simulated: bool
    map: Annotated[
        list[Annotated[list[Cell], Field(min_length=1, max_length=MOST_CELLS)]],
        Field(min_length=1, max_length=MOST_CELLS),
    ]


@dataclass
class AnswerLine:
    """What a player said; `round` is the id of a line before."""

    kind: Literal["answer"]
    round: Number
    player: Name
    guess: ClassName | None
    stage: Stage
    labels: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST_WORDS)]], Field(max_length=MOST_LABELS)
    ]
    language: Annotated[str, Field(max_length=LONGEST_TAG)]
    key: Key
    given: NaiveDatetime


@dataclass
class MaskLine:
    """One state of what a player drew."""

    kind: Literal["mask"]
    image: ImageName
    image_hash: Hash
    label: Annotated[str, Field(min_length=1, max_length=LONGEST_LABEL)]
    player: Name
    size: tuple[Positive, Positive]
    revision: Positive
    key: Key
    counts: Annotated[str, Field(max_length=LONGEST_RUNS)]
    drawn: NaiveDatetime


Record: TypeAlias = Head | PlayerLine | PictureLine | RoundLine | AnswerLine | MaskLine
LINE: Any = Annotated[Record, Field(discriminator="kind")]

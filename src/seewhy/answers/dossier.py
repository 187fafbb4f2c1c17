"""Answers about what was found and concluded: judgements of findings, dossiers, and what verifying one comes to."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue
from typing_extensions import TypedDict

from seewhy.answers.common import Share


class Slice(TypedDict):
    """Photos that have something in common; `found` says whether the model errs more often there than elsewhere."""

    name: str
    photos: int
    errors: int
    rate: Share
    elsewhere: float
    p: float
    found: bool


class WrongLabel(TypedDict):
    """A photo whose label is likely wrong, since the model is as sure of its answer as where that is the label."""

    photo: str
    label: str
    answer: str
    probability: float
    of_label: float


class Poor(TypedDict):
    """Photos whose quality lacks something, by their paths."""

    dark: list[str]
    blurred: list[str]
    tiny: list[str]


class Judgement(TypedDict):
    """What somebody said of a finding: wrong reason, fine or unclear."""

    finding: int
    verdict: str
    who: str
    note: str


class FileMark(TypedDict):
    """A file: its length in bytes and the SHA-256 of its content."""

    size: int
    sha256: str


class DossierModel(TypedDict):
    """A model that results are about, by all its names; `loaded`: it was opened for the dossier, and is this one."""

    name: str
    fingerprint: str
    loaded: bool


class DossierData(TypedDict):
    """A folder of data: its name, and the SHA-256 of each photo by its path within it."""

    name: str
    files: dict[str, str]


class DossierResult(TypedDict):
    """A result: its file of figures, its kind, what it says, and its figures as they follow from its rows.

    `models` holds fingerprints by name, `limits` what was measured of what it cannot tell.
    """

    file: str
    kind: Literal["audit", "evaluation", "study", "repair", "diff"]
    said: list[str]
    figures: dict[str, JsonValue]
    models: dict[str, str]
    seed: int | None
    limits: list[str]


class Conclusion(TypedDict):
    """What somebody concluded, of the whole or `about` a finding."""

    who: str
    text: str
    about: str | None


class DossierContent(TypedDict):
    """All that is known of a model below one folder, and what it rests on; `files` are all below the folder."""

    schema: int
    purpose: str | None
    made: str
    versions: dict[str, str]
    models: list[DossierModel]
    data: list[DossierData]
    results: list[DossierResult]
    conclusions: list[Conclusion]
    files: dict[str, FileMark]


class Dossier(DossierContent):
    """What stands in dossier.json; `page` is dossier.html, `seal` the SHA-256 of all else as the file holds it."""

    page: FileMark
    seal: str


class Difference(TypedDict):
    """Something that is not as a dossier says: its kind, where it is, what was told and what was found."""

    kind: Literal["dossier", "file", "result", "figure", "version", "model", "data", "conclusion"]
    where: str
    told: str
    found: str


class Verified(TypedDict):
    """What differs from a dossier, how much was held against it, and what could not be."""

    dossier: str
    holds: bool
    seal: str
    differences: list[Difference]
    checked: dict[str, int]
    unchecked: list[str]

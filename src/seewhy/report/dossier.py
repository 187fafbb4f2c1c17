"""The page of a dossier: what was concluded, each result with its figures and limits, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from seewhy.report.limits import LIMITS
from seewhy.report.page import counted, number, render

SHOWN = 60  # figures of a result on the page; all of them stand in the JSON
WORDS = {True: "yes", False: "no", None: "none"}
MISSING = "nobody said"


@dataclass
class MarkFacts:
    """A file: its length in bytes and the SHA-256 of its content."""

    size: int
    sha256: str


@dataclass
class ModelFacts:
    """A model that results are about; `loaded` says whether it was opened for the dossier and found to be this one."""

    name: str
    fingerprint: str
    loaded: bool


@dataclass
class DataFacts:
    """A folder of data: its name, and the SHA-256 of each file by its path within it."""

    name: str
    files: dict[str, str]


@dataclass
class ResultFacts:
    """A result: its file of figures, its kind, what it says, and its figures as they follow from its rows."""

    file: str
    kind: str
    said: list[str]
    figures: dict[str, Any]
    models: dict[str, str]
    seed: int | None
    limits: list[str]


@dataclass
class Conclusion:
    """What somebody concluded; `about` is the result, and the finding in it, where it is about one."""

    who: str
    text: str
    about: str | None = None


# `schema` is a word of pydantic's own, so that this one is a TypedDict.
class DossierFile(TypedDict):
    """What stands in dossier.json."""

    schema: int
    purpose: str | None
    made: str
    versions: dict[str, str]
    models: list[ModelFacts]
    data: list[DataFacts]
    results: list[ResultFacts]
    conclusions: list[Conclusion]
    files: dict[str, MarkFacts]


def dossier_page(found: DossierFile) -> str:
    """The page."""
    return render(
        "dossier.html",
        title="What is known of this model?",
        lead=lead(found),
        purpose=found["purpose"] or MISSING,
        conclusions=found["conclusions"],
        results=[_result(each) for each in found["results"]],
        models=found["models"],
        data=[(each.name, counted(len(each.files), "file")) for each in found["data"]],
        made=found["made"],
        made_with=found["versions"],
        files=found["files"],
        limits=LIMITS["dossier"],
    )


def lead(found: DossierFile) -> str:
    """What the dossier holds, in a sentence or two."""
    kinds = counted(len(found["results"]), "result")
    said = counted(len(found["conclusions"]), "conclusion")
    return (
        f"{kinds} on {counted(len(found['models']), 'model')}, {said} by people. Every figure was computed again from "
        "the rows that lie beside it."
    )


def _result(each: ResultFacts) -> dict[str, Any]:
    rows = list(_flat(each.figures))
    return {
        "each": each,
        "rows": rows[:SHOWN],
        "more": max(0, len(rows) - SHOWN),
        "limits": [*each.limits, *LIMITS[each.kind]],
    }


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every number and word of plain values, with where it stands."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{name} · {key}" if name else str(key))
    elif isinstance(value, list):
        for place, each in enumerate(value, 1):
            yield from _flat(each, f"{name} {place}")
    elif isinstance(value, float):
        yield name, number(value)
    else:
        yield name, WORDS.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)

"""The page of a dossier: what was concluded, each result with its limits; and the page on one that was verified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seewhy.answers.dossier import Difference, DossierContent, DossierResult
from seewhy.report.limits import LIMITS
from seewhy.report.page import counted, number, render

SHOWN = 60  # figures of a result on the page; all of them stand in the JSON
WORDS = {True: "yes", False: "no", None: "none"}
MISSING = "nobody said"


def dossier_page(found: DossierContent) -> str:
    """The page."""
    return render(
        "dossier.html",
        title="What is known of this model?",
        lead=lead(found),
        purpose=found["purpose"] or MISSING,
        conclusions=found["conclusions"],
        results=[_result(each) for each in found["results"]],
        models=found["models"],
        data=[(each["name"], counted(len(each["files"]), "photo")) for each in found["data"]],
        made=found["made"],
        made_with=found["versions"],
        files=found["files"],
        limits=LIMITS["dossier"],
    )


def lead(found: DossierContent) -> str:
    """What the dossier holds, in a sentence or two."""
    kinds = counted(len(found["results"]), "result")
    said = counted(len(found["conclusions"]), "conclusion")
    return (
        f"{kinds} on {counted(len(found['models']), 'model')}, {said} by people. Every figure was computed again from "
        "the rows that lie beside it."
    )


def verify_page(
    differences: Sequence[Difference], checked: Mapping[str, int], unchecked: Sequence[str], seal: str
) -> str:
    """The page."""
    return render(
        "verify.html",
        title="Does the dossier hold?",
        lead=verify_words(differences, checked),
        differences=differences,
        checked={name: count for name, count in checked.items() if count},
        unchecked=unchecked,
        seal=seal,
        limits=LIMITS["dossier"],
    )


def verify_words(differences: Sequence[Difference], checked: Mapping[str, int]) -> str:
    """What came of it, in a sentence."""
    held = ", ".join(f"{count} {name}" for name, count in checked.items() if count)
    if not differences:
        return f"Nothing differs. Held against it were {held}."
    places = ", ".join(dict.fromkeys(each["where"] for each in differences[:3]))
    return f"{counted(len(differences), 'difference')}, such as {places}."


def _result(each: DossierResult) -> dict[str, Any]:
    rows = list(_flat(each["figures"]))
    return {
        "each": each,
        "rows": rows[:SHOWN],
        "more": max(0, len(rows) - SHOWN),
        "limits": [*each["limits"], *LIMITS[each["kind"]]],
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

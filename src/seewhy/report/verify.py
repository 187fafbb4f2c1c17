"""The report on a dossier that was verified: what differs, what was held against it, and what could not be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from seewhy.report.limits import LIMITS
from seewhy.report.page import counted, render


class Differing(Protocol):
    """What differs: its kind, where, what was told and what was found."""

    @property
    def kind(self) -> str:
        """Such as file or figure."""
        ...

    @property
    def where(self) -> str:
        """Which one."""
        ...


def verify_page(
    differences: Sequence[Differing], checked: Mapping[str, int], unchecked: Sequence[str], seal: str
) -> str:
    """The page."""
    return render(
        "verify.html",
        title="Does the dossier hold?",
        lead=verify_words(differences, checked),
        differences=differences,
        checked=checked,
        unchecked=unchecked,
        seal=seal,
        limits=LIMITS["dossier"],
    )


def verify_words(differences: Sequence[Differing], checked: Mapping[str, int]) -> str:
    """What came of it, in a sentence."""
    held = ", ".join(f"{count} {name}" for name, count in checked.items() if count)
    if not differences:
        return f"Nothing differs. Held against it were {held}."
    places = ", ".join(dict.fromkeys(each.where for each in differences[:3]))
    return f"{counted(len(differences), 'difference')}, such as {places}."

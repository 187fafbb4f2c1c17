"""The report of `seewhy diff`: photos whose answer stayed and whose reason changed, with both maps side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seewhy.core.outcome import Outcome
from seewhy.core.text import percent
from seewhy.draw import View, crop, overlay
from seewhy.images import Image
from seewhy.report.limits import LIMITS
from seewhy.report.page import counted, embed, number, render
from seewhy.study.difference import LEAST, SURE, Apart
from seewhy.study.statistics import Interval

SHOWN, SMALL = 12, 360


@dataclass(frozen=True, eq=False)
class Compared:
    """One photo to which both classifiers give one answer.

    Attributes:
        name: of the photo.
        answer: of both.
        probabilities: that each gives it.
        apart: how far their maps lie apart.
        maps: the mean map of each, coarse, `(h, w)`.
        views: what each saw of the photo.
    """

    name: str
    answer: str
    probabilities: tuple[float, float]
    apart: Apart
    maps: tuple[np.ndarray, np.ndarray]
    views: tuple[View, View]


@dataclass(frozen=True, eq=False)
class Difference:
    """What differs between two classifiers over a folder.

    Attributes:
        names: of the classifiers.
        method: that explained both, its title.
        same: photos of one answer, the most changed first.
        changed: how many of them count as changed.
        p: how likely it is that seeds alone did it; None where the method draws nothing.
        answers: photos of two answers: name and both.
        leaning: how much more a class loses in the classifier that alone looks at a part when that part is hidden, in
            log-probability; None where too few photos changed.
        findings: new, lost and kept findings of two audits, by sentence; None without audits.
        failures: photos that could not be explained.
        images: the photos that are shown, by name.
    """

    names: tuple[str, str]
    method: str
    same: tuple[Compared, ...]
    changed: int
    p: float | None
    answers: tuple[tuple[str, str, str], ...]
    leaning: Interval | None
    findings: Mapping[str, Sequence[str]] | None
    failures: tuple[Outcome[Any], ...]
    images: Mapping[str, Image]


def lead(found: Difference) -> str:
    """What came of it, in a sentence or two."""
    answers = f"{counted(len(found.answers), 'photo')} got another answer." if found.answers else ""
    if not found.same:
        return f"No photo got the same answer from both. {answers}".strip()
    if not found.changed:
        return (
            f"On none of {counted(len(found.same), 'photo')} with one answer did the reason change. {answers}".strip()
        )
    return (
        f"On {found.changed} of {counted(len(found.same), 'photo')} with one answer the reason changed. {answers}"
    ).strip()


def test_words(found: Difference) -> list[str]:
    """What the figures mean, in sentences."""
    rule = (
        f"A reason counts as changed where the maps of both have {LEAST:g} less of rank correlation than maps of one "
        "classifier by other seeds have."
    )
    told = [rule]
    if found.p is None:
        told.append(f"{found.method} draws nothing at random, so seeds change nothing.")
    elif found.same:
        verdict = "too likely to call any photo changed" if found.p > SURE else "so photos are named"
        told.append(
            f"Maps dealt out to both at random lie as far apart with a probability of {number(found.p)}; {verdict}."
        )
    if found.leaning is not None:
        mean, low, high = found.leaning
        between = "" if np.isnan(low) else f" ({number(low, 2)} to {number(high, 2)})"
        told.append(
            "Where one of them looks and the other does not, hiding it costs the one that looks "
            f"{number(mean, 2)}{between} more of the class's log-probability than the other."
        )
    return told


def diff_page(found: Difference) -> str:
    """The page."""
    return render(
        "diff.html",
        limits=LIMITS["diff"],
        title="Same answer, other reason?",
        lead=lead(found),
        names=found.names,
        told=test_words(found),
        shown=[_shown(found, each) for each in found.same[: min(found.changed, SHOWN)]],
        rows=[_row(each) for each in found.same[: found.changed]],
        answers=found.answers,
        findings=found.findings,
        failures=found.failures,
    )


def markdown(found: Difference) -> str:
    """A summary for a pull request."""
    lines = [f"**{lead(found)}**", "", *(f"{each}" for each in test_words(found)), ""]
    if found.changed:
        lines += ["| photo | answer | " + " | ".join(found.names) + " | maps apart |", "|---|---|--:|--:|--:|"]
        lines += ["| " + " | ".join(_row(each)) + " |" for each in found.same[: found.changed]]
    for word, sentences in (found.findings or {}).items():
        lines += ["", f"{word.capitalize()} findings:", *(f"- {each}" for each in sentences or ["none"])]
    return "\n".join(lines) + "\n"


def _row(each: Compared) -> list[str]:
    return [each.name, each.answer, *(percent(one) for one in each.probabilities), number(each.apart.gap, 2)]


def _shown(found: Difference, each: Compared) -> dict[str, Any]:
    image = found.images[each.name]
    pictures = []
    for name, values, view in zip(found.names, each.maps, each.views, strict=True):
        pixels, within = crop(image.pixels, view)
        drawn = overlay(pixels, np.maximum(values, 0), within, longest=SMALL)
        pictures.append((name, embed(drawn, f"{each.name}, where {name} looked")))
    return {"each": each, "pictures": pictures, "gap": number(each.apart.gap, 2)}

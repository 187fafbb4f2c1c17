"""The reports of `cases`: a picture among its twins, and what would have turned a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seewhy.cases.counterfactuals import Counterfactuals
from seewhy.cases.influence import Doubt, Influence, Influences, Pair
from seewhy.cases.manifest import About
from seewhy.cases.parts import Part, Parts
from seewhy.cases.pictures import (
    LONGEST,
    joined_pictures,
    part_pictures,
    removal_picture,
    seen_picture,
    similarity_pictures,
    swap_pictures,
)
from seewhy.cases.twins import Twin, Twins
from seewhy.core.outcome import Outcome
from seewhy.draw import fit
from seewhy.draw.units import odds_words, told_amount
from seewhy.images import Image
from seewhy.report.page import Picture, bars_of, counted, embed, render

SMALL, LARGE, BARS_WIDTH = 360, 480, 380
DOUBTS = 24  # labels shown with their picture


def twins_page(found: Sequence[Twins], about: About, failures: Sequence[Outcome[Any]] = ()) -> str:
    """Each picture among its twins."""
    lead = f"What {about.classifier} decided"
    if found:
        lead += f", explained by those of {counted(found[0].cases, 'case')} that are most alike to the network"
    return render(
        "twins.html",
        title="Have you seen this before?",
        lead=f"{lead}. Pictures are cut to what it saw of them.",
        sections=[_section(twins) for twins in found],
        failures=failures,
    )


def counterfactuals_page(found: Sequence[Counterfactuals], about: About, failures: Sequence[Outcome[Any]] = ()) -> str:
    """For each picture what would have turned the decision."""
    return render(
        "counterfactuals.html",
        title="What would have turned the decision?",
        lead=f"Other pictures, parts of them, and less of the same: what makes {about.classifier} say something else.",
        sections=[_turns(each) for each in found],
        failures=failures,
    )


def influence_page(
    found: Sequence[Influences],
    about: About,
    *,
    classes: Sequence[str],
    accuracy: float,
    labelled: bool,
    doubts: Sequence[tuple[Doubt, Image]],
    pairs: Sequence[Pair],
    failures: Sequence[Outcome[Any]] = (),
) -> str:
    """For each picture those it hangs on, and which labels of the base to look at."""
    return render(
        "influence.html",
        title="Which pictures does this hang on?",
        lead=f"What pictures do to a decision, asked of a linear head that learned from what {about.classifier} saw.",
        sections=[_influenced(each) for each in found],
        classes=classes,
        accuracy=accuracy,
        labelled=labelled,
        doubts=[(each, _small(image, f"{each.path}, labelled {each.label}")) for each, image in doubts[:DOUBTS]],
        doubted=len(doubts),
        pairs=pairs,
        failures=failures,
    )


def compositional_page(found: Sequence[Parts], about: About, failures: Sequence[Outcome[Any]] = ()) -> str:
    """For each picture the parts of the decision, each among the cases most like it alone."""
    return render(
        "compositional.html",
        title="What is it made of?",
        lead=f"What {about.classifier} decided, as a sum of parts, and the pictures that each part is found in.",
        sections=[_composed(each) for each in found],
        failures=failures,
    )


def _composed(found: Parts) -> dict[str, Any]:
    def shown(number: int, part: Part) -> dict[str, Any]:
        own, *others = part_pictures(part, found.image, found.view, SMALL)
        twins = zip(part.twins, others, strict=True)
        return {
            "part": part,
            "points": told_amount(part.points, "score"),
            "own": embed(own, f"{found.image.name}, where part {number} is"),
            "twins": [(each, embed(pixels, f"{each.case.path}, where part {number} is")) for each, pixels in twins],
        }

    return {
        "found": found,
        "photo": embed(seen_picture(found.image, found.view, SMALL), f"The photo {found.image.name}"),
        "parts": [shown(number, part) for number, part in enumerate(found.parts, start=1)],
        "margin": told_amount(found.margin, "score"),
        "bias": told_amount(found.bias, "score"),
    }


def _influenced(found: Influences) -> dict[str, Any]:
    def shown(each: Influence) -> dict[str, Any]:
        words = {"real": odds_words(-each.real), "foretold": odds_words(-each.foretold)}
        return {"each": each, "photo": _small(each.image, f"The case {each.case.path}"), **words}

    return {
        "found": found,
        "photo": _small(found.image, f"The photo {found.image.name}"),
        "helpful": [shown(each) for each in found.helpful],
        "harmful": [shown(each) for each in found.harmful],
    }


def _small(image: Image, alt: str) -> Picture:
    return embed(fit(image.pixels, SMALL), alt)


def _section(twins: Twins) -> dict[str, Any]:
    others = twins.beside.twins.twins if twins.beside else ()
    paths = {twin.case.path for twin in others}
    view = twins.twins[0].maps.own_view
    return {
        "twins": twins,
        "photo": embed(seen_picture(twins.image, view, SMALL), f"The photo {twins.image.name}"),
        "photos": [_photo(twin) for twin in twins.twins],
        "pairs": [_pair(twins.image, twin, "the areas that make it like", LARGE) for twin in twins.twins],
        "joined": [_joined(twins.image, twin) for twin in twins.twins],
        "beside": [(twin.case, _photo(twin)) for twin in others],
        "shared": [twin.case.path for twin in twins.twins if twin.case.path in paths],
    }


def _photo(twin: Twin) -> Picture:
    return embed(seen_picture(twin.image, twin.maps.other_view, SMALL), f"The twin {twin.case.path}")


def _pair(image: Image, twin: Twin, words: str, longest: int) -> list[Picture]:
    """The picture and its twin with the areas that make them alike in colour."""
    names = (image.name, twin.case.path)
    return [
        embed(pixels, f"{name}, {words} {other} in colour")
        for pixels, name, other in zip(
            similarity_pictures(twin.maps, image, twin.image, longest), names, names[::-1], strict=True
        )
    ]


def _joined(image: Image, twin: Twin) -> list[Picture]:
    """The picture and its twin with the areas that are most alike, numbered in pairs."""
    names = (image.name, twin.case.path)
    drawn = joined_pictures(twin.maps, image, twin.image, LARGE) if twin.maps.joined else []
    return [embed(pixels, f"{name}, the areas most alike numbered") for pixels, name in zip(drawn, names, strict=False)]


def _turns(found: Counterfactuals) -> dict[str, Any]:
    """A decision and the pictures of each way to another one; the template says what they show."""
    image, unlike = found.image, found.unlike
    section: dict[str, Any] = {
        "found": found,
        "photo": embed(fit(image.pixels, SMALL), f"The photo {image.name}"),
        "bars": bars_of(found.predictions, 0, BARS_WIDTH),
        "borderline": found.borderline and _photo(found.borderline),
    }  # fmt: skip
    if found.removal:
        regions = counted(len(found.removal.hidden), "region")
        section["removal"] = embed(removal_picture(found.removal, image), f"{image.name} with {regions} in grey")
    if unlike:
        section["unlike"] = _pair(image, unlike, "what makes it like", LONGEST)
    if unlike and found.swap:
        parts = counted(len(found.swap.pairs), "part")
        own, other = swap_pictures(found.swap, image, unlike.image)
        section["swap"] = [
            embed(own, f"{image.name}, {parts} numbered"),
            embed(other, f"{unlike.case.path}, {parts} numbered"),
        ]
    return section

"""The reports of `cases`: a picture among its twins, and what would have turned a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from seewhy.cases.base import About
from seewhy.cases.counterfactuals import Counterfactuals
from seewhy.cases.pictures import LONGEST, removal_picture, seen_picture, similarity_pictures, swap_pictures
from seewhy.cases.twins import Twin, Twins
from seewhy.core.progress import Outcome
from seewhy.draw import bars_svg, fit
from seewhy.images import Image
from seewhy.models import Box, Prediction
from seewhy.report.page import Picture, embed, render
from seewhy.report.words import counted, listed

SMALL, LARGE, BARS_WIDTH = 360, 480, 380


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


def _section(twins: Twins) -> dict[str, Any]:
    best, beside = twins.predictions[0], twins.beside
    others = beside.twins.twins if beside else ()
    paths = {twin.case.path for twin in others}
    return {
        "name": twins.image.name,
        "best": best,
        "photo": _photo(twins.image, twins.twins[0].maps.own_view, f"The photo {twins.image.name}"),
        "bars": _bars(twins.predictions),
        "matches": [_match(twins.image, twin) for twin in twins.twins],
        "same_class": twins.same_class,
        "voters": counted(sum(vote.cases for vote in twins.vote), "nearest case"),
        "vote": listed([f"{vote.cases} {vote.name}" for vote in twins.vote]),
        "agrees": twins.vote[0].name == best.name,
        "trust": twins.trust,
        "left_out": twins.left_out,
        "embedding": twins.embedding,
        "beside": beside,
        "beside_photos": [(twin.case, _twin_photo(twin)) for twin in others],
        "shared": [twin.case.path for twin in twins.twins if twin.case.path in paths],
        "signed": any(twin.maps.signed for twin in twins.twins),
    }


def _match(image: Image, twin: Twin) -> dict[str, Any]:
    """A twin: its photo, and it and the picture side by side with what makes them alike."""
    own, other = _side_by_side(image, twin, "the areas that make it like", LARGE)
    return {
        "case": twin.case,
        "photo": _twin_photo(twin),
        "own": own,
        "other": other,
        "layer_similarity": twin.maps.similarity,
    }


def _side_by_side(image: Image, twin: Twin, words: str, longest: int) -> list[Picture]:
    """The picture and its twin with the areas that make them alike in colour."""
    names = [(image.name, twin.case.path), (twin.case.path, image.name)]
    pictures = similarity_pictures(twin.maps, image, twin.image, longest)
    return [
        embed(pixels, f"{name}, {words} {other} in colour")
        for pixels, (name, other) in zip(pictures, names, strict=True)
    ]


def _twin_photo(twin: Twin) -> Picture:
    return _photo(twin.image, twin.maps.other_view, f"The twin {twin.case.path}")


def _photo(image: Image, view: Box, alt: str) -> Picture:
    return embed(seen_picture(image, view, SMALL), alt)


def _bars(predictions: Sequence[Prediction]) -> Markup:
    named = [(each.name, each.probability) for each in predictions]
    return Markup(bars_svg(named, explained=0, width=BARS_WIDTH))  # noqa: S704 - bars_svg escapes names


# --- Counterfactuals ----------------------------------------------------------------------------------------------


def _turns(found: Counterfactuals) -> dict[str, Any]:
    return {
        "name": found.image.name,
        "best": found.predictions[0],
        "photo": embed(fit(found.image.pixels, SMALL), f"The photo {found.image.name}"),
        "bars": _bars(found.predictions),
        "target": found.target,
        "turned": [each for each in (_removed(found), _swapped(found), _replaced(found)) if each],
        "borderline": _match(found.image, found.borderline) if found.borderline else None,
        "left_out": found.left_out,
    }


def _turned(title: str, becomes: Prediction, words: str, pictures: Sequence[tuple[str, Picture]]) -> dict[str, Any]:
    """One way to another class: what was done, what came of it, and two pictures or one."""
    return {
        "title": title,
        "becomes": f"{becomes.name} ({becomes.probability:.0%})",
        "words": words,
        "pictures": pictures,
    }


def _removed(found: Counterfactuals) -> dict[str, Any] | None:
    removal = found.removal
    if removal is None:
        return None
    regions = counted(len(removal.hidden), "region")
    hidden = "blurred" if removal.fill == "blur" else f"filled with {removal.fill}"
    return _turned(
        f"Without {removal.area:.0%} of the picture",
        removal.prediction,
        f"{regions} of {int(removal.labels.max()) + 1}, here in grey, {'is' if len(removal.hidden) == 1 else 'are'} "
        f"{hidden} for the network. None of them can be spared: with any one shown again the class stays.",
        [("what is left", embed(removal_picture(removal, found.image), f"{found.image.name} with {regions} in grey"))],
    )


def _swapped(found: Counterfactuals) -> dict[str, Any] | None:
    swap, unlike = found.swap, found.unlike
    if swap is None or unlike is None:
        return None
    own, other = swap_pictures(swap, found.image, unlike.image)
    count = len(swap.pairs)
    parts = counted(count, "part")
    return _turned(
        f"With {parts} of another picture",
        swap.prediction,
        f"{count} of {swap.height * swap.width} cells of layer {swap.layer} "
        f"take what the network saw in the other picture, number by number. They are exchanged inside the network, so "
        "no picture shows the result.",
        [
            ("this picture", embed(own, f"{found.image.name}, {parts} numbered")),
            (unlike.case.path, embed(other, f"{unlike.case.path}, {parts} numbered")),
        ],
    )


def _replaced(found: Counterfactuals) -> dict[str, Any] | None:
    unlike = found.unlike
    if unlike is None:
        return None
    gap = f"; the nearest of the same class is {found.like.case.similarity:.2f} alike" if found.like else ""
    colours = "Orange areas" if unlike.maps.signed else "Bright areas"
    pictures = _side_by_side(found.image, unlike, "what makes it like", LONGEST)
    return _turned(
        "The nearest picture of another class",
        unlike.case.prediction,
        f"{unlike.case.path} is {unlike.case.similarity:.2f} alike{gap}. {colours} make the two alike: what "
        "tells them apart lies elsewhere, or in how strong it is.",
        list(zip(("this picture", unlike.case.path), pictures, strict=True)),
    )

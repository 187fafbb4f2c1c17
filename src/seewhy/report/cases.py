"""The reports of `cases`: a picture among its twins, and what would have turned a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from seewhy.cases.base import About
from seewhy.cases.counterfactuals import Counterfactuals
from seewhy.cases.pictures import removal_picture, seen_picture, similarity_pictures, swap_pictures
from seewhy.cases.queries import Case, Copy
from seewhy.cases.twins import Beside, Twin, Twins
from seewhy.core.outcome import Outcome
from seewhy.draw import bars_svg, fit
from seewhy.images import Image
from seewhy.models import Box, Prediction
from seewhy.report.page import Picture, embed, write_page
from seewhy.report.words import counted, listed

SMALL, LARGE, BARS_WIDTH = 360, 480, 380


@dataclass(frozen=True)
class Match:
    """A twin: its photo, and it and the picture side by side with what makes them alike."""

    case: Case
    photo: Picture
    own: Picture
    other: Picture
    layer_similarity: float


@dataclass(frozen=True)
class Section:
    """One picture of the twins' page."""

    name: str
    best: Prediction
    photo: Picture
    bars: Markup
    matches: Sequence[Match]
    same_class: bool
    voters: str
    vote: str
    agrees: bool
    trust: float | None
    left_out: Sequence[Copy]
    embedding: str
    beside: Beside | None
    beside_photos: Sequence[tuple[Case, Picture]]
    shared: Sequence[str]
    signed: bool


@dataclass(frozen=True)
class Turned:
    """One way to another class: what was done, what came of it, and two pictures or one."""

    title: str
    becomes: str
    words: str
    pictures: Sequence[tuple[str, Picture]]


def write_twins_report(folder: Path, found: Sequence[Twins], about: About, failures: Sequence[Outcome] = ()) -> Path:
    """Write `folder/report.html`; returns its path."""
    return write_page(
        folder / "report.html",
        "twins.html",
        title="Have you seen this before?",
        lead=f"What {about.classifier} decided, explained by those of {counted(found[0].cases, 'case')} that are most "
        "alike to the network. Pictures are cut to what it saw of them.",
        sections=[_section(twins) for twins in found],
        failures=failures,
    )


def write_counterfactual_report(
    folder: Path, found: Sequence[Counterfactuals], about: About, failures: Sequence[Outcome] = ()
) -> Path:
    """Write `folder/report.html`; returns its path."""
    return write_page(
        folder / "report.html",
        "counterfactuals.html",
        title="What would have turned the decision?",
        lead=f"Other pictures, parts of them, and less of the same: what makes {about.classifier} say something else.",
        sections=[_turns(each) for each in found],
        failures=failures,
    )


def _section(twins: Twins) -> Section:
    best = twins.predictions[0]
    return Section(
        name=twins.image.name,
        best=best,
        photo=_photo(twins.image, twins.twins[0].maps.own_view, f"The photo {twins.image.name}"),
        bars=_bars(twins.predictions),
        matches=[_match(twins.image, twin) for twin in twins.twins],
        same_class=twins.same_class,
        voters=counted(sum(vote.cases for vote in twins.vote), "nearest case"),
        vote=listed([f"{vote.cases} {vote.name}" for vote in twins.vote]),
        agrees=twins.vote[0].name == best.name,
        trust=twins.trust,
        left_out=twins.left_out,
        embedding=twins.embedding,
        beside=twins.beside,
        beside_photos=[(twin.case, _twin_photo(twin)) for twin in twins.beside.twins.twins] if twins.beside else [],
        shared=_shared(twins),
        signed=any(twin.maps.signed for twin in twins.twins),
    )


def _shared(twins: Twins) -> list[str]:
    if twins.beside is None:
        return []
    others = {twin.case.path for twin in twins.beside.twins.twins}
    return [twin.case.path for twin in twins.twins if twin.case.path in others]


def _match(image: Image, twin: Twin) -> Match:
    own, other = similarity_pictures(twin.maps, image, twin.image, longest=LARGE)
    alike = f"the areas that make it like {twin.case.path} in colour"
    return Match(
        twin.case,
        _twin_photo(twin),
        embed(own, f"{image.name}, {alike}"),
        embed(other, f"{twin.case.path}, the areas that make it like {image.name} in colour"),
        twin.maps.similarity,
    )


def _twin_photo(twin: Twin) -> Picture:
    return _photo(twin.image, twin.maps.other_view, f"The twin {twin.case.path}")


def _photo(image: Image, view: Box, alt: str) -> Picture:
    return embed(seen_picture(image, view, SMALL), alt)


def _bars(predictions: Sequence[Prediction]) -> Markup:
    named = [(each.name, each.probability) for each in predictions]
    return Markup(bars_svg(named, explained=0, width=BARS_WIDTH))  # noqa: S704 - bars_svg escapes names


# --- Counterfactuals ----------------------------------------------------------------------------------------------


def _turns(found: Counterfactuals) -> dict[str, object]:
    return {
        "name": found.image.name,
        "best": found.predictions[0],
        "photo": embed(fit(found.image.pixels, SMALL), f"The photo {found.image.name}"),
        "bars": _bars(found.predictions),
        "target": found.target,
        "turned": [each for each in (_removed(found), _swapped(found), _replaced(found)) if each],
        "borderline": _borderline(found),
        "left_out": found.left_out,
    }


def _removed(found: Counterfactuals) -> Turned | None:
    removal = found.removal
    if removal is None:
        return None
    regions = counted(len(removal.hidden), "region")
    hidden = "blurred" if removal.fill == "blur" else f"filled with {removal.fill}"
    return Turned(
        f"Without {removal.area:.0%} of the picture",
        _becomes(removal.prediction),
        f"{regions} of {int(removal.labels.max()) + 1}, here in grey, {'is' if len(removal.hidden) == 1 else 'are'} "
        f"{hidden} for the network. None of them can be spared: with any one shown again the class stays.",
        [("what is left", embed(removal_picture(removal, found.image), f"{found.image.name} with {regions} in grey"))],
    )


def _swapped(found: Counterfactuals) -> Turned | None:
    swap, unlike = found.swap, found.unlike
    if swap is None or unlike is None:
        return None
    own, other = swap_pictures(swap, found.image, unlike.image)
    count = len(swap.pairs)
    parts = counted(count, "part")
    return Turned(
        f"With {parts} of another picture",
        _becomes(swap.prediction),
        f"{count} of {swap.height * swap.width} cells of layer {swap.layer} "
        f"take what the network saw in the other picture, number by number. They are exchanged inside the network, so "
        "no picture shows the result.",
        [
            ("this picture", embed(own, f"{found.image.name}, {parts} numbered")),
            (unlike.case.path, embed(other, f"{unlike.case.path}, {parts} numbered")),
        ],
    )


def _replaced(found: Counterfactuals) -> Turned | None:
    unlike = found.unlike
    if unlike is None:
        return None
    gap = f"; the nearest of the same class is {found.like.case.similarity:.2f} alike" if found.like else ""
    own, other = similarity_pictures(unlike.maps, found.image, unlike.image)
    return Turned(
        "The nearest picture of another class",
        _becomes(unlike.case.prediction),
        f"{unlike.case.path} is {unlike.case.similarity:.2f} alike{gap}. {_colours(unlike)} make the two alike: what "
        "tells them apart lies elsewhere, or in how strong it is.",
        [
            ("this picture", embed(own, f"{found.image.name}, what makes it like {unlike.case.path} in colour")),
            (unlike.case.path, embed(other, f"{unlike.case.path}, what makes it like {found.image.name} in colour")),
        ],
    )


def _borderline(found: Counterfactuals) -> Match | None:
    return _match(found.image, found.borderline) if found.borderline else None


def _colours(twin: Twin) -> str:
    return "Orange areas" if twin.maps.signed else "Bright areas"


def _becomes(prediction: Prediction) -> str:
    return f"{prediction.name} ({prediction.probability:.0%})"

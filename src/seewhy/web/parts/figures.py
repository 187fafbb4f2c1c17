"""Pictures, charts and explanations in a page, each with words for those who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from seewhy.draw import OURS, Colors, boxed, fit
from seewhy.images import Image
from seewhy.methods import Explanation
from seewhy.methods.explanation import sentence
from seewhy.models import Prediction
from seewhy.report.explain import photo_section
from seewhy.report.page import Picture, bars_of, embed, embed_photo, photo_notes, render_macro, seen
from seewhy.verbs.decides import Decision

SMALL, BARS = 480, 380  # pixels


def photo_html(image: Image) -> str:
    """A photo as it came in, with what was done to it on the way."""
    return picture_html(embed(fit(image.pixels, SMALL), f"The photo {image.name}"), notes=[*map(sentence, image.notes)])


def seen_html(*explanations: Explanation) -> str:
    """The photo, with a frame round what the model saw where that is not all of it, and the notes common to all."""
    shown, whole = embed_photo(explanations[0])
    frame = () if whole else ("The frame marks what the model saw.",)
    return picture_html(shown, notes=(*frame, *photo_notes(explanations)))


def picture_html(shown: Picture, notes: Sequence[str] = ()) -> str:
    """One picture, with remarks below."""
    return render("picture.html", shown=shown, notes=notes)


def decision_html(image: Image, decided: Decision) -> str:
    """What decides in a photo, with the part framed, and what the sentence was held against."""
    words = f"The photo {image.name}, with the part framed that the sentence speaks of"
    shown = embed(boxed(image.pixels, decided.box, longest=SMALL), words)
    return render("decision.html", shown=shown, sentence=decided.sentence, test=decided.test)


def bars_html(classes: Sequence[Prediction], explained: Sequence[int] = ()) -> str:
    """The likeliest classes as bars; `explained` are the indices of those that are asked about."""
    places = [place for place, each in enumerate(classes) if each.index in explained]
    return f'<div class="bars">{bars_of(classes, places[0] if len(places) == 1 else None, BARS)}</div>'


def method_html(explanations: Sequence[Explanation], colors: Colors = OURS) -> str:
    """What one method found, class by class, as in the report; a part of a report."""
    return render_macro("figures.html", "of_method", photo_section(explanations, colors))


def render(template: str, **fields: Any) -> str:
    """The piece that `template` makes of `fields`; text in them is escaped."""
    return _environment().get_template(template).render(fields)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("seewhy.web.parts"),
        autoescape=True,
        finalize=seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

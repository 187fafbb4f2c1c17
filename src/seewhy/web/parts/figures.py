"""Explanations as pieces of HTML for pages: pictures with words for those who cannot see them, legends, bars, facts."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from html import unescape
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from seewhy.draw import OURS, Colors, Tile, boxed, fit, weight_bars_svg
from seewhy.images import Image
from seewhy.methods import Explanation, Method, method_info
from seewhy.methods.explanation import explanation_tile, is_blurred, sentence
from seewhy.models import Prediction
from seewhy.report.page import (
    OTHER_COLORS,
    Picture,
    alternative,
    bars_of,
    embed,
    embed_photo,
    facts,
    method_notes,
    photo_notes,
    seen,
    title_of,
)
from seewhy.report.study import Table
from seewhy.verbs.decides import Decision

SMALL = 480
INK = "<style>svg{color:#1b1f24}@media(prefers-color-scheme:dark){svg{color:#e8eaed}}</style>"
SAID = re.compile(r'aria-label="([^"]*)"')
BARS = 380


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
    return render(
        "decision.html",
        shown=embed(boxed(image.pixels, decided.box, longest=SMALL), words),
        sentence=decided.sentence,
        test=decided.test,
    )


def bars_html(classes: Sequence[Prediction], explained: int | None = None) -> str:
    """The likeliest classes as bars; `explained` is the index of the class that is asked about."""
    places = [place for place, each in enumerate(classes) if each.index == explained]
    return svg_html(bars_of(classes, places[0] if places else None, BARS))


def svg_html(drawn: str) -> str:
    """An `<svg>` element as a picture: pages drop the element itself, and a picture has no text colour to inherit."""
    said = SAID.search(drawn)
    inked = str(drawn).replace(">", f">{INK}", 1)
    uri = "data:image/svg+xml;base64," + b64encode(inked.encode()).decode("ascii")
    return render("svg.html", uri=uri, alt=unescape(said[1]) if said else "")


def figure_html(explanation: Explanation, colors: Colors = OURS, *, title: str = "", told: Sequence[str] = ()) -> str:
    """What one method found: picture, legend, notes but those `told` beside it, how to read it, cost and checks."""
    info = method_info(explanation.method)
    tile = explanation_tile(explanation, colors=colors)
    bars = svg_html(weight_bars_svg(tile.weights, width=BARS)) if tile.weights else ""
    return render(
        "figure.html",
        title=title or title_of(info.name),
        info=info,
        explanation=explanation,
        shown=embed(tile.picture, alternative(explanation, info)),
        legend=tile.legend,
        scale=tile.legend.uri if tile.legend else "",
        bars=Markup(bars),  # noqa: S704 - the template escaped what is in it
        intervals=any(weight.margin for weight in tile.weights),
        notes=method_notes(explanation, told),
        remark=_remark(explanation, info, tile),
        facts={"Paper": info.paper, **facts(explanation), "Model": explanation.classifier},
    )


def scores_html(table: Table, model: str = "") -> str:
    """Methods down, metrics of one family across, under the question that they ask."""
    return render("scores.html", table=table, model=model)


def _remark(explanation: Explanation, info: type[Method], tile: Tile) -> str:
    """How to read the picture; of one that shows nothing, that this is an answer."""
    if not (tile.legend or explanation.rule):
        return "Nothing in the photo stands out to this method. That is an answer, not a failure; another may see more."
    blurred = "Single pixels are drawn a little blurred." if is_blurred(explanation) else ""
    chosen = OTHER_COLORS if tile.legend and tile.legend.colors.cmap else ""
    return " ".join(filter(None, [info.reading, blurred, chosen]))


def render(template: str, **fields: Any) -> str:
    """The piece that `template` makes of `fields`; text in them is escaped."""
    return _environment().get_template(template).render(fields)


@cache
def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader(
            [PackageLoader("seewhy.web.parts"), PrefixLoader({"report": PackageLoader("seewhy.report")})]
        ),
        autoescape=True,
        finalize=seen,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

"""Explain: why the model decided what it did, by one method or several."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import streamlit as st

from seewhy.draw import OURS, Colors
from seewhy.errors import SeewhyError
from seewhy.images import Image
from seewhy.methods import Explanation, Method, method_info, suitable_methods
from seewhy.models import Classifier
from seewhy.models.head import MEANS
from seewhy.report.page import listed, says, title_of
from seewhy.web.parts.figures import bars_html, decision_html, method_html, photo_html, seen_html
from seewhy.web.parts.jobs import downloads, drop_others, follow
from seewhy.web.parts.page import Page, columns_of, file_stem, heading, limits, plain, refusal
from seewhy.web.parts.questions import choose_methods, choose_model, choose_photo, choose_targets, opened
from seewhy.web.parts.reports import show_part
from seewhy.web.parts.session import visitor
from seewhy.web.services.caches import model_label
from seewhy.web.services.hub import Request, services
from seewhy.web.services.reports import explanation_files, report_of
from seewhy.web.services.results import Explained

FIRST = ("grad-cam", "lrp")
CLASSES = 4  # side by side
OWN = "seewhy"
COLOURS = (OWN, "viridis", "cividis", "magma", "turbo", "jet", "coolwarm", "PuOr_r")
LIMITS = (
    "A map shows where the model looked, not why that was reason enough, and not whether the reason is a good one.",
    "The picture of one method is no proof. Compare says which of several to believe for this photo.",
    "Each method has its own scale: compare where methods look, not how bright they are.",
)


def show() -> None:
    """Draw the page: the photo first, then what the model says, then one method after the other."""
    heading("Why did the model decide that?", "Each picture shows what one method finds in the photo.")
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        chosen = choose_photo("explain")
        model = choose_model("explain")
        photo, said = st.empty(), st.container()
    if chosen is None:
        right.info("Choose a photo to begin.", icon=":material/image:")
        return
    image = chosen.image
    photo.html(photo_html(image))
    with right:
        classifier = opened(model)
        request, colors = _questions(classifier, model)
        summary, title, results = st.container(), st.empty(), st.container()
    with said:
        _prediction(classifier, image, request)
    with results:
        found = _results(image, request, colors, title)
    if found.explanations:
        photo.html(seen_html(*found.explanations))
        with summary:
            _summary(image, request)
        with right:
            everything = partial(explanation_files, found, colors)
            downloads("explain", f"seewhy-{file_stem(image)}", lambda: report_of(everything()), everything)
            limits(LIMITS)


def _questions(classifier: Classifier, model: str) -> tuple[Request, Colors]:
    """What is asked, and how the answer is drawn."""
    methods = choose_methods("explain", classifier, FIRST, "Choose a method")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        targets = choose_targets("explain", classifier, CLASSES)
        colors = _colors()
        with st.popover("Which method?", icon=":material/help:"):
            for info in suitable_methods(classifier):
                st.markdown(f"**{title_of(info.name)}**: {info.question}  \n:small[:gray[Cost: {info.cost}]]")
    if not methods:
        st.info("Choose a method.", icon=":material/checklist:")
    return Request(model, methods, targets=targets), colors


def _colors() -> Colors:
    with st.popover("Colours", icon=":material/palette:"):
        opacity = st.slider(
            "Opacity of the strongest evidence",
            0.2,
            1.0,
            OURS.opacity,
            0.05,
            key="explain-opacity",
            bind="query-params",
        )
        name = st.selectbox("Colour map", COLOURS, key="explain-cmap", bind="query-params")
    return Colors(opacity, None if name == OWN else name)


def _prediction(classifier: Classifier, image: Image, request: Request) -> None:
    """What the model says of the photo."""
    found = follow(
        "explain-prediction",
        (request.model, image.sha256, image.name),
        lambda: services().predict(image, request.model, visitor=visitor()),
    )
    if found:
        st.header(f"It says {plain(says(found))}", anchor=False)
        asked = [classifier.target(each).index for each in request.targets] or [found[0].index]
        show_part("explain-bars", bars_html(found, asked))
        st.caption(f"Model: {plain(model_label(request.model))}. {MEANS[classifier.head.meaning]}")


def _results(image: Image, request: Request, colors: Colors, title: Any) -> Explained:
    """What each method found, drawn as soon as it is there: two methods in a row, or one with all classes asked for."""
    found: list[Explanation] = []
    failures: dict[str, SeewhyError] = {}
    keys = {f"explain-by-{method}": method for method in request.methods}
    drop_others("explain-by-", keys)
    for column, (key, method) in columns_of([*keys.items()], 1 if len(request.targets) > 1 else 2):
        asked = replace(request, methods=(method,))
        with column:
            explained = follow(
                key,
                (asked, image.sha256, image.name),
                lambda asked=asked: services().explain(image, asked, visitor=visitor()),
                method_info(method).title,
            )
            if explained is None:
                continue
            for error in explained.failures.values():
                st.warning(f"{title_of(method)}: {refusal(error)}", icon=":material/error:")
            if explained.explanations:
                show_part(f"{key}-shown", method_html(explained.explanations, colors))
        failures |= explained.failures
        found += explained.explanations
        if found:
            names = listed([*dict.fromkeys(each.target_label for each in found)])
            title.header(f"Why {plain(names)}?", anchor=False)
    return Explained(image, tuple(found), failures)


def _summary(image: Image, request: Request) -> None:
    """What decides in this photo for the class, where it is one, in a sentence, with what it was held against."""
    method = next((each for each in request.methods if not Method.registry[each].class_blind), None)
    if method is None or len(request.targets) > 1:
        return
    asked = replace(request, methods=(method,))
    decided = follow(
        "explain-decision",
        (asked, image.sha256, image.name),
        lambda: services().decide(image, asked, visitor=visitor()),
        "What decides",
    )
    if decided:
        st.html(decision_html(image, decided))


PAGE = Page("Explain", ":material/visibility:", "explain", 10, show)

"""Explain: why the model decided what it did, by one method or several."""

from __future__ import annotations

import streamlit as st

from seewhy.draw import OURS, Colors
from seewhy.methods import method_info, suitable_methods
from seewhy.models import Classifier
from seewhy.models.head import MEANS
from seewhy.report.page import photo_notes, says
from seewhy.web.parts.figures import bars_html, figure_html, seen_html
from seewhy.web.parts.jobs import downloads, follow
from seewhy.web.parts.page import Page, columns_of, file_stem, heading, limits
from seewhy.web.parts.questions import choose_methods, choose_model, choose_photo, choose_target, opened
from seewhy.web.parts.session import visitor
from seewhy.web.services.hub import Request, services
from seewhy.web.services.reports import explanation_files
from seewhy.web.services.results import Explained
from seewhy.web.telling import told

FIRST = ("grad-cam", "lrp")
OWN = "seewhy"
COLOURS = (OWN, "viridis", "cividis", "magma", "turbo", "jet", "coolwarm", "PuOr_r")
LIMITS = (
    "A map shows where the model looked, not why that was reason enough, and not whether the reason is a good one.",
    "The picture of one method is no proof. Compare says which of several to believe for this photo.",
    "Each method has its own scale: compare where methods look, not how bright they are.",
)


def show() -> None:
    """Draw the page."""
    heading("Why did the model decide that?", "Each picture shows what one method finds in the photo.")
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        image = choose_photo("explain")
        model = choose_model("explain")
        photo = st.container()
    with right:
        if image is None:
            st.info("Choose a photo to begin.", icon=":material/image:")
            return
        request, colors = _questions(opened(model), model)
        if not request.methods:
            st.info("Choose a method.", icon=":material/checklist:")
            return
        found = follow(
            "explain-job",
            (request, image.sha256, image.name),
            lambda: services().explain(image, request, visitor=visitor()),
        )
        if found is None:
            return
        _results(found, colors)
    with photo:
        _photo(found)


def _questions(classifier: Classifier, model: str) -> tuple[Request, Colors]:
    """What is asked, and how the answer is drawn."""
    methods = choose_methods("explain", classifier, FIRST, "Choose a method")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = choose_target("explain", classifier)
        colors = _colors()
        with st.popover("Which method?", icon=":material/help:"):
            for info in suitable_methods(classifier):
                st.markdown(f"**{info.title}**: {info.question}  \n:small[:gray[Cost: {info.cost}]]")
    return Request(model, methods, target=target), colors


def _colors() -> Colors:
    with st.popover("Colours", icon=":material/palette:"):
        opacity = st.slider(
            "Opacity of the strongest evidence",
            0.2,
            1.0,
            OURS.opacity,
            0.05,
            key="explain-opacity",
            persist_state="session",
        )
        name = st.selectbox("Colour map", COLOURS, key="explain-cmap", persist_state="session")
    return Colors(opacity, None if name == OWN else name)


def _results(found: Explained, colors: Colors) -> None:
    for method, error in found.failures.items():
        st.warning(f"{method_info(method).title}: {told(error)}", icon=":material/error:")
    if not found.explanations:
        return
    st.header(f"Why {found.explanations[0].target_label}?", anchor=False)
    said = photo_notes(found.explanations)
    for column, explanation in columns_of(found.explanations):
        column.html(figure_html(explanation, colors, told=said))
    downloads("explain", f"seewhy-{file_stem(found.image)}", lambda: explanation_files(found, colors))
    limits(LIMITS)


def _photo(found: Explained) -> None:
    """The photo, and what the model says of it."""
    if not found.explanations:
        return
    one = found.explanations[0]
    st.html(seen_html(*found.explanations))
    st.header(f"It says {says(one.predictions)}", anchor=False)
    st.html(bars_html(one.predictions, one.target.index))
    st.caption(MEANS[one.meaning])


PAGE = Page("Explain", ":material/visibility:", "explain", 10, show)

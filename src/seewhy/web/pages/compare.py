"""Compare: which of several explanations of a photo to believe."""

from __future__ import annotations

import streamlit as st

from seewhy.metrics import list_metrics, metric_info
from seewhy.models import Classifier
from seewhy.web.parts.figures import photo_html
from seewhy.web.parts.jobs import follow
from seewhy.web.parts.page import Page, file_stem, heading
from seewhy.web.parts.questions import choose_methods, choose_model, choose_photo, choose_targets, opened
from seewhy.web.parts.reports import show_report
from seewhy.web.parts.session import ask_for, visitor
from seewhy.web.services.hub import Request, services
from seewhy.web.services.reports import report_page, result_files

# Of every kind, and among the quick ones.
FIRST = ("grad-cam", "eigen-cam", "lrp", "integrated-gradients")
QUICK = ("insertion-minus-deletion", "infidelity", "sparseness")


def show() -> None:
    """Draw the page."""
    heading(
        "Which explanation is to be believed?",
        "Each method is tested: hide what it points at, and see what the model says.",
    )
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        chosen = choose_photo("compare")
        model = choose_model("compare")
    with right:
        if chosen is None:
            st.info("Choose a photo to begin.", icon=":material/image:")
            return
        image = chosen.image
        request = _questions(opened(model), model)
        wanted = (request, image.sha256, image.name)
        pressed = st.button("Compare", type="primary", icon=":material/balance:", disabled=len(request.methods) < 2)
        st.caption("Takes a minute or two without a graphics card; every test asks the model thousands of questions.")
    left.html(photo_html(image))
    if not ask_for("compare-job", wanted, pressed=pressed):
        return
    with right:
        found = follow("compare-job", wanted, lambda: services().compare(image, request, visitor=visitor()))
        if found:
            show_report(
                "compare", f"seewhy-{file_stem(image)}-compared", report_page(found), lambda: result_files(found)
            )


def _questions(classifier: Classifier, model: str) -> Request:
    """What is compared."""
    methods = choose_methods("compare", classifier, FIRST, "Choose two or more")
    metrics = st.multiselect(
        "Tests",
        [info.name for info in list_metrics() if "mask" not in info.needs],
        QUICK,
        format_func=lambda name: metric_info(name).title,
        placeholder="Choose a test",
        key="compare-metrics",
        wrap=True,
        select_all=False,
        bind="query-params",
    )
    with st.container(horizontal=True):
        targets = choose_targets("compare", classifier)
    return Request(model, methods, tuple(metrics), targets)


PAGE = Page("Compare", ":material/balance:", "compare", 20, show)

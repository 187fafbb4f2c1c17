"""Compare: which of several explanations of a photo to believe."""

from __future__ import annotations

import streamlit as st

from seewhy.metrics import list_metrics, metric_info
from seewhy.models import Classifier
from seewhy.models.head import MEANS
from seewhy.report.page import title_of
from seewhy.report.study import curve_noun, families, mean_curves
from seewhy.report.verdict import study_verdict
from seewhy.verbs.compare import Comparison
from seewhy.web.parts.figures import figure_html, photo_html, scores_html, svg_html
from seewhy.web.parts.jobs import downloads, follow
from seewhy.web.parts.page import Page, columns_of, file_stem, heading, limits, plain
from seewhy.web.parts.questions import choose_methods, choose_model, choose_photo, choose_target, opened
from seewhy.web.parts.session import ask_for, visitor
from seewhy.web.services.hub import Request, services
from seewhy.web.services.reports import result_files

# Of every kind, and among the quick ones.
FIRST = ("grad-cam", "eigen-cam", "lrp", "integrated-gradients")
QUICK = ("insertion-minus-deletion", "infidelity", "sparseness")
CURVES = {"probability": "Probability of the class", "value": "Value"}
LIMITS = (
    "The tests hide parts of the photo, and photos with holes are unlike any that the network has seen.",
    "A method that ranks first for one photo may not for another. The command line compares whole folders.",
    "A faithful map shows what the network used. Whether that is a good reason is for people to say.",
)


def show() -> None:
    """Draw the page."""
    heading(
        "Which explanation is to be believed?",
        "Each method is tested: hide what it points at, and see what the model says.",
    )
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        image = choose_photo("compare")
        model = choose_model("compare")
    with right:
        if image is None:
            st.info("Choose a photo to begin.", icon=":material/image:")
            return
        request = _questions(opened(model), model)
        wanted = (request, image.sha256, image.name)
        pressed = st.button("Compare", type="primary", icon=":material/balance:", disabled=len(request.methods) < 2)
        st.caption("Takes a minute or two without a graphics card; every test asks the model thousands of questions.")
    with left:
        st.html(photo_html(image))
    if not ask_for("compare-job", wanted, pressed=pressed):
        return
    with right:
        found = follow("compare-job", wanted, lambda: services().compare(image, request, visitor=visitor()))
    if found:
        _results(found, file_stem(image))


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
        target = choose_target("compare", classifier)
    return Request(model, methods, tuple(metrics), target)


def _results(found: Comparison, name: str) -> None:
    (scores,), (maps,) = found.scores, (scored.explanations for scored in found.explained.values())
    one = next(iter(maps.values()))
    st.header(f"Why {one.target_label}?", anchor=False)
    likely = one.told if one.meaning == "values" else f"{one.told} likely"
    st.caption(f"To {plain(one.classifier)} it is {likely}. {MEANS[one.meaning]}")
    st.header("The verdict", anchor=False)
    st.markdown(study_verdict(found))
    for family in families(found):
        for _, table in family.tables:
            st.html(scores_html(table))
    if charts := mean_curves(found):
        st.header("Bit by bit", anchor=False)
        for column, (title, words, chart) in columns_of(charts):
            column.subheader(title, anchor=False)
            column.caption(f"{CURVES[curve_noun(found)]} by the share {words}.")
            column.html(svg_html(chart))
    st.header("What each method sees, best first, and the strongest control", anchor=False)
    beside = found.judged.strongest
    shown = [method for method in (*scores.best_first, *([beside] if beside else [])) if method in maps]
    for column, (place, method) in columns_of(list(enumerate(shown, start=1)), 3):
        name = title_of(method) if method == beside else f"{place}. {title_of(method)}"
        column.html(figure_html(maps[method], title=name))
    downloads("compare", f"seewhy-{name}-compared", lambda: result_files(found))
    limits(LIMITS)


PAGE = Page("Compare", ":material/balance:", "compare", 20, show)

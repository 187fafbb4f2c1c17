"""Network: what each layer found in a photo or goes by for a whole class, in people's words where there are some."""

from __future__ import annotations

import streamlit as st

from seewhy.people.rounds import played_classes
from seewhy.web.parts.figures import photo_html
from seewhy.web.parts.jobs import answered
from seewhy.web.parts.page import Page, file_stem, heading, plain
from seewhy.web.parts.questions import choose_model, choose_photo, choose_targets, opened
from seewhy.web.parts.reports import show_report
from seewhy.web.services.reports import report_of
from seewhy.web.services.storage import people_store

PHOTO, CLASS = "One photo", "A whole class"
ABOUT_CLASS = "What the layers go by, in the words of people who played with photos of the class."


def show() -> None:
    """Draw the page."""
    heading("What does each layer see?", "From edges to things: what the layers found, and what each find weighs.")
    kind = st.segmented_control(
        "About", [PHOTO, CLASS], default=PHOTO, required=True, key="network-kind", bind="query-params"
    )
    if kind == PHOTO:
        _photo()
    else:
        _class()


def _photo() -> None:
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        chosen = choose_photo("network")
        if chosen:
            st.html(photo_html(chosen.image))
    with right:
        model = choose_model("network")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            targets = choose_targets("network", opened(model))
        if chosen is None:
            st.info("Choose a photo to begin.", icon=":material/image:")
            return
        target = next(iter(targets), None)
        found = answered("network-job", "network", image=chosen.id, model=model, target=target)
    if found:
        show_report("network", f"seewhy-{file_stem(chosen.image)}-network", report_of(found.files), lambda: found.files)


def _class() -> None:
    st.caption(ABOUT_CLASS)
    model = choose_model("network")
    classifier = opened(model)
    categories = classifier.categories
    played = played_classes(people_store(), classifier.fingerprint)
    index = st.selectbox(
        "Class",
        sorted(range(len(categories)), key=lambda each: categories[each] not in played),
        None,
        format_func=categories.__getitem__,
        placeholder="those with words come first" if played else "nobody has played yet",
        key="network-whole",
        width=320,
    )
    if index is None:
        return
    if categories[index] not in played:
        st.info(
            f"Nobody has played with a photo of the class {plain(categories[index])} yet, so there are no words. "
            "They come from the page Play.",
            icon=":material/extension:",
        )
        return
    if found := answered("network-class-job", "class-view", model=model, of=index):
        show_report(
            "network-class", f"seewhy-{file_stem(categories[index])}", report_of(found.files), lambda: found.files
        )


PAGE = Page("Network", ":material/account_tree:", "network", 40, show)

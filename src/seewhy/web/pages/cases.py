"""Cases: a decision explained by other pictures, and by what would have turned it."""

from __future__ import annotations

import streamlit as st

from seewhy.web.parts.figures import photo_html
from seewhy.web.parts.jobs import answered
from seewhy.web.parts.page import Page, file_stem, heading
from seewhy.web.parts.questions import choose_photo
from seewhy.web.parts.reports import show_report
from seewhy.web.parts.session import trained
from seewhy.web.rest.found import lend
from seewhy.web.services.bases import BASE, PROTOTYPES, bases, prototype_models
from seewhy.web.services.hub import services
from seewhy.web.services.reports import report_of

MINE = " (of this visit)"
NOTHING = "There is nothing to compare with here yet."  # strangers give this machine no commands
NOTHING_YET = "There is nothing to compare with yet. Teach it classes of your own on Train, or run this command:"
COMMANDS = {
    "cases": "seewhy cases build photos/ --out {}",
    "prototypes": "seewhy prototypes train photos/ --backbone file:my-model --out {}",
}
# What is asked, of what kind of folder, and in words.
KINDS = {
    "Twins": (
        "twins",
        "cases",
        "Of the pictures that it says the same of, those most like this one to the network, and where they are alike.",
    ),
    "What would turn it": (
        "counterfactual",
        "cases",
        "Another picture, parts of it, or less of this one: what makes the model say something else.",
    ),
    "Parts": (
        "parts",
        "cases",
        "The decision as a sum of parts of the photo, each beside parts of other pictures that are like it.",
    ),
    "Influence": (
        "influence",
        "cases",
        "Which pictures speak for the decision and which against it, asked of a last layer that learned from them.",
    ),
    "Prototypes": (
        "prototypes",
        "prototypes",
        "Which places in the photo look like patches of training pictures, and what each counts.",
    ),
}


def show() -> None:
    """Draw the page."""
    heading("Has it seen something like this?", "A decision explained by other pictures.")
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        chosen = choose_photo("cases")
        if chosen:
            st.html(photo_html(chosen.image))
    with right:
        kind = st.segmented_control(
            "Explain by", list(KINDS), default=next(iter(KINDS)), required=True, key="cases-kind", bind="query-params"
        )
        question, source, about = KINDS[kind]
        st.caption(about)
        known = _choose_source(source)
        if known is None or chosen is None:
            return
        found = answered("cases-job", question, image=chosen.id, **{source: known})
        if found:
            show_report("cases", f"seewhy-{file_stem(chosen.image)}-cases", report_of(found.files), lambda: found.files)


def _choose_source(kind: str) -> str | None:
    """The id of the cases or the prototypes to ask; tells how to make some where there are none."""
    at, prototypes = services(), kind == "prototypes"
    own = [each.prototypes / PROTOTYPES if prototypes else each.cases / BASE for each in trained()]
    names = {lend(each.parent): each.parent.name + MINE for each in own if each.is_file()}
    names |= {name: name for name in (prototype_models(at) if prototypes else bases(at))}
    if names:
        return st.selectbox(
            "From", list(names), format_func=names.__getitem__, key=f"cases-from-{kind}", bind="query-params"
        )
    public = at.settings.public
    st.info(NOTHING if public else NOTHING_YET, icon=":material/photo_library:")
    if not public:
        where = at.settings.prototypes_folder if prototypes else at.settings.cases_folder
        st.code(COMMANDS[kind].format(where / "first"), language=None, wrap_lines=True)
    return None


PAGE = Page("Cases", ":material/photo_library:", "cases", 30, show)

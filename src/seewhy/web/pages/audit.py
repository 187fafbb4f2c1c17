"""Audit: does a model answer for wrong reasons, over photos that somebody brings."""

from __future__ import annotations

import json
from functools import partial
from hashlib import sha256

import streamlit as st

from seewhy.web.parts.figures import render, svg_html
from seewhy.web.parts.folders import bring_folder
from seewhy.web.parts.jobs import downloads, follow
from seewhy.web.parts.page import Page, file_stem, heading, limits, plain
from seewhy.web.parts.questions import choose_model
from seewhy.web.parts.session import ask_for, keep, visit, visitor
from seewhy.web.services.audits import Audited, AuditRequest, Finding, audited
from seewhy.web.services.hub import LONG, services
from seewhy.web.services.reports import Files
from seewhy.web.services.visits import Brought

MARKS = ("wrong reason", "fine", "unclear")
FILE = "findings.json"
LAYOUT = (
    "A zip or a folder of photos such as those that the model is used on; the more, the smaller are the effects that "
    "can be told from chance. Folders in it may be the true classes, and need not."
)
LIMITS = (
    "A finding moves the class. Whether that is wrong, you decide: a part of the object may be found, too.",
    "Both tests change photos in a way that the network may not have seen; the controls change them alike.",
    "p-values are corrected for all suspects of this audit (Holm), and come from photos that were not searched.",
)


def show() -> None:
    """Draw the page."""
    heading(
        "Does it answer for wrong reasons?",
        "Whatever moves a class is looked for in half of your photos, and tried on the other half.",
    )
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        pictures = bring_folder("audit", classes=1)
        model = choose_model("audit")
    with right:
        if pictures is None:
            st.info(LAYOUT, icon=":material/folder:")
            return
        labels = _labels(pictures)
        request = AuditRequest(model, pictures.folder, labels)
        pressed = st.button("Audit", type="primary", icon=":material/policy:")
        st.caption("Takes minutes without a graphics card, the more the more photos there are.")
        if not ask_for("audit-job", request, pressed=pressed):
            return
        found = follow(
            "audit-job",
            request,
            lambda: services().submit(
                model,
                f"auditing {pictures.name}",
                partial(audited, request, visitor()),
                visitor=visitor(),
                lane=LONG,
            ),
        )
        if found:
            _results(found, pictures)


def _labels(pictures: Brought) -> bool:
    """Whether the folders are the true classes."""
    st.metric("Photos", sum(pictures.counts.values()))
    if len(pictures.counts) < 2:
        return False
    return st.toggle(
        "The folders are the true classes",
        key="audit-labels",
        bind="query-params",
        help="Named as the model calls them. What is mostly on mistakes is suspected, too, then.",
    )


def _results(found: Audited, pictures: Brought) -> None:
    st.header("What was found", anchor=False)
    st.markdown(plain(found.lead))
    for number, each in enumerate(found.findings, 1):
        _finding(found, number, each)
    with st.expander("What would have been found"):
        st.markdown(plain(found.power))
    marked = _marked(found)
    files: Files = {**found.files, FILE: marked}
    downloads("audit-found", f"seewhy-{file_stem(pictures.name)}-audit", lambda: files, everything="Everything")
    st.download_button(
        "Findings with your marks",
        marked,
        FILE,
        "application/json",
        icon=":material/fact_check:",
        on_click="ignore",
    )
    limits(LIMITS)


def _finding(found: Audited, number: int, each: Finding) -> None:
    """One finding, and what somebody thinks of it."""
    st.html(render("finding.html", number=number, chart=svg_html(each.parts["chart"] or ""), **_parts(each)))
    name = _name(found, each)
    key = f"audit-mark-{name}"
    st.session_state.setdefault(key, visit().kept.marks.get(name))
    st.segmented_control("What do you think of it?", MARKS, key=key, on_change=_mark, args=[name, key])


def _parts(each: Finding) -> dict[str, object]:
    return {name: part for name, part in each.parts.items() if name != "chart"}


def _mark(name: str, key: str) -> None:
    chosen: str | None = st.session_state[key]
    keep(lambda kept: kept.marks.update({name: chosen}) if chosen else kept.marks.pop(name, None))


def _name(found: Audited, each: Finding) -> str:
    """One name for a finding about a network, whichever audit comes upon it."""
    return sha256(f"{found.fingerprint} {each.told['sentence']}".encode()).hexdigest()[:16]


def _marked(found: Audited) -> bytes:
    """The findings as the command line writes them, with what somebody thinks of each."""
    marks = visit().kept.marks
    told = [{**each.told, "mark": marks.get(_name(found, each))} for each in found.findings]
    return json.dumps(told, indent=2, ensure_ascii=False).encode()


PAGE = Page("Audit", ":material/policy:", "audit", 75, show, lambda settings: not settings.public)

"""Audit: does a model answer for wrong reasons, over photos that somebody brings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import streamlit as st

from seewhy.core.progress import Progress
from seewhy.models import Classifier
from seewhy.verbs.audit import audit
from seewhy.web.parts.folders import bring_folder
from seewhy.web.parts.jobs import follow
from seewhy.web.parts.page import Page, file_stem, heading, plain
from seewhy.web.parts.questions import choose_model
from seewhy.web.parts.reports import show_report
from seewhy.web.parts.session import ask_for, keep, visit, visitor
from seewhy.web.rest.found import Found, found_of
from seewhy.web.services.hub import LONG, services
from seewhy.web.services.reports import Files, report_of
from seewhy.web.services.visits import Brought
from seewhy.web.visitors import Visitor

MARKS = ("wrong reason", "fine", "unclear")
FILE = "findings.json"
LAYOUT = (
    "A zip or a folder of photos such as those that the model is used on; the more, the smaller are the effects that "
    "can be told from chance. Folders in it may be the true classes, and need not."
)


@dataclass(frozen=True)
class Request:
    """Whose reasons are audited, over which photos, and whether their folders are the true classes."""

    model: str
    pictures: Path
    labels: bool = False


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
        request = Request(model, pictures.folder, labels)
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
                partial(_audited, request, visitor()),
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


def _audited(request: Request, who: Visitor, classifier: Classifier, progress: Progress) -> Found:
    """Audit. What was looked at is kept, so that a run that a new start of the server ended goes on."""
    kept, folder = sha256(request.model.encode()).hexdigest()[:16], request.pictures.parent
    with services().disk.filling(folder.with_name(f"{folder.name}-audit-{kept}"), who) as out:
        return found_of(audit(classifier, request.pictures, out, labels=request.labels, progress=progress))


def _results(found: Found, pictures: Brought) -> None:
    """The report, and what somebody thinks of each finding, which goes into the file of findings."""
    st.header("What was found", anchor=False)
    name, page = f"seewhy-{file_stem(pictures.name)}-audit", report_of(found.files)
    show_report("audit-found", name, page, lambda: _marked(found), everything="Everything, with your marks")
    if found.values["findings"]:
        st.header("What do you think of it?", anchor=False)
    for number, each in enumerate(found.values["findings"], 1):
        mark = _name(found, each)
        key = f"audit-mark-{mark}"
        st.session_state.setdefault(key, visit().kept.marks.get(mark))
        words = f"{number}. {plain(each['sentence'])}"
        st.segmented_control(words, MARKS, key=key, on_change=_mark, args=[mark, key])


def _mark(name: str, key: str) -> None:
    chosen: str | None = st.session_state[key]
    keep(lambda kept: kept.marks.update({name: chosen}) if chosen else kept.marks.pop(name, None))


def _name(found: Found, finding: Mapping[str, Any]) -> str:
    """One name for a finding about a network, whichever audit comes upon it."""
    return sha256(f"{found.values['fingerprint']} {finding['sentence']}".encode()).hexdigest()[:16]


def _marked(found: Found) -> Files:
    """The files, with what somebody thinks of each finding beside it."""
    marks = visit().kept.marks
    told = [{**each, "mark": marks.get(_name(found, each))} for each in found.values["findings"]]
    return {**found.files, FILE: json.dumps(told, indent=2, ensure_ascii=False).encode()}


PAGE = Page("Audit", ":material/policy:", "audit", 75, show, lambda settings: not settings.public)

"""Train: a classifier of one's own classes, how far to believe it, and what the other pages need to explain it."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from shlex import quote

import streamlit as st

from seewhy.images.uploads import safe_name
from seewhy.verbs.teach import TeachConfig, TeachResult
from seewhy.web.parts.folders import bring_folder
from seewhy.web.parts.jobs import answered, follow
from seewhy.web.parts.page import Page, heading, plain
from seewhy.web.parts.questions import choose_model
from seewhy.web.parts.reports import parts_of, show_report
from seewhy.web.parts.session import ask_for, keep, visit, visitor
from seewhy.web.services.hub import services
from seewhy.web.services.reports import report_of, report_page, result_files
from seewhy.web.services.visits import Brought, digest

FEW = 20  # pictures of a class, of which some are kept for validation
LAYOUT = (
    "One folder of pictures for each class, such as cats/ and dogs/. Ten pictures of each are few, a hundred are many."
)
SPARSE = (
    "There are few pictures of {names}: it is tried on a part of them alone, so that its accuracy will hardly say "
    "anything. {fewest} of each class tell more."
)
DONE = (
    "Every page offers “{name}” first now, for a day. It can be taken away: unpacked, "
    "`seewhy explain photo.jpg --model {model}` explains by it."
)


def show() -> None:
    """Draw the page."""
    heading("Teach it your own classes", "From folders of pictures to a classifier that every other page can explain.")
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        pictures = bring_folder("train")
    with right:
        if pictures is None:
            st.info(LAYOUT, icon=":material/folder:")
            return
        _counts(pictures)
        config = _config(pictures)
        pressed = st.button("Train", type="primary", icon=":material/school:")
        if not ask_for("train-job", config, pressed=pressed):
            return
        found = _trained(config)
        if found:
            _done(found, config)


def _counts(pictures: Brought) -> None:
    with st.container(horizontal=True, gap="large"):
        for name, count in pictures.counts.items():
            st.metric(name, count, width="content")
    if few := [name for name, count in pictures.counts.items() if count < FEW]:
        names = plain(", ".join(few[:5]) + (" and others" if len(few) > 5 else ""))
        st.warning(SPARSE.format(names=names, fewest=FEW), icon=":material/data_alert:")


def _config(pictures: Brought) -> TeachConfig:
    """How to train, with defaults that suit few pictures."""
    key = sha256(pictures.key.encode()).hexdigest()[:12]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name", safe_name(pictures.name), max_chars=40, width=240, key=f"train-name-{key}")
        backbone = choose_model("train", own=False)
        with st.popover("Settings", icon=":material/tune:"):
            head = st.slider("Rounds of the last layer alone", 1, 60, 30, key="train-head", bind="query-params")
            about = "Minutes each on a processor."
            epochs = st.slider(
                "Rounds of the whole network", 0, 30, 0, key="train-epochs", help=about, bind="query-params"
            )
    prototypes = st.toggle(
        "Learn prototypes, too",
        key="train-prototypes",
        bind="query-params",
        help="Patches of pictures that a network decides by, for the page Cases. Takes minutes more.",
    )
    return TeachConfig(safe_name(name), pictures.folder, backbone, head, epochs, prototypes)


def _trained(config: TeachConfig) -> TeachResult | None:
    """What was trained just so in this visit, or is trained now."""
    name = digest("train-job", config)
    known = visit().kept.trained.get(name)
    if known and known.classifier.is_dir():
        return known
    found = follow("train-job", config, lambda: services().train(config, visitor=visitor()))
    if found:
        keep(lambda kept: kept.trained.update({name: found}))
        st.rerun()  # the other questions offer it, too
    return found


def _done(found: TeachResult, config: TeachConfig) -> None:
    """How far to believe it, first; what it gets wrong, and why; then how it came to be, and how to use it."""
    page = report_page(found)
    st.header("How far to believe it", anchor=False)
    st.html(f'<div class="sw-lead">{parts_of(page.decode())["lead"]}</div>')
    if found.objections:
        reasons = "; ".join(found.objections)
        st.warning(f"Its prototypes are not to be believed, and Cases refuses them: {reasons}.", icon=":material/rule:")
    st.info(DONE.format(name=plain(found.name), model=quote(f"file:{found.name}")), icon=":material/school:")
    services().models.admit(found.model)
    mistakes = answered(
        "train-mistakes",
        "evaluate",
        "What it gets wrong, and why",
        pictures=config.pictures.parent.name,
        model=found.model,
    )
    if mistakes:
        st.header("What it gets wrong, and why", anchor=False)
        files = mistakes.files
        show_report("train-mistakes-report", f"{found.name}-mistakes", report_of(files), lambda: files)
    with st.expander("How it learned, and from what", expanded=mistakes is None):
        everything = partial(result_files, found)
        show_report("train-result", found.name, page, everything, everything="The classifier, to keep")


PAGE = Page("Train", ":material/school:", "train", 80, show, lambda settings: not settings.public)

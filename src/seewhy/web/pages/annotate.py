"""Annotate: draw where the object is, and see which explanations point there, too."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import streamlit as st

from seewhy.draw import png_bytes
from seewhy.errors import Conflict, SeewhyError, UsageError
from seewhy.images import Image
from seewhy.methods.explanation import sentence
from seewhy.people.masks import MaskRevision, drawn, save_mask
from seewhy.people.names import LONGEST_LABEL, checked_label
from seewhy.report.page import listed, title_of
from seewhy.verbs.agreement import MaskAgreement, agreement, nothing_to_compare
from seewhy.web.canvas.annotate import Drawing, annotate
from seewhy.web.parts.figures import method_html, render
from seewhy.web.parts.jobs import follow
from seewhy.web.parts.page import Page, columns_of, file_stem, heading, limits, plain
from seewhy.web.parts.players import player_menu, playing
from seewhy.web.parts.questions import choose_methods, choose_model, choose_photo, opened
from seewhy.web.parts.reports import show_part
from seewhy.web.parts.session import visitor
from seewhy.web.services.hub import Request, services
from seewhy.web.services.storage import people_store
from seewhy.web.telling import told

FIRST = ("grad-cam", "eigen-cam", "lrp")
SAID, LABEL = "annotate-said", "annotate-label"
LIMITS = (
    "IoU is the area that both share, divided by the area that either has: 1 where they are the same.",
    "It says how plausible a map looks. A network may decide by something else, and a map that says so is right.",
)


def show() -> None:
    """Draw the page."""
    heading("Where is it?", "Mark it on the photo, and see at once which explanations point there, too.")
    name = playing("annotate", "Draw")
    if name is None:
        st.caption("Your drawings are kept under your name, each state of them.")
        return
    with st.container(horizontal=True, horizontal_alignment="right"):
        player_menu(name)
    left, right = st.columns([1, 2.6], gap="large")
    with left:
        chosen = choose_photo("annotate")
        image = chosen and chosen.image
        for note in image.notes if image else ():
            st.caption(plain(sentence(note)))
        called = st.text_input("What do you mark?", "object", max_chars=LONGEST_LABEL, key=LABEL, bind="query-params")
        label = _label(called)
        kept = {each.label: each for each in drawn(people_store(), name, image.sha256)} if image else {}
        if others := [f"“{plain(each)}”" for each in kept if each != label]:
            st.caption(f"You have drawn {listed(others)} here, too.")
    with right:
        if image is None or not label:
            st.info("Choose a photo, and say what you mark.", icon=":material/draw:")
            return
        _canvas(name, image, label, called, kept.get(label))
    if label in kept:
        _agreement(image, kept[label])


def _label(typed: str) -> str:
    """What was typed, as masks are called; empty, with a word on why, where nothing is called so."""
    if not typed.strip():
        return ""
    try:
        return checked_label(typed)
    except UsageError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return ""


def _canvas(name: str, image: Image, label: str, typed: str, saved: MaskRevision | None) -> None:
    """The drawing, and what went wrong with the last attempt to save it."""

    def save(drawing: Drawing) -> None:
        try:
            save_mask(
                people_store(), name, image.name, image.sha256, label, drawing.mask, base=drawing.base, key=drawing.key
            )
        except Conflict:
            return  # the canvas sees that another state is the last one, and asks which to go on with
        except SeewhyError as error:
            st.session_state[SAID] = (drawing.key, told(error))

    refused, why = st.session_state.pop(SAID, (None, ""))
    identity = sha256(f"{name}\n{image.sha256}\n{label}".encode()).hexdigest()
    annotate("annotate-canvas", identity, image, label, saved, save, fields={LABEL: typed}, refused=refused)
    if refused:
        st.error(plain(why), icon=":material/error:")


def _agreement(image: Image, saved: MaskRevision) -> None:
    """Which explanations point at what is drawn."""
    st.header(f"Do explanations point at your “{plain(saved.label)}”?", anchor=False)
    st.download_button(
        "Mask as PNG",
        lambda: png_bytes(saved.mask * np.uint8(255)),
        f"{file_stem(image, saved.label)}-{saved.revision}.png",
        "image/png",
        icon=":material/download:",
        on_click="ignore",
    )
    model = choose_model("annotate")
    classifier = opened(model)
    if why := nothing_to_compare(classifier, image, saved.mask):
        st.info(plain(why), icon=":material/info:")
        return
    methods = choose_methods("annotate", classifier, FIRST, "Choose a method")
    if not methods:
        return
    request = Request(model, methods)
    found = follow(
        "annotate-job",
        (request, image.sha256, image.name),
        lambda: services().explain(image, request, visitor=visitor()),
    )
    if found is None or not found.explanations:
        return
    one = found.explanations[0]
    st.markdown(f"Why **{plain(one.target_label)}** ({one.told}), which the model finds likeliest?")
    agreed = agreement(classifier, image, found.explanations, saved.mask)
    rows = [_row(each) for each in agreed.rows]
    table = render("agreement.html", rows=rows, chance=f"{agreed.chance:.2f}", share=_percent(agreed.share))
    show_part("annotate-agreement", table)
    if agreed.outside >= 0.01:
        cut = _percent(agreed.outside)
        st.caption(f"Of what you marked, {cut} lies where the network does not look, and does not count.")
    for column, each in columns_of(agreed.rows, 3):
        with column:
            show_part(f"annotate-by-{each.explanation.method}", method_html([each.explanation]))
    limits(LIMITS)


def _row(each: MaskAgreement) -> dict[str, str]:
    row = {"title": title_of(each.explanation.method), "reason": each.iou.reason}
    if each.iou.value is not None and each.energy.value is not None and each.pointing.value is not None:
        row |= {"iou": f"{each.iou.value:.2f}", "energy": _percent(each.energy.value)}
        row |= {"pointing": "yes" if each.pointing.value > 0.5 else "no"}
        row |= {"others": "–" if each.energy.other_classes is None else _percent(each.energy.other_classes)}
    return row


def _percent(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


PAGE = Page("Annotate", ":material/draw:", "annotate", 60, show)

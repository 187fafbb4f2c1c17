"""Annotate: draw where the object is, and see which explanations point there, too."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import streamlit as st

from seewhy.app.agreeing import Agreed, agreement
from seewhy.app.canvas.annotate import Drawing, annotate
from seewhy.app.crowd import crowd
from seewhy.app.desk import desk
from seewhy.app.shell.figures import figure_html, render
from seewhy.app.shell.page import Page
from seewhy.app.shell.parts import columns_of, follow, heading, limits
from seewhy.app.shell.player import player_menu, playing
from seewhy.app.shell.questions import choose_model, choose_photo, opened
from seewhy.app.work import Wish
from seewhy.draw import png_bytes
from seewhy.errors import Conflict, SeewhyError
from seewhy.explainers import method_info, suitable_methods
from seewhy.images import Image
from seewhy.people.masks import drawn, save_mask
from seewhy.people.records import MaskRevision

__all__ = ["PAGE"]

FIRST = ("grad-cam", "eigen-cam", "lrp")
SAID = "annotate-said"
LONGEST = 64  # characters of a label
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
        image = choose_photo("annotate")
        label = st.text_input("What do you mark?", "object", max_chars=LONGEST, key="annotate-label").strip()
    with right:
        if image is None or not label:
            st.info("Choose a photo, and say what you mark.", icon=":material/draw:")
            return
        _canvas(name, image, label)
        saved = _saved(name, image, label)
    if saved:
        _agreement(image, saved)


def _canvas(name: str, image: Image, label: str) -> None:
    """The drawing, and what went wrong with the last attempt to save it."""

    def save(drawing: Drawing) -> None:
        try:
            save_mask(crowd(), name, image.name, image.sha256, label, drawing.mask, base=drawing.base, key=drawing.key)
        except Conflict:
            return  # the canvas sees that another state is the last one, and asks which to go on with
        except SeewhyError as error:
            st.session_state[SAID] = str(error)

    identity = sha256(f"{name}\n{image.sha256}\n{label}".encode()).hexdigest()
    annotate("annotate-canvas", identity, image, _saved(name, image, label), save)
    if said := st.session_state.pop(SAID, None):
        st.error(said, icon=":material/error:")


def _saved(name: str, image: Image, label: str) -> MaskRevision | None:
    return next((each for each in drawn(crowd(), name, image.sha256) if each.label == label), None)


def _agreement(image: Image, saved: MaskRevision) -> None:
    """Which explanations point at what is drawn."""
    st.header(f"Do explanations point at your “{saved.label}”?", anchor=False)
    st.download_button(
        "Mask as PNG",
        lambda: png_bytes(saved.mask * np.uint8(255)),
        f"{saved.label}-{saved.revision}.png",
        "image/png",
        icon=":material/download:",
        on_click="ignore",
    )
    model = choose_model("annotate")
    classifier = opened(model)
    names = [info.name for info in suitable_methods(classifier)]
    methods = st.multiselect(
        "Methods",
        names,
        [each for each in FIRST if each in names] or names[:1],
        format_func=lambda each: method_info(each).title,
        placeholder="Choose a method",
        key="annotate-methods",
    )
    if not methods:
        return
    wish = Wish(model, tuple(methods))
    found = follow("annotate-job", (wish, image.sha256, image.name), lambda: desk().explain(image, wish))
    if found is None or not found.explanations:
        return
    agreed = agreement(classifier, image, found.explanations, saved.mask)
    if agreed is None:
        st.info("The network looks at the middle of the photo alone, and what you marked lies outside of it.")
        return
    rows = [_row(each) for each in agreed.rows]
    st.html(render("agreement.html", rows=rows, chance=f"{agreed.chance:.2f}", share=f"{100 * agreed.share:.0f} %"))
    for column, each in columns_of(agreed.rows, 3):
        column.html(figure_html(each.explanation))
    limits(LIMITS)


def _row(each: Agreed) -> dict[str, str]:
    row = {"title": method_info(each.explanation.method).title, "reason": each.iou.reason}
    if each.iou.value is not None and each.energy.value is not None and each.pointing.value is not None:
        row |= {"iou": f"{each.iou.value:.2f}", "energy": f"{100 * each.energy.value:.0f} %"}
        row |= {"pointing": "yes" if each.pointing.value > 0.5 else "no"}
    return row


PAGE = Page("Annotate", ":material/draw:", "annotate", 60, show)

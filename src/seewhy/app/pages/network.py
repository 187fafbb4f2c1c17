"""Network: what each layer found in a photo, in people's words where there are some."""

from __future__ import annotations

import streamlit as st

from seewhy.app.desk import desk
from seewhy.app.reports import network_files
from seewhy.app.shell.figures import photo_html
from seewhy.app.shell.page import Page
from seewhy.app.shell.parts import follow, heading, show_report
from seewhy.app.shell.questions import choose_model, choose_photo, choose_target, file_stem, opened

__all__ = ["PAGE"]


def show() -> None:
    """Draw the page."""
    heading(
        "What does each layer see?",
        "From edges to things: the network layer by layer, and what each group of maps weighs.",
    )
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        image = choose_photo("network")
    with right:
        model = choose_model("network")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            target = choose_target("network", opened(model))
        if image is None:
            st.info("Choose a photo to begin.", icon=":material/image:")
            return
        wanted = (model, target, image.sha256, image.name)
        about = f"looking into the network at {image.name}"
        files = follow(
            "network-job",
            wanted,
            lambda: desk().submit(
                model, about, lambda classifier, tell: network_files(classifier, image, target, tell)
            ),
        )
    if files:
        show_report("network", f"seewhy-{file_stem(image)}-network", files)
    else:
        left.html(photo_html(image))


PAGE = Page("Network", ":material/account_tree:", "network", 40, show)

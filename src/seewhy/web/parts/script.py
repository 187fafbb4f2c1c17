"""What stands round every page."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from seewhy.web.parts.page import list_pages
from seewhy.web.parts.players import account_menu, signed_in
from seewhy.web.services.hub import services

HERE = Path(__file__).parent
START = "start"  # a name of the first page, whose own leads to it, too


def run() -> None:
    """Draw the navigation and the chosen page."""
    st.set_page_config(page_title="seewhy", page_icon=str(HERE / "icon.svg"), layout="wide")
    st.html(HERE / "look.css")
    st.logo(str(HERE / "logo.svg"), size="large")
    chosen = services().settings
    if not signed_in(chosen):
        return
    pages = [page for page in list_pages() if page.offered(chosen)]
    page = st.navigation(
        [
            st.Page(
                page.show, title=page.title, icon=page.icon, url_path=page.path if place else START, default=not place
            )
            for place, page in enumerate(pages)
        ]
        + [st.Page(pages[0].show, title=pages[0].title, url_path=pages[0].path, visibility="hidden")],
        position="top",
    )
    account_menu(chosen)
    page.run()


run()

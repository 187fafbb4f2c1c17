"""Studies: what `seewhy study` found, down to the single photo."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from seewhy.cases.manifest import without_folders
from seewhy.errors import SeewhyError
from seewhy.verbs.study import find_studies, open_study
from seewhy.web.parts.page import Page, heading, refusal
from seewhy.web.parts.reports import show_report
from seewhy.web.services.hub import services

COMMAND = "seewhy study photos/ --methods grad-cam,lrp,control:random --out {}"


def show() -> None:
    """Draw the page."""
    heading("Which explanation to believe, over many photos", "Models, methods and tests of whole folders.")
    folder = services().settings.studies_folder
    found = find_studies(folder)
    if not found:
        _nothing(folder)
        return
    name = st.selectbox("Study", list(found), key="studies-name", bind="query-params")
    try:
        page = _report(found[name], found[name].joinpath("results.parquet").stat().st_mtime)
    except SeewhyError as error:
        st.warning(refusal(error), icon=":material/error:")
        return
    show_report("studies", name, page)


def _nothing(folder: Path) -> None:
    if services().settings.public:  # strangers give this machine no commands
        st.info("There are no studies here yet.", icon=":material/science:")
        return
    st.info("There are no studies yet. This command makes one:", icon=":material/science:")
    st.code(COMMAND.format(folder / "first"), language=None, wrap_lines=True)


@st.cache_data(show_spinner="Opening the study", max_entries=4)
def _report(folder: Path, _changed: float) -> bytes:
    """The report, with each model's name as strangers may read it: without the folders of whoever made the study."""
    result = open_study(folder)
    text = result.page()
    for model in result.plan.models:
        plain = without_folders(model)
        text = text.replace(escape(model), escape(plain)).replace(model, plain)
    return text.encode()


PAGE = Page("Studies", ":material/science:", "studies", 70, show)

"""Studies: what `seewhy study` found, down to the single photo."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from seewhy.cases.manifest import without_folders
from seewhy.errors import SeewhyError
from seewhy.report.study import Family, families
from seewhy.report.study_photos import photos_of
from seewhy.report.verdict import study_verdict
from seewhy.study.summary import StudyResult
from seewhy.verbs.study import find_studies, open_study
from seewhy.web.parts.figures import picture_html, render, scores_html, svg_html
from seewhy.web.parts.jobs import download_report
from seewhy.web.parts.page import Page, columns_of, heading, refusal
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
    name = st.selectbox("Study", list(found), key="studies-name")
    try:
        result = _opened(found[name], found[name].joinpath("results.parquet").stat().st_mtime)
    except SeewhyError as error:
        st.warning(refusal(error), icon=":material/error:")
        return
    st.header("The verdict", anchor=False)
    st.markdown(_plain(study_verdict(result), result))
    scores, photos = st.tabs(["Scores", "Photo by photo"])
    with scores:
        _scores(result)
    with photos:
        _photos(result)
    report = found[name] / "report.html"
    if report.is_file():
        download_report(lambda: _plain(report.read_text("utf-8"), result).encode(), name, "studies-report")


def _plain(text: str, result: StudyResult) -> str:
    """The text with each model's name as strangers may read it: without the folders of whoever made the study."""
    for model in result.plan.models:
        plain = without_folders(model)
        text = text.replace(escape(model), escape(plain)).replace(model, plain)
    return text


def _nothing(folder: Path) -> None:
    if services().settings.public:  # strangers give this machine no commands
        st.info("There are no studies here yet.", icon=":material/science:")
        return
    st.info("There are no studies yet. This command makes one:", icon=":material/science:")
    st.code(COMMAND.format(folder / "first"), language=None, wrap_lines=True)


@st.cache_resource(show_spinner="Opening the study", max_entries=4)
def _opened(folder: Path, _changed: float) -> StudyResult:
    return open_study(folder)


@st.cache_resource(show_spinner="Adding up", max_entries=4, hash_funcs={StudyResult: id})
def _families(result: StudyResult) -> list[Family]:
    return families(result)


def _scores(result: StudyResult) -> None:
    for family in _families(result):
        for model, table in family.tables:
            st.html(scores_html(table, without_folders(model)))
        for column, (metric, chart) in columns_of(family.charts):
            column.subheader(metric.title, anchor=False)
            column.html(svg_html(_plain(chart, result)))
            column.caption(metric.reading)


def _photos(result: StudyResult) -> None:
    """One photo, and how every explanation of it scores."""
    scored = set(result.table["image"].unique())
    names = [name for name in result.plan.images if name in scored]
    if not names:
        st.info("No photo could be scored.")
        return
    name = st.selectbox("Photo", names, key="studies-photo")
    titles = [metric.title for metric in result.metrics]
    left, right = st.columns([1, 3], gap="large")
    for photo in photos_of(result, name):
        if photo.maps:
            left.caption(_plain(photo.remark, result))
        elif photo.picture:
            left.html(picture_html(photo.picture))
        else:
            left.caption("The photo is no longer where it was.")
        right.html(_plain(render("study_photo.html", photo=photo, titles=titles), result))


PAGE = Page("Studies", ":material/science:", "studies", 70, show)

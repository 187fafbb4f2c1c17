"""Train: a classifier of one's own classes, and how good it is."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import streamlit as st

from seewhy.app.archive import Files
from seewhy.app.classes import Unpacked, members, unpack
from seewhy.app.desk import desk
from seewhy.app.queue import Job
from seewhy.app.reports import training_files
from seewhy.app.settings import Settings
from seewhy.app.shell.page import Page
from seewhy.app.shell.parts import follow, heading, show_report
from seewhy.app.shell.questions import choose_model
from seewhy.errors import SeewhyError
from seewhy.home import home

__all__ = ["PAGE"]

ZIP, FOLDER = "A zip", "A folder"
SECRET = 32  # random bytes of a folder's name: it is the right to use the model
LAYOUT = (
    "One folder of pictures for each class, such as cats/ and dogs/. Ten pictures of each are few, a hundred are many."
)


@dataclass(frozen=True)
class Trained:
    """A classifier of this visit."""

    name: str
    files: Files


def show() -> None:
    """Draw the page."""
    heading("Teach it your own classes", "From folders of pictures to a classifier that every other page can explain.")
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        uploaded = _uploaded()
    with right:
        if uploaded is None:
            st.info(LAYOUT, icon=":material/folder:")
            return
        pictures = _pictures(uploaded)
        if pictures is None:
            return
        _told(pictures)
        settings = _settings()
        if st.button("Train", type="primary", icon=":material/school:"):
            st.session_state["train-wanted"] = (uploaded[0], tuple(settings.items()))
        if st.session_state.get("train-wanted") != (uploaded[0], tuple(settings.items())):
            return
        found = follow("train-job", st.session_state["train-wanted"], lambda: _train(pictures.folder, settings))
    if found:
        _admit(found)
        show_report("train", "seewhy-classifier", found.files)


def _uploaded() -> tuple[str, Sequence[tuple[str, bytes]] | bytes] | None:
    """What was uploaded, after a name for it that changes with it."""
    kind = st.segmented_control(
        "Pictures", [ZIP, FOLDER], default=ZIP, required=True, width="stretch", key="train-kind"
    )
    if kind == ZIP:
        given = st.file_uploader("Your zip", ["zip"], max_upload_size=desk().settings.training_mb, key="train-zip")
        return (given.file_id, given.getvalue()) if given else None
    files = st.file_uploader("Your folder", accept_multiple_files="directory", key="train-folder")
    if not files:
        return None
    name = sha256("".join(each.file_id for each in files).encode()).hexdigest()
    return name, [(each.name, each.getvalue()) for each in files]


def _pictures(uploaded: tuple[str, Sequence[tuple[str, bytes]] | bytes]) -> Unpacked | None:
    """The pictures, checked once for each upload; None where they cannot be used, which is told."""
    name, given = uploaded
    kept: tuple[str, Unpacked] | None = st.session_state.get("train-pictures")
    if kept and kept[0] == name:
        return kept[1]
    chosen = desk().settings
    folder = home() / "trainings" / secrets.token_urlsafe(SECRET) / "pictures"
    try:
        with st.spinner("Looking at the pictures"):
            files = members(given, chosen.upload_bytes) if isinstance(given, bytes) else given
            found = unpack(files, folder, chosen.upload_bytes, chosen.upload_pixels)
    except SeewhyError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None
    st.session_state["train-pictures"] = (name, found)
    return found


def _told(pictures: Unpacked) -> None:
    for column, (name, count) in zip(st.columns(min(len(pictures.counts), 6)), pictures.counts.items(), strict=False):
        column.metric(name, count)
    if pictures.failures:
        with st.expander(f"{len(pictures.failures)} left out"):
            for name, error in pictures.failures:
                st.caption(f"{name}: {error}")


def _settings() -> dict[str, Any]:
    """How to train, with defaults that suit few pictures."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        backbone = choose_model("train")
        with st.popover("Settings", icon=":material/tune:"):
            head = st.slider("Rounds of the last layer alone", 1, 60, 30, key="train-head")
            epochs = st.slider(
                "Rounds of the whole network", 0, 30, 0, key="train-epochs", help="Minutes each on a processor."
            )
    return {"backbone": backbone, "head_epochs": head, "epochs": epochs}


def _train(pictures: Path, settings: dict[str, Any]) -> Job[Trained]:
    out = pictures.parent / f"model-{secrets.token_hex(4)}"
    recipe = {name: value for name, value in settings.items() if name != "backbone"}

    def work(job: Job[Trained]) -> Trained:
        files = training_files(pictures, settings["backbone"], out, recipe, job.tell)
        return Trained(f"file:{out}", files)

    return desk().trainings.submit(work, "the training")


def _admit(found: Trained) -> None:
    """From now on every page of this visit offers the classifier."""
    desk().shelf.admit(found.name)
    mine: list[str] = st.session_state.setdefault("models", [])
    if found.name not in mine:
        mine.append(found.name)
    st.success(
        "Done. Explain, Compare and Network now offer this classifier, during this visit.", icon=":material/school:"
    )


def _offered(settings: Settings) -> bool:
    return not settings.public


PAGE = Page("Train", ":material/school:", "train", 80, show, _offered)

"""Train: a classifier of one's own classes, how good it is, and what the other pages need to explain it."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from pathlib import Path, PurePath
from shlex import quote
from typing import Any

import streamlit as st

from seewhy.images.uploads import Unpacked, members, safe_name, unpack
from seewhy.verbs import TeachConfig, TeachResult
from seewhy.web.parts.jobs import follow, show_report
from seewhy.web.parts.page import Page, heading
from seewhy.web.parts.questions import choose_model
from seewhy.web.parts.session import Upload, forget_upload, keep_upload, last_upload, session, visitor
from seewhy.web.services.hub import services
from seewhy.web.services.reports import report_page, result_files
from seewhy.web.telling import told

ZIP, FOLDER = "A zip", "A folder"
PICTURES = "train-pictures"  # the upload of this session, and its pictures
LAYOUT = (
    "One folder of pictures for each class, such as cats/ and dogs/. Ten pictures of each are few, a hundred are many."
)
DONE = (
    "Explain, Compare, Cases and Network offer “{name}” now, during this visit. "
    "It can be taken away: unpacked, `seewhy explain photo.jpg --model {model}` explains by it."
)


def show() -> None:
    """Draw the page."""
    heading("Teach it your own classes", "From folders of pictures to a classifier that every other page can explain.")
    left, right = st.columns([1, 2.1], gap="large")
    with left:
        upload = _upload()
    with right:
        if upload is None:
            st.info(LAYOUT, icon=":material/folder:")
            return
        pictures = _pictures(upload)
        if pictures is None:
            return
        with st.container(horizontal=True, gap="large"):
            for name, count in pictures.counts.items():
                st.metric(name, count, width="content")
        if pictures.failures:
            with st.expander(f"{len(pictures.failures)} left out"):
                for name, error in pictures.failures:
                    st.caption(f"{name}: {told(error)}")
        config = _config(upload.key, upload.name, pictures.folder)
        if st.button("Train", type="primary", icon=":material/school:"):
            st.session_state["train-wanted"] = config
        if st.session_state.get("train-wanted") != config:
            return
        found = follow("train-job", config, lambda: services().train(config, visitor=visitor()))
        if found:
            _done(found)
    if found:
        files = partial(result_files, found)
        show_report("train-result", found.name, report_page(found), files, everything="The classifier, to keep")


def _upload() -> Upload[Any] | None:
    """A zip's bytes, or names and bytes of a folder's files; of what was uploaded before, its pictures."""
    kind = st.segmented_control(
        "Pictures",
        [ZIP, FOLDER],
        default=ZIP,
        required=True,
        width="stretch",
        key="train-kind",
        persist_state="session",
    )
    if kind == ZIP:
        limit = services().settings.training_mb
        given = st.file_uploader(
            "Your zip", ["zip"], max_upload_size=limit, key="train-zip", on_change=forget_upload, args=[PICTURES]
        )
        return Upload(given.file_id, PurePath(given.name).stem, given.getvalue()) if given else last_upload(PICTURES)
    files = st.file_uploader(
        "Your folder", accept_multiple_files="directory", key="train-folder", on_change=forget_upload, args=[PICTURES]
    )
    if not files:
        return last_upload(PICTURES)
    key = sha256("".join(each.file_id for each in files).encode()).hexdigest()
    return Upload(key, PurePath(files[0].name).parts[0], [(each.name, each.getvalue()) for each in files])


def _pictures(upload: Upload[Any]) -> Unpacked | None:
    """The pictures, checked once for each upload; None where they cannot be used, which is told."""
    at, chosen = services(), services().settings

    def check() -> Unpacked:
        with st.spinner("Looking at the pictures"), at.disk.filling(at.new_training_folder(), visitor()) as lesson:
            folder = lesson / "pictures"
            zipped = isinstance(upload.content, bytes)
            files = members(upload.content, chosen.upload_bytes) if zipped else upload.content
            return unpack(files, folder, chosen.upload_bytes, chosen.upload_pixels)

    return keep_upload(PICTURES, upload.key, upload.name, check)


def _config(key: str, called: str, pictures: Path) -> TeachConfig:
    """How to train, with defaults that suit few pictures."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(
            "Name", safe_name(called), max_chars=40, width=240, key=f"train-name-{key}", persist_state="session"
        )
        backbone = choose_model("train")
        with st.popover("Settings", icon=":material/tune:"):
            head = st.slider("Rounds of the last layer alone", 1, 60, 30, key="train-head", persist_state="session")
            about = "Minutes each on a processor."
            epochs = st.slider(
                "Rounds of the whole network", 0, 30, 0, key="train-epochs", help=about, persist_state="session"
            )
    prototypes = st.toggle(
        "Learn prototypes, too",
        key="train-prototypes",
        persist_state="session",
        help="Patches of pictures that a network decides by, for the page Cases. Takes minutes more.",
    )
    return TeachConfig(safe_name(name), pictures, backbone, head, epochs, prototypes)


def _done(found: TeachResult) -> None:
    if found not in session().trained:
        session().trained.append(found)
    st.success(DONE.format(name=found.name, model=quote(f"file:{found.name}")), icon=":material/school:")
    if found.objections:
        reasons = "; ".join(found.objections)
        st.warning(f"Its prototypes are not to be believed, and Cases refuses them: {reasons}.", icon=":material/rule:")


PAGE = Page("Train", ":material/school:", "train", 80, show, lambda settings: not settings.public)

"""The questions that several pages ask: which photo, which model, which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from seewhy.errors import SeewhyError
from seewhy.images import Image, samples
from seewhy.methods import method_info, suitable_methods
from seewhy.models import Classifier
from seewhy.verbs.compare import chosen_methods
from seewhy.web.parts.session import (
    Upload,
    forget_upload,
    keep_upload,
    last_upload,
    session,
    visitor,
)
from seewhy.web.services.caches import model_label
from seewhy.web.services.hub import services
from seewhy.web.telling import told

SAMPLES, UPLOAD, CAMERA = "Samples", "Upload", "Camera"
PHOTO = "photo"  # the upload of this session, whichever page it came by
KINDS = ["jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "npy", "dcm"]
LIKELIEST = {
    "labels": "the likeliest label",
    "values": "the first value",
}  # what is asked about where nothing is chosen


def choose_photo(page: str) -> Image | None:
    """A sample, an upload or a snapshot; None while there is none, or where it was refused, which is told.

    What somebody uploads on one page is there on the others, too.
    """
    source = st.segmented_control(
        "Photo",
        [SAMPLES, UPLOAD, CAMERA],
        default=UPLOAD if PHOTO in st.session_state else SAMPLES,
        required=True,
        width="stretch",
        key=f"{page}-source",
        bind="query-params",
    )
    if source == SAMPLES:
        return _choose_sample(page)
    if source == UPLOAD:
        limit = services().settings.upload_mb
        given = st.file_uploader(
            "Your photo", KINDS, max_upload_size=limit, key=f"{page}-upload", on_change=forget_upload, args=[PHOTO]
        )
    else:
        given = st.camera_input("Take a photo", key=f"{page}-camera", on_change=forget_upload, args=[PHOTO])
    if given:
        name = given.name if source == UPLOAD else "snapshot"
        secret = keep_upload(PHOTO, given.file_id, name, lambda: _keep(given.getvalue(), name))
    else:
        kept: Upload[str] | None = last_upload(PHOTO)
        secret = kept and kept.content
    return _reopened(secret) if secret else None


def _keep(data: bytes, name: str) -> str:
    """The secret of the photo in these bytes, which is stored: a session holds no pixels."""
    return services().photos.keep(services().photos.read(data, name), visitor())


def _reopened(secret: str) -> Image | None:
    try:
        return services().photos.open(services().photos.find(secret))
    except SeewhyError as error:
        forget_upload(PHOTO)
        st.error(told(error), icon=":material/broken_image:")
        return None


def _choose_sample(page: str) -> Image:
    name = st.pills(
        "Sample",
        list(samples()),
        default="cat",
        required=True,
        format_func=str.capitalize,
        label_visibility="collapsed",
        wrap=True,
        key=f"{page}-sample",
        bind="query-params",
    )
    photos = services().photos
    return photos.open(replace(photos.find(f"sample:{name}"), name=name))


def choose_model(page: str) -> str:
    """One of the models, or of those trained in this session; no question where there is but one."""
    models = services().models
    names = [*models.names, *(each.model for each in session().trained if each.model in models)]
    if len(names) == 1:
        return names[0]
    return st.selectbox("Model", names, format_func=model_label, key=f"{page}-model", persist_state="session")


def choose_methods(page: str, classifier: Classifier, first: Sequence[str], placeholder: str) -> tuple[str, ...]:
    """Methods that suit the model; at the beginning those of `first`, or where none of them suits, as many others."""
    names = [info.name for info in suitable_methods(classifier)]
    return tuple(
        st.multiselect(
            "Methods",
            names,
            [name for name in first if name in names] or chosen_methods(classifier)[: len(first)],
            format_func=lambda name: method_info(name).title,
            placeholder=placeholder,
            key=f"{page}-methods",
            wrap=True,
            select_all=False,
            persist_state="session",
        )
    )


def choose_target(page: str, classifier: Classifier) -> str | None:
    """A class by its index, "A and B" or "A vs B" by two, or None for what the model finds likeliest."""
    names, meaning = classifier.categories, classifier.head.meaning

    def choose(place: Any, question: str, but: Sequence[int | None], nothing: str, key: str) -> int | None:
        indices = [each for each in range(len(names)) if each not in but]
        return place.selectbox(
            question,
            indices,
            None,
            format_func=names.__getitem__,
            placeholder=nothing,
            width=240,
            key=f"{page}-{key}",
            persist_state="session",
        )

    index = choose(st, "Why", (), LIKELIEST.get(meaning, "the likeliest class"), "class")
    more, place = st.empty(), st.empty()  # their own, so that what follows stays where it is
    if index is None:
        return None
    also = choose(more, "and", (index,), "no other", "also") if meaning == "labels" else None
    against = choose(place, "rather than", (index, also), "any other", "against") if meaning != "values" else None
    asked = f"#{index}" if also is None else f"#{index} and #{also}"
    return asked if against is None else f"{asked} vs #{against}"


def opened(model: str) -> Classifier:
    """The classifier; waits while it is being loaded, and ends the page where it cannot be, which is told."""
    try:
        if (ready := services().models.loaded(model)) is not None:
            return ready
        with st.spinner("Loading the model"):
            return services().models.get(model)
    except SeewhyError as error:
        st.error(told(error), icon=":material/error:")
        st.stop()
